"""Extraction: finds the question in a teacher's answer, or says why there is none; reads the annotator's verdict."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from tasks.subsets import _text
from tasks.subsets.registry import Subset

# Markers as models vary them: other case, missing pipes or brackets, doubled or escaped brackets, bold, a heading.
_LEFT = r"(?:^[ \t]*#{1,6}[ \t]*)?(?:\*\*|`)?(?:(?:&lt;|<){1,2}[ \t]?\|?|\[)[ \t]*"
_RIGHT = r"[ \t]*(?:\|[ \t]?(?:&gt;|>){0,2}|(?:&gt;|>){1,2}|\]|(?=\n|\Z))(?:\*\*|`)?"
_BEGIN = re.compile(
    rf"{_LEFT}(?:(?:new[ \t_]+)?question[ \t_]*(?:begin|start)|begin[ \t_]*(?:of[ \t_]*)?question){_RIGHT}:?"
    r"|<\|?[ \t]*question[ \t]*\|?>",
    re.IGNORECASE | re.MULTILINE,
)
_END = re.compile(
    rf"{_LEFT}(?:/[ \t]*question|(?:new[ \t_]+)?question[ \t_]*end|end[ \t_]*(?:of[ \t_]*)?question){_RIGHT}",
    re.IGNORECASE | re.MULTILINE,
)
_BAD_DOCUMENT = re.compile(r"\bBAD[ _-]DOCUMENT\b", re.IGNORECASE)
_HEADED = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*(?:\*\*)?|\*\*)(?:step[ \t]*2[ \t]*[:.–—-]*[ \t]*)?"
    r"(?:(?:the|new|coding|final|programming|your)[ \t]+){0,3}question[ \t]*:?[ \t]*(?:\*\*)?:?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ABOUT_CODE = re.compile(
    r"\b(?:functions?|methods?|class(?:es)?|python|code|coding|program(?:s|ming)?|algorithms?|scripts?"
    r"|implement(?:s|ing|ation)?|arrays?|lists?|strings?|integers?|java(?:script)?|c\+\+|sql|html|api|regex|recursi\w+"
    r"|sort(?:ed|ing)?"
    r"|matri(?:x|ces)|trees?|graphs?|data structures?|dictionar(?:y|ies)|queue|stack|loop|returns?|numpy|pandas"
    r"|comput(?:e|es|er|ing)"
    r"|calculat\w+|software|debug\w*|dataset|typescript|rust|golang)\b",
    re.IGNORECASE,
)
_MAX_ANSWER = 400_000
_NOTHING = "the teacher found nothing to ask about"


class Reason(StrEnum):
    """Why an answer gave no question."""

    UNPARSED = "unparsed"  # no question can be told from the rest
    TRUNCATED = "truncated"
    ABSTAINED = "abstained"
    REFUSED = "refused"
    EMPTY = "empty"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NOT_CODE = "not_code"  # a sampled message that has nothing to do with programming
    NO_STATEMENT = "no_statement"  # code alone
    NOT_ENGLISH = "not_english"


@dataclass(frozen=True, slots=True)
class Extraction:
    """The question of an answer, or None with the reason. `detail` tells what was done or found, for people."""

    text: str | None
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """The annotator's verdict. `problem` is a code where the question is not kept, `reason` the model's own words;
    difficulty and clarity are None where the model named none that exists."""

    keep: bool
    problem: str = ""
    category: str = ""
    quality: str = ""
    reason: str = ""
    difficulty: str | None = None  # easy, medium, hard
    clarity: int | None = None  # 1 (it cannot be told what is wanted) to 5 (every special case is settled)

    @property
    def summary(self) -> str:
        """One line for people: category, quality and why."""
        judged = ", ".join(part for part in (self.category, self.quality) if part)
        return f"{judged or self.problem}: {self.reason}" if self.reason else judged or self.problem


CATEGORIES = (
    "Algorithm Implementation", "Function Generation", "Debugging", "Code Explanation", "Application Development",
    "Data Query", "Other",
)  # fmt: skip
KEPT_CATEGORIES = CATEGORIES[:2]
DIFFICULTIES = ("easy", "medium", "hard")


def extract_question(spec: Subset, answer_text: str, finish_reason: str = "stop") -> Extraction:
    """Finds the question in the answer to a propose request of `spec`.

    The text is returned as the model wrote it, apart from what is around it and characters that cannot be stored. An
    answer cut at the token limit gives a question only where that was closed before. Never raises; a pure function of
    its arguments, so that it can be repeated over the ledger.
    """
    if finish_reason in ("content_filter", "refusal"):
        return Extraction(None, Reason.REFUSED, f"the provider ended the answer with '{finish_reason}'")
    if len(answer_text) > _MAX_ANSWER:
        return Extraction(None, Reason.TOO_LONG, f"the answer has {len(answer_text):,} characters")
    text, endless = _text.without_thoughts(_text.clean(answer_text))
    if endless:
        return Extraction(None, Reason.TRUNCATED, "the answer ends within its reasoning")
    cut_short = finish_reason in ("length", "max_tokens")
    marked = _marked(text)
    if marked is None or (cut_short and not marked.closed):
        return _unmarked(spec, text, cut_short)
    if _BAD_DOCUMENT.fullmatch(marked.text.strip(" \n\t.*`_")):
        return Extraction(None, Reason.ABSTAINED, _NOTHING)
    return _finish(spec, marked.text, marked.notes)


def _unmarked(spec: Subset, text: str, cut_short: bool) -> Extraction:
    notes: list[str] = []
    text, followed = _text.without_tokens(text)
    raw = spec.endpoint == "completions"
    if raw:
        text, answered = _text.first_turn(text)
        followed = followed or answered
        if followed:
            notes.append("what followed the user's turn was cut")
    if cut_short and not (raw and followed):
        return Extraction(None, Reason.TRUNCATED, "the answer reached the token limit")
    if not text.strip():
        return Extraction(None, Reason.EMPTY, "the answer is empty")
    if _abstains(spec, text):
        return Extraction(None, Reason.ABSTAINED, _NOTHING)
    text = _text.from_json(text)
    if _text.refuses(text, raw):
        return Extraction(None, Reason.REFUSED, text.strip()[:200])
    if spec.needs_markers:
        headed = list(_HEADED.finditer(text))
        if not headed or not text[headed[-1].end() :].strip():
            return Extraction(None, Reason.UNPARSED, "there are no markers, and the answer also holds an analysis")
        text = text[headed[-1].end() :]
        notes.append("without markers; taken from below the heading")
    if raw and spec.opening:
        text, cut = _text.without_program(_opened(spec.opening, text))
        if cut:
            notes.append("what followed the user's turn was cut")
    return _finish(spec, text, notes)


@dataclass(frozen=True, slots=True)
class _Marked:
    text: str
    closed: bool
    notes: list[str]


def _marked(text: str) -> _Marked | None:
    """The first real question between markers, tolerant of doubled, missing and repeated ones; None without any."""
    marks = sorted(
        [(found.start(), found.end(), True) for found in _BEGIN.finditer(text)]
        + [(found.start(), found.end(), False) for found in _END.finditer(text)]
    )
    if not marks:
        return None
    closed = [
        text[a_end:b_start].strip()
        for (_, a_end, a_opens), (b_start, _, b_opens) in itertools.pairwise(marks)
        if a_opens and not b_opens
    ]
    # "Between <begin> and <end>." in the analysis is no question, nor is a placeholder.
    real = [segment for segment in closed if len(segment) >= 40 or _BAD_DOCUMENT.search(segment)]
    if real:
        others = len({" ".join(segment.split()) for segment in real}) - 1
        return _Marked(real[0], True, [f"{others + 1} questions; the first was taken"] if others else [])
    if closed and len(closed) * 2 == len(marks):
        return _Marked(max(closed, key=len), True, [])
    opening = [end for _, end, opens in marks if opens]
    if opening:
        # Not closed, or closed by a second opening marker.
        pieces = [_END.sub("", piece).strip() for piece in _BEGIN.split(text[opening[0] :])]
        real = [piece for piece in pieces if len(piece) >= 40 and not _text.closes(piece)]
        piece = real[-1] if real else max(pieces, key=len)
        piece, _ = _text.without_tokens(piece)
        return _Marked(piece, len(opening) > 1 and not text[opening[-1] :].strip(), ["the closing marker is missing"])
    # Closing markers alone: two of them enclose the question, one ends it.
    first, last = marks[0], marks[-1]
    if len(marks) > 1 and len(text[first[1] : last[0]].strip()) >= 40:
        return _Marked(text[first[1] : last[0]], True, ["the opening marker is missing"])
    return _Marked(text[: first[0]], True, ["the opening marker is missing"])


def _abstains(spec: Subset, text: str) -> bool:
    *_, last = [None, *_BAD_DOCUMENT.finditer(text)]
    if last is None:
        return False
    if len(text.strip()) < 40:
        return True
    # An analysis may weigh the word before it decides; the decision stands at the end or on a line of its own.
    ends = not text[last.end() :].strip(" \n\t.*`_\"'")
    alone = any(_BAD_DOCUMENT.fullmatch(line.strip(" \t.*`_#\"'>:")) for line in text.split("\n"))
    return spec.may_abstain and (ends or alone)


def _opened(opening: str, completion: str) -> str:
    """Joins the opening words and their completion, unless the model repeated them or began a message of its own."""
    whole = _text.without_chatter(completion)
    if whole.lower().startswith(opening[:23].lower()):
        return whole
    continued = completion.strip()
    if re.match(r"[A-Z#*\[`\"'][\w#*`]*\s", continued) and not continued.startswith(("`", '"', "'")):
        return whole  # a sentence of its own: a chat model that was asked for the whole message
    space = "" if re.match(r"[,.:;!?)]", continued) else " "
    return f"{opening}{space}{continued}"


def _finish(spec: Subset, question: str, notes: list[str]) -> Extraction:
    """The last steps that all answers share: first of several, no solution, and the checks."""
    several = _text.split_numbered(question)
    if len(several) > 1:
        notes = [*notes, f"{len(several)} questions; the first was taken"]
    question = _text.titled_label(_text.without_chatter(several[0]))
    question, cut = _text.without_answer(question)
    if cut:
        notes = [*notes, "a solution, hints or tests below the question were cut"]
        question = _text.without_chatter(question)
    question = question.strip()
    problem = _problem(spec, question)
    detail = "; ".join(notes)
    if problem is not None:
        return Extraction(None, problem[0], "; ".join([*notes, problem[1]]))
    return Extraction(question, None, detail)


def _problem(spec: Subset, question: str) -> tuple[Reason, str] | None:
    """The first thing that keeps a text from being a question of the subset."""
    size = len(question)
    checks = (
        (not question, Reason.EMPTY, "nothing is left of the answer"),
        (_text.refuses(question, spec.endpoint == "completions"), Reason.REFUSED, question[:200]),
        (size < 200 and _BAD_DOCUMENT.search(question), Reason.ABSTAINED, _NOTHING),
        (size < spec.min_chars, Reason.TOO_SHORT, f"{size} characters, fewer than {spec.min_chars}"),
        (size > spec.max_chars, Reason.TOO_LONG, f"{size:,} characters, more than {spec.max_chars:,}"),
        (_text.foreign_share(question) > 0.3, Reason.NOT_ENGLISH, "most of its letters are not Latin"),
        (len(_text.without_code(question).strip()) < 30, Reason.NO_STATEMENT, "code without a statement"),
        (
            spec.annotated and not _ABOUT_CODE.search(question),
            Reason.NOT_CODE,
            "no word in it belongs to programming",
        ),
    )
    return next(((reason, detail) for failed, reason, detail in checks if failed), None)


def read_annotation(text: str, *, any_category: bool = False) -> Annotation:
    """The annotator's JSON object, wherever in the answer it stands. Kept only if the quality is good and, unless
    `any_category` is, the category one of KEPT_CATEGORIES."""
    fields = _object(_text.without_thoughts(_text.clean(text[:_MAX_ANSWER]))[0])
    if fields is None:
        return Annotation(False, "annotation_unparsed", reason=_line(text))
    category, quality, reason = (_line(fields.get(name) or "") for name in ("category", "quality", "reason"))
    found = Annotation(False, "annotation_unparsed", category, quality, reason, _difficulty(fields), _clarity(fields))
    if not category or not quality:
        return found
    known = next((name for name in CATEGORIES if _flat(name) == _flat(category)), category)
    if not any_category and known not in KEPT_CATEGORIES:
        return replace(found, problem="annotated_other_category", category=known)
    if _flat(quality) != "good":
        return replace(found, problem="annotated_bad_quality", category=known)
    return replace(found, keep=True, problem="", category=known, quality="good")


def _difficulty(fields: Mapping[str, object]) -> str | None:
    named = _flat(_line(fields.get("difficulty") or ""))
    return named if named in DIFFICULTIES else None


def _clarity(fields: Mapping[str, object]) -> int | None:
    # "4", 4, 4.0 and "4/5" all occur.
    found = re.match(r"[1-5](?![\d])(?!\.[1-9])", _line(fields.get("clarity") or ""))
    return int(found[0]) if found else None


def _line(value: object) -> str:
    return " ".join(_text.clean(str(value)[:400]).split())[:200]


def _flat(text: str) -> str:
    return " ".join(re.sub(r"[_\-./]+", " ", text.lower()).split()).strip(" .\"'")


_CLARITY = re.compile(r"[\"']?clarity[\"']?\s{0,5}[:=]\s{0,5}[\"']?([1-5])\b", re.IGNORECASE)
_FIELD = re.compile(
    r"[\"']?(category|quality|difficulty|reason)[\"']?\s{0,5}[:=]\s{0,5}[\"']([^\"'\n]{1,300})[\"']", re.IGNORECASE
)


def _object(text: str) -> dict[str, object] | None:
    decoder = json.JSONDecoder()
    position = text.find("{")
    for _ in range(50):
        if position < 0:
            break
        try:
            value, _end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            fields = {str(name).strip().lower(): field for name, field in value.items()}
            if "category" in fields or "quality" in fields:
                return fields
        position = text.find("{", position + 1)
    # Single quotes, trailing commas, a missing brace: the fields can still be read one by one.
    loose: dict[str, object] = {}
    for name, field in _FIELD.findall(text):
        loose.setdefault(name.lower(), field)
    if loose and (clarity := _CLARITY.search(text)):
        loose["clarity"] = clarity[1]
    return loose or None
