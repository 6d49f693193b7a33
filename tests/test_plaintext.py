"""Texts of others are shown, and do nothing else."""

from __future__ import annotations

import html

import pytest
from markdown_it import MarkdownIt

from tasks.plaintext import markdown, printable

QUOTE = '"'


def test_control_characters_become_visible() -> None:
    assert printable("a\x1b[31mb\u202ec\td\n") == "a\\x1b[31mb\\x202ec\td\n"


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "![x](http://example.org/p.png)",
        "# big",
        "| a | b |\n|---|---|",
        "```\ncode\n```",
        "`code` *b* _i_ ~~s~~",
        "https://example.org www.example.org <https://example.org>",
        "&lt;b&gt;",
        "    indented",
        "1. one",
        "\\*",
    ],
)
def test_markdown_shows_a_hostile_text_as_it_is_and_renders_nothing_of_it(hostile: str) -> None:
    rendered = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown(hostile))
    shown = " ".join(hostile.split())
    assert rendered == f"<p>{html.escape(shown, quote=False).replace(QUOTE, '&quot;')}</p>\n"


def test_markdown_is_one_line_of_bounded_length() -> None:
    assert markdown("a\n\nb") == "a b"
    assert markdown("x" * 50, at_most=10) == "x" * 10 + "…"
