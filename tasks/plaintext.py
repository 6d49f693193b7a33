"""Texts of others, made harmless for where they are shown: a terminal, a log, a page that renders Markdown."""

from __future__ import annotations

import re

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# What Markdown gives a meaning (https://spec.commonmark.org, 2.4). An escaped `:` or `.` also keeps an address from
# becoming a link by itself.
_MARKUP = re.compile(r"[!\"#$%'()*+,./:;=?@\[\\\]^_`{|}~-]")


def printable(value: str) -> str:
    """`value` with every control character but newline and tab made visible."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", value)


def markdown(value: str, at_most: int = 2_000) -> str:
    """One line of Markdown that shows the first `at_most` characters of `value` and does nothing else."""
    line = " ".join(printable(value[:at_most]).split()) + ("…" if len(value) > at_most else "")
    escaped = _MARKUP.sub(r"\\\g<0>", line)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
