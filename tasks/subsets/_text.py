"""What language models wrap around what was asked for: tokens, fences, headings, chatter, refusals.

Every function takes text and gives text (or a finding); all patterns run in time linear in the text.
"""

from __future__ import annotations

import json
import re

# Tokens of chat templates that reach the text where a server does not strip them.
_TURN_END = re.compile(
    r"<\|im_end\|>|<\|im_start\|>|<\|eot_id\|>|<\|endoftext\|>|<\|end_of_text\|>|<\|start_header_id\|>|<\|end\|>"
    r"|<\|assistant\|>|<end_of_turn>|<start_of_turn>|</s>|\[/INST\]|<｜end▁of▁sentence｜>|<｜Assistant｜>"
)
_TURN_BEGIN = re.compile(
    r"\A(?:\s|<\|im_start\|>(?:assistant|user)?|<\|begin_of_text\|>|<\|start_header_id\|>(?:assistant|user)?"
    r"|<\|end_header_id\|>|<\|assistant\|>|<start_of_turn>(?:model|user)?|<s>|\[INST\]|<｜Assistant｜>)+"
)
# A plain-text turn of the other side, as base models write it. "Output:" and the like belong to examples.
_SPEAKER = re.compile(
    r"^[ \t]*(?:#{1,4}[ \t]*|\*\*)?(?:assistant|ai|response|bot|chatgpt|gpt-?4)(?:\*\*)?[ \t]*(?::(?:\*\*)?|$)",
    re.IGNORECASE | re.MULTILINE,
)
_THINK = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_THINK_OPEN = re.compile(r"\A\s*<think(?:ing)?>")
_THINK_TAIL = re.compile(r"</think(?:ing)?>")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")

_FENCE_LINE = re.compile(r"[ \t]{0,3}(`{3,}|~{3,})[ \t]*([\w+-]*)[ \t]*\Z")
_PROSE_LANGUAGES = {"", "json", "markdown", "md", "text", "txt", "plaintext", "plain"}

# Nobody wraps a question into more; without a bound, a text of nothing but chatter would take quadratic time.
_MOST_LAYERS = 24

_RULE = re.compile(r"(?:-{3,}|\*{3,}|_{3,}|={3,})\Z")

# What no user would begin a request with.
_APOLOGY = (
    r"I['’]m (?:very )?sorry,? (?:but|I)|I am (?:very )?sorry,? (?:but|I)|Sorry,? but|I apologi[sz]e|Apologies"
    r"|As an AI\b|I must decline|I have no answer|抱歉|对不起|很抱歉|申し訳|Lo siento|Je suis désolé|Désolé"
    r"|Es tut mir leid|Entschuldigung|Desculpe|Mi dispiace|Извините"
)
_REFUSAL_OF_USER_TURN = re.compile(_APOLOGY, re.IGNORECASE)
_REFUSAL = re.compile(
    _APOLOGY + r"|I['’]m sorry|I am sorry|Sorry,|I can['’]t|I cannot|I can not|I['’]m (?:unable|not able)"
    r"|I am (?:unable|not able)|I won['’]t|I will not|Unfortunately, I\b|I don['’]t (?:have|feel comfortable)",
    re.IGNORECASE,
)

# "Sure!", "Certainly, ..." at the very beginning.
_INTERJECTION = re.compile(
    r"(?:Sure(?: thing)?|Certainly|Of course|Absolutely|Definitely|Okay|OK|Alright|All right|Great|Got it|Understood"
    r"|No problem|With pleasure|Gladly|¡?Claro(?: que sí)?|Bien sûr|Natürlich|Gerne|Certo|好的|当然)"
    r"(?:[!.,:，。！]+[ \t\n]*|[ \t]+[-–—][ \t]+|\n+)",
    re.IGNORECASE,
)
_KIND = r"(?:question|problem|challenge|exercise|task|prompt|instruction|message|one|Aufgabe|pregunta|问题|题目)s?"
# "Here is a new question:", with the question behind it or below it.
_ANNOUNCEMENT = re.compile(
    rf"(?:Here(?:['’]s| is| are| you go)|Below is|The following is|This is) (?:a|an|the|my|your|one|another)\b"
    rf"[^\n:：.]{{0,120}}{_KIND}[^\n:：.]{{0,120}}[:：][ \t]*",
    re.IGNORECASE,
)
# A first line that does nothing but announce; a line that is already the question has no such beginning.
_ANNOUNCING_LINE = re.compile(
    rf"(?:Here(?:['’]s| is| are| you go)|Below is|I['’]ve (?:created|written|come)|I have (?:created|written|come)"
    rf"|I['’]ll (?:create|write|propose)|Let me (?:create|write|propose|craft)|As (?:requested|you asked)"
    r"|(?:Inspired by|Based on|Drawing (?:on|from)|Following|After (?:analy[sz]ing|studying))"
    r"(?=[^\n]*\b(?:here|new|original|I)\b)"
    r"|(?:A|The|My|Another|One)(?: possible)? (?:new|original)"
    r"(?= (?:[\w-]+ ){0,4}(?:question|problem|challenge|exercise)\b[^\n]*[:：][*_]*[ \t]*\n)"
    rf"|Voici|Aquí|Hier ist|这是|以下是|下面是)[^\n]{{0,240}}{_KIND}[^\n]{{0,120}}[:：.!][*_]*[ \t]*(?=\n)"
    r"|Here you go[^\n]{0,40}(?=\n)"
    r"|Here(?:['’]s| is) (?:a |an |my |another |one )?(?:fresh|brand[- ]new|new|original|unique)[^\n]{0,80}"
    r"[:：][ \t]*(?=\n)",
    re.IGNORECASE,
)

_LABEL_WORDS = (
    r"(?:new|coding|programming|leetcode[- ]style|leetcode|codeforces|original|generated|proposed|final|your|the"
    r"|similar|interview|algorithmic|contest|python|evolved|rewritten|updated)"
)
_LABEL_NOUNS = (
    r"(?:question|problem statement|problem description|problem|challenge|exercise|task description|task|instruction"
    r"|prompt|statement|description|message)"
)
_LABEL = re.compile(
    rf"(?P<open>#{{1,6}}[ \t]*)?(?P<bold>\*\*|__|\*|_)?[ \t]*\[?(?:{_LABEL_WORDS}[ \t]+){{0,4}}{_LABEL_NOUNS}"
    r"(?:[ \t]+#?\d{1,3}|[ \t]+[A-Z](?=[\]:.)*\n]|\Z))?[ \t]*\]?[ \t]*(?P<colon>[:：.)-]?)[ \t]*"
    r"(?P<close>\*\*|__|\*|_)?[ \t]*(?P<late>[:：]?)[ \t]*",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    rf"^[ \t]*(?:#{{1,6}}[ \t]*)?(?:\*\*|__)?\[?(?:{_LABEL_WORDS}[ \t]+){{0,4}}(?:question|problem|challenge|exercise)"
    r"[ \t]+#?(?P<number>\d{1,3})\b[^\n]{0,120}",
    re.IGNORECASE | re.MULTILINE,
)
_ANNOUNCES_SEVERAL = re.compile(
    r"(?:Sure|Certainly|Of course|Okay)?[!,.]?[ \t]*(?:Here|Below|The following|I have|I['’]ve)[^\n]{0,80}"
    r"\b(?:questions|problems|challenges)\b[^\n]{0,60}:[ \t]*\n",
    re.IGNORECASE,
)
_ITEM = re.compile(r"^(?:\*\*)?(?P<number>\d{1,2})[.)][ \t]", re.MULTILINE)
_QUESTION_NUMBER = re.compile(r"(?:Q[ \t]?\d{0,3}[:.)][ \t]+|\*\*Q\d{0,3}[:.)]?\*\*[:.)]?[ \t]*)")
_FIRST_ITEM = re.compile(r"1[.)][ \t]+(?=\S)")
_SECOND_ITEM = re.compile(r"^2[.)][ \t]", re.MULTILINE)

_CLOSING = re.compile(
    r"[*_(]*(?:Let me know|Please let me know|Please note that this (?:question|problem)|I hope"
    r"|Hope (?:this|that|it)|Would you like|Do you want|Good luck|Enjoy"
    r"|Feel free to (?:ask|modify|adjust|change|let|reach|tweak|adapt|use this|customi)|Is there anything|Have fun"
    r"|Happy coding|Best of luck|Note to the|希望|If you(?:['’]d| would) like"
    r"|If you (?:need|want|have)[^\n]{0,40}(?:me|solution|help|questions|another|further)"
    r"|This (?:question|problem|challenge|task|exercise) (?:tests|builds on|challenges|assesses|encourages|combines"
    r"|evaluates|was inspired|draws|requires the solver|requires (?:a )?(?:good )?understanding"
    r"|is (?:inspired|similar|designed|meant|intended|based|different|original|new)))",
    re.IGNORECASE,
)
_ANSWER_HEADING = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*(?:\*\*)?|\*\*)[ \t]*"
    r"(?:(?:python|sample|reference|example|possible|proposed|suggested|the|my|full)[ \t]+){0,3}"
    r"(?:solution|answer|solution code|solution approach|approach|unit tests|hints?)(?:[ \t]+in python)?"
    r"[ \t]*:?[ \t]*(?:\*\*)?[ \t]*:?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
# Without a heading only code below it tells an answer from an example.
_ANSWER_LINE = re.compile(
    r"^[ \t]*(?:(?:(?:python|sample|reference|possible|proposed)[ \t]+)?(?:solution|answer)[ \t]*:"
    r"|(?:Sure|Certainly|Of course)?[!,.]?[ \t]*Here(?:['’]s| is) (?:a|the|one|my|an)[^\n]{0,80}"
    r"(?:solution|implementation|function|answer|code|way)\b[^\n]{0,120}[:.])[ \t]*\n"
    r"\s*(?=```|def |class |import |from )",
    re.IGNORECASE | re.MULTILINE,
)


def clean(text: str) -> str:
    """Unix line ends, no control characters, no halves of surrogate pairs: what a database and a terminal can take."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", text))


def without_thoughts(text: str) -> tuple[str, bool]:
    """The text after a leading <think> part; True where that part never ends."""
    text, count = _THINK.subn("", text, count=1)
    if not count:
        if _THINK_OPEN.match(text):
            return "", True
        # Templates that open the thoughts themselves leave the closing tag alone.
        tail = _THINK_TAIL.search(text)
        if tail:
            text = text[tail.end() :]
    return text, False


def without_tokens(text: str) -> tuple[str, bool]:
    """The first turn alone, without tokens of a chat template; True where something followed it."""
    text = _TURN_BEGIN.sub("", text, count=1)
    end = _TURN_END.search(text)
    if end is None:
        return text, False
    return text[: end.start()], bool(_TURN_END.sub("", text[end.end() :]).strip())


def first_turn(text: str) -> tuple[str, bool]:
    """Cuts a user's message where a model went on with an answer in plain text."""
    speaker = _SPEAKER.search(text)
    if speaker is None or not text[: speaker.start()].strip():
        return text, False
    return text[: speaker.start()], True


def without_fence(text: str) -> str:
    """Unwraps a text that stands in a fence as a whole; leaves fences inside it alone."""
    lines = text.strip().split("\n")
    if len(lines) < 3:
        return text
    opening = _FENCE_LINE.match(lines[0])
    closing = _FENCE_LINE.match(lines[-1])
    if not opening or not closing or closing[2] or opening[2].lower() not in _PROSE_LANGUAGES:
        return text
    if opening[1][0] != closing[1][0]:
        return text
    inner = [found for line in lines[1:-1] if (found := _FENCE_LINE.match(line)) and found[1][0] == opening[1][0]]
    longer = [found for found in inner if len(found[1]) >= len(opening[1])]
    # Without a language the first fence inside would close the outer one: then this is not one fence but two blocks.
    if len(longer) % 2 or (longer and not longer[0][2]):
        return text
    return "\n".join(lines[1:-1])


def refuses(text: str, user_turn: bool = False) -> bool:
    """Whether a text begins like a refusal and has the length of one. A user may begin with "I can't"."""
    pattern = _REFUSAL_OF_USER_TURN if user_turn else _REFUSAL
    return len(text) < 1_000 and pattern.match(text.lstrip(" \t\n*_>\"'")) is not None


def from_json(text: str) -> str:
    """The question of an answer that is one JSON object with it, else the text itself."""
    stripped = without_fence(text).strip()
    if not stripped.startswith("{") or not stripped.endswith("}"):
        return text
    try:
        value = json.loads(stripped)
    except (ValueError, RecursionError):
        return text
    found = (value.get(name) for name in ("question", "problem", "instruction", "text"))
    return next((clean(part) for part in found if isinstance(part, str) and part.strip()), text)


def closes(text: str) -> bool:
    """Whether a text is a closing remark, such as an offer of help."""
    return _CLOSING.match(text.strip()) is not None


def without_chatter(text: str) -> str:
    """Removes what a chat model says before and after a question. Never removes everything."""
    text = text.strip()
    for _ in range(_MOST_LAYERS):
        shed = _shed(text).strip()
        if not shed or shed == text:
            break
        text = shed
    return text


def _shed(text: str) -> str:
    """The text without one outer layer, or unchanged where there is none."""
    for peel in (without_fence, _without_head, _without_tail, _without_quotes):
        peeled = peel(text)
        if peeled != text:
            return peeled
    return text


def _without_head(text: str) -> str:
    first, _, rest = text.partition("\n")
    if _RULE.match(first.strip()) and rest.strip():
        return rest
    return text[_lead(text) :]


def _without_tail(text: str) -> str:
    head, _, last = text.rpartition("\n")
    if _RULE.match(last.strip()) and head.strip():
        return head
    head, _, paragraph = text.rpartition("\n\n")
    first, _, below = paragraph.partition("\n")
    remark = below if _RULE.match(first.strip()) else paragraph
    return head if head and len(remark) <= 600 and closes(remark) and "```" not in remark else text


def _without_quotes(text: str) -> str:
    lines = text.split("\n")
    if any(line.strip() and not line.startswith(">") for line in lines):
        return text
    return "\n".join(line.removeprefix(">").removeprefix(" ") for line in lines)


def _lead(text: str) -> int:
    """Length of one interjection, announcement, heading or number that the text begins with; 0 if there is none."""
    for pattern in (_INTERJECTION, _ANNOUNCEMENT, _ANNOUNCING_LINE, _QUESTION_NUMBER):
        found = pattern.match(text)
        if found and text[found.end() :].strip():
            return found.end()
    found = _FIRST_ITEM.match(text)
    if found and not _SECOND_ITEM.search(text):
        return found.end()
    return _label(text)


def _label(text: str) -> int:
    """Length of a leading "### New Question" or "**Problem 3:**" that names nothing but the kind of text."""
    found = _LABEL.match(text)
    if not found:
        return 0
    rest = text[found.end() :]
    if not rest.strip() or bool(found["bold"]) != bool(found["close"]):
        return 0  # nothing follows, or the bold text goes on: a title
    line_ends = rest.startswith("\n")
    marked = bool(found["open"] or found["bold"])
    ended = bool(found["colon"] in (":", "：") or found["late"] or found[0].rstrip().endswith("]"))
    if found["open"] and not line_ends and not found["bold"]:
        return 0  # a heading with a title of its own
    return found.end() if ended or (marked and line_ends) else 0


def titled_label(text: str) -> str:
    """Drops the label from a leading title such as "### Question 3: Merge the Logs", keeping the title."""
    found = re.match(
        rf"(#{{1,6}}[ \t]*|\*\*)(?:{_LABEL_WORDS}[ \t]+){{0,4}}(?:question|problem|challenge|exercise)"
        r"(?:[ \t]+#?\d{1,3})?[ \t]*[:：][ \t]*(?=[^\s*])",
        text,
        re.IGNORECASE,
    )
    return found[1] + text[found.end() :] if found else text


def split_numbered(text: str) -> list[str]:
    """The questions of a text that numbers several ("Problem 1: ...", "Problem 2: ..."); else the text alone."""
    found = list(_NUMBERED.finditer(text))
    if _ANNOUNCES_SEVERAL.match(text):
        found = list(_ITEM.finditer(text)) or found
    if len({int(match["number"]) for match in found}) < 2:
        return [text]
    starts = [match.start() for match in found]
    if len(text[: starts[0]].strip()) > 400:
        return [text]  # too much before the first to be an introduction: parts of one question
    return [text[begin:end].strip() for begin, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def without_answer(text: str, least: int = 40) -> tuple[str, bool]:
    """Cuts a question where its solution, hints or tests begin; True where that happened."""
    ends = [found.start() for pattern in (_ANSWER_HEADING, _ANSWER_LINE) for found in pattern.finditer(text)]
    for end in sorted(ends):
        before = text[:end]
        if len(before.strip()) >= least and before.count("```") % 2 == 0:
            return before, True
    return text, False


def without_program(text: str, least: int = 40) -> tuple[str, bool]:
    """Cuts a user's message where a model went on with a program: a definition with a body that returns or prints."""
    lines = text.split("\n")
    position = 0
    for number, line in enumerate(lines):
        fenced = line.lstrip().startswith("```")
        begin = number + 1 if fenced else number
        if position >= least and _is_program(lines[begin : begin + 60]):
            return text[:position], True
        position += len(line) + 1
    return text, False


def _is_program(lines: list[str]) -> bool:
    body = 0
    for number, line in enumerate(lines):
        if line.startswith(("def ", "class ")) or (not body and line.startswith(("import ", "from ", "#"))):
            body = number + 1 if not line.startswith(("import ", "from ", "#")) else body
        elif body and line.strip() and not line[0].isspace():
            return False
        elif body and line.lstrip().startswith(("return", "print(", "yield")):
            return True
        elif not body and line.strip():
            return False
    return False


def without_code(text: str) -> str:
    """What is left of a text without its fenced blocks."""
    kept: list[str] = []
    fence: str | None = None
    for line in text.split("\n"):
        found = _FENCE_LINE.match(line)
        if fence is None and found:
            fence = found[1][0]
        elif fence is None:
            kept.append(line)
        elif found and found[1][0] == fence and not found[2]:
            fence = None
    return "\n".join(kept)


def foreign_share(text: str) -> float:
    """Share of letters that are not Latin, of all letters; mathematical signs are no letters. 0 to 1."""
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return 0.0
    foreign = sum(1 for character in letters if ord(character) > 0x24F and not 0x370 <= ord(character) <= 0x3FF)
    return foreign / len(letters)
