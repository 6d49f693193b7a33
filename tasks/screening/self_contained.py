"""Whether a question can be answered by whoever sees nothing else: no model is asked, each finding names its words."""

from __future__ import annotations

import re

_IMAGE = re.compile(r"!\[[^\]\n]{0,300}\]\([^)\n]{1,500}\)|<img\b|\\includegraphics\b", re.IGNORECASE)
_FIGURE = re.compile(
    r"\b(?:see|shown|depicted|illustrated|given|pictured|displayed|drawn|refer to|look at|in|as in|from)"
    r"(?: \w+){0,2} (?:the|this|following|attached|below|above)(?: \w+){0,2} "
    r"(?:image|picture|figure|diagram|screenshot|photo|illustration|drawing)\b"
    r"|\b(?:image|picture|figure|diagram|screenshot|illustration) (?:above|below|attached|shown)\b"
    r"|\b(?:see|in|refer to) (?:fig\.|figure) ?\d",
    re.IGNORECASE,
)
# "Read https://... for the format": a link that must be followed. One that is data, an example or a credit is not.
_LINK = re.compile(
    r"\b(?:see|visit|follow|refer to|read|open|check(?: out)?|described (?:at|in|on)|defined (?:at|in|on)"
    r"|available (?:at|on|from)|found (?:at|on)|download(?:ed)?(?: it)?(?: from)?)\b[^.\n]{0,40}"
    r"(?:https?://|www\.)\S+|\[[^\]\n]{1,200}\]\(https?://",
    re.IGNORECASE,
)
_ATTACHED = re.compile(
    r"\b(?:the |an? )?attached (?:\w+ ){0,2}(?:file|csv|data|dataset|document|code|notebook|archive|table)\b"
    r"|\b(?:file|code|document|dataset) (?:is |that is |I )?(?:attached|uploaded)\b",
    re.IGNORECASE,
)
_EARLIER = re.compile(
    r"\b(?:previous|earlier|last|preceding|prior) (?:question|problem|exercise|task|conversation|message|answer|chat"
    r"|assignment|challenge)s?\b"
    r"|\bas (?:we|you) (?:discussed|said|wrote|saw)\b"
    r"|\b(?:from|in) (?:the|our|your) (?:previous|last|earlier) (?:step|part|section|chapter|response|code)s?\b",
    re.IGNORECASE,
)
# What a reference backwards may point to; with no such thing before it in the text, the question points outside.
_ABOVE = re.compile(
    r"\bthe (?:(?:above|preceding|foregoing)(?:[- ]mentioned)? "
    r"(?P<what>code|snippet|function|class|program|excerpt|document(?:ation)?|text|article|passage|page|table|example"
    r"|examples|implementation|method|algorithm|script|data|dataset|list|schema)"
    r"|(?P<what2>code|snippet|function|class|program|excerpt|document(?:ation)?|passage|implementation|script|schema"
    r"|table)(?: \w+)? above)\b"
    r"|\b(?:the|this|that|provided|given) (?P<what3>code (?:snippet|excerpt)|snippet|excerpt|documentation page)\b",
    re.IGNORECASE,
)
_CODE_BEFORE = re.compile(r"```|~~~|^(?: {4}|\t)\S|^\s*(?:def|class|import|from|>>>)\b|`[^`\n]+`", re.MULTILINE)
# A file that the program is to read by name, which nobody gave. Files that the question itself shows are fine.
_DATA_FILE = re.compile(
    r"(?:read_(?:csv|excel|json|parquet|table|pickle)|open|load|loadtxt|genfromtxt|imread|connect)\(\s*r?[\"']"
    r"(?P<name>[^\"'\n]{1,120}\.\w{2,7})[\"']"
    r"|\b(?:file|dataset|spreadsheet|database|workbook)(?: (?:named|called))? [`\"'](?P<name2>[\w./-]{1,120}"
    r"\.(?:csv|tsv|xlsx?|json|parquet|txt|db|sqlite3?|png|jpe?g|pdf|npy|pkl|h5))[`\"']",
    re.IGNORECASE,
)


def missing_context(text: str) -> str | None:
    """What the question refers to and does not hold, in a few words; None for one that stands by itself."""
    for what, pattern in (
        ("an image", _IMAGE),
        ("a figure", _FIGURE),
        ("a link to follow", _LINK),
        ("an attachment", _ATTACHED),
        ("an earlier message", _EARLIER),
    ):
        found = pattern.search(text)
        if found:
            return f"refers to {what}: {_quoted(found[0])}"
    for found in _ABOVE.finditer(text):
        if not _is_there(text[: found.start()], text):
            return f"refers to what is not there: {_quoted(found[0])}"
    for found in _DATA_FILE.finditer(text):
        name = found["name"] or found["name2"]
        # Shown where the question writes it itself, prints its content, or mentions it again with content near by.
        if not _shows(text, name):
            return f"needs the file {_quoted(name)}, which it does not hold"
    return None


def _is_there(before: str, text: str) -> bool:
    """Whether something stands in the text that a reference to code, tables or examples can mean."""
    if _CODE_BEFORE.search(before):
        return True
    # "the given code snippet", with the code below.
    return "```" in text or bool(re.search(r"^\s*\|.*\|\s*$", text, re.MULTILINE)) or len(before) > 1_500


def _shows(text: str, name: str) -> bool:
    written = re.compile(
        rf"(?:to_(?:csv|excel|json|parquet)|write_text|savetxt|save|dump)\([^\n]*{re.escape(name)}"
        rf"|{re.escape(name)}[\"'],\s*[\"']w|(?:content|contents|looks like|contains|as follows|such as)[^\n]{{0,80}}"
        rf"(?:\n|:)",
        re.IGNORECASE,
    )
    return written.search(text) is not None


def _quoted(words: str) -> str:
    return '"' + " ".join(words.split())[:80] + '"'
