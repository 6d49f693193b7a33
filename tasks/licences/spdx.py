"""What an SPDX expression asks of those who pass the work on, in one word. What is not listed is unknown.

The identifiers are those of the SPDX License List; the words follow the texts of the licences, not their use in court.
"""

from __future__ import annotations

import re
from enum import IntEnum


class Kind(IntEnum):
    """What a licence asks, the most demanding last."""

    FREE = 0  # nothing
    ATTRIBUTION = 1  # the notice, or the author's name
    COPYLEFT = 2  # the same licence for what derives from it
    NON_COMMERCIAL = 3
    NO_DERIVATIVES = 4
    UNKNOWN = 5

    @property
    def words(self) -> str:
        """The kind in the middle of a sentence."""
        return self.name.lower().replace("_", "-").replace("unknown", "not known")


_FREE = ("0BSD", "CC0-1.0", "MIT-0", "PDDL-1.0", "Unlicense", "WTFPL")
_ATTRIBUTION = (
    "AFL-3.0", "Apache-1.1", "Apache-2.0", "Artistic-2.0", "BSD-1-Clause", "BSD-2-Clause", "BSD-3-Clause",
    "BSD-3-Clause-Clear", "BSD-4-Clause", "BSL-1.0", "CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0",
    "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "ECL-2.0", "HPND", "ISC", "MIT", "MIT-CMU", "MS-PL", "NCSA",
    "ODC-By-1.0", "PostgreSQL", "PSF-2.0", "Python-2.0", "Python-2.0.1", "UPL-1.0", "W3C", "X11", "Zlib",
)  # fmt: skip
# Families by their first words: versions and "-only", "-or-later" follow.
_FAMILIES = (
    (re.compile(r"cc-by-nc-nd-|cc-by-nd-"), Kind.NO_DERIVATIVES),
    (re.compile(r"cc-by-nc-|polyform-noncommercial-|licenseref-qwen-research$"), Kind.NON_COMMERCIAL),
    (
        re.compile(
            r"cc-by-sa-|a?gpl-|lgpl-|mpl-|epl-|eupl-|cddl-|odbl-|osl-|gfdl-|cecill-|cdla-sharing-|ms-rl$|cpl-|ofl-"
        ),
        Kind.COPYLEFT,
    ),
)
# Exceptions grant more than their licence. What else follows WITH may take back: "Commons-Clause" forbids to sell.
_EXCEPTIONS = frozenset(name.lower() for name in (
    "Autoconf-exception-2.0", "Autoconf-exception-3.0", "Bison-exception-2.2", "Bootloader-exception",
    "Classpath-exception-2.0", "Font-exception-2.0", "GCC-exception-2.0", "GCC-exception-3.1", "Libtool-exception",
    "Linux-syscall-note", "LLVM-exception", "OpenJDK-assembly-exception-1.0", "Qt-GPL-exception-1.0",
    "Qt-LGPL-exception-1.1", "Swift-exception", "u-boot-exception-2.0", "Universal-FOSS-exception-1.0",
    "WxWindows-exception-3.1",
))  # fmt: skip
_KINDS = {name.lower(): Kind.FREE for name in _FREE} | {name.lower(): Kind.ATTRIBUTION for name in _ATTRIBUTION}
_UNKNOWN = frozenset([Kind.UNKNOWN])
_LONGEST = 500  # characters; a pasted licence text is no expression
_TOKEN = re.compile(r"\s*([()]|[A-Za-z0-9.+:-]+)")


def kind_of(expression: str | None) -> Kind:
    """The kind of an SPDX expression: of `AND` the most demanding part counts, of `OR` the least. UNKNOWN for none,
    for what is no expression, for LicenseRef-* and for identifiers that are not listed here."""
    return max(kinds_of(expression))


def kinds_of(expression: str | None) -> frozenset[Kind]:
    """The kinds of all parts of an SPDX expression that bind together; of `OR` those of the least demanding side."""
    if expression is None or len(expression) > _LONGEST:
        return _UNKNOWN
    tokens: list[str] = []
    place = 0
    text = expression.strip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            return _UNKNOWN
        tokens.append(found[1])
        place = found.end()
    try:
        kinds, rest = _either(tokens)
    except (IndexError, RecursionError):
        return _UNKNOWN
    return _UNKNOWN if rest else kinds


def readable(licence: str | None) -> str:
    """A licence as it is shown and counted: one short line, NOASSERTION where there is none."""
    return " ".join((licence or "").split())[:80] or "NOASSERTION"


def _either(tokens: list[str]) -> tuple[frozenset[Kind], list[str]]:
    kinds, rest = _both(tokens)
    while rest and rest[0].upper() == "OR":
        other, rest = _both(rest[1:])
        kinds = min(kinds, other, key=max)
    return kinds, rest


def _both(tokens: list[str]) -> tuple[frozenset[Kind], list[str]]:
    kinds, rest = _one(tokens)
    while rest and rest[0].upper() == "AND":
        other, rest = _one(rest[1:])
        kinds |= other
    return kinds, rest


def _one(tokens: list[str]) -> tuple[frozenset[Kind], list[str]]:
    """Raises IndexError where the expression ends too early."""
    first, rest = tokens[0], tokens[1:]
    if first == "(":
        kinds, rest = _either(rest)
        return (kinds, rest[1:]) if rest[0] == ")" else (_UNKNOWN, rest)
    kinds = frozenset([_identifier(first)])
    if rest and rest[0].upper() == "WITH":
        if rest[1].lower() not in _EXCEPTIONS:
            kinds = _UNKNOWN
        rest = rest[2:]
    return kinds, rest


def _identifier(name: str) -> Kind:
    lower = name.lower().removesuffix("+")
    if lower in _KINDS:
        return _KINDS[lower]
    return next((kind for family, kind in _FAMILIES if family.match(lower)), Kind.UNKNOWN)
