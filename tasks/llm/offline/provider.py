"""A provider that knows its answers by heart. It finds them the way a server would: from the request's text alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from tasks.llm.offline.bank import Bank, Canned, Entry, shipped, squash
from tasks.llm.thinking import thinking
from tasks.llm.types import Completion, ProviderMisconfigured, ProviderRefused, Request, Usage

MODEL = "offline"
# The chat template of a raw prompt ends with these words, so the completion goes on after them.
OPENING = "Write a Python function that"


class OfflineProvider:
    """Answers from the bank; costs nothing, never fails, knows only its own questions.

    Raises BankError where the bank is not usable.
    """

    name = "offline"
    has_completions = True

    def __init__(self, bank: Bank | None = None) -> None:
        self.bank = shipped() if bank is None else bank
        self._stages: dict[str, Callable[[Request, str], Canned]] = {
            "propose": self._propose,
            "annotate": self._annotate,
            "solve": self._solve,
            "convert": self._convert,
            "respond": self._respond,
        }

    async def complete(self, request: Request) -> Completion:
        """The canned answer. Raises ProviderRefused where the bank holds none."""
        if request.model != MODEL:
            raise ProviderMisconfigured(
                f"The offline teacher has one model, {MODEL!r}, not {request.model!r}. Name that, or another provider."
            )
        prompt = request.prompt if request.prompt is not None else "\n".join(m.content for m in request.messages)
        canned = self._stages[request.stage](request, squash(prompt))
        reasoning, text = thinking(canned.answer, canned.finish_reason)
        return Completion(
            text=text,
            reasoning=reasoning,
            finish_reason=canned.finish_reason,
            usage=Usage(input_tokens=len(prompt) // 4, output_tokens=len(canned.answer) // 4),
        )

    async def close(self) -> None:
        """Nothing is open."""

    def _propose(self, request: Request, prompt: str) -> Canned:
        entries = self.bank.of(request.subset)
        if not 0 <= request.attempt < len(entries):
            raise ProviderRefused(
                f"The offline teacher knows {len(entries)} questions of {request.subset}; "
                f"number {request.attempt + 1} needs a real model."
            )
        answer = entries[request.attempt].proposal
        if prompt.endswith(OPENING) and request.prompt is not None:
            answer = answer.removeprefix(OPENING)
        return Canned("right", answer)

    def _annotate(self, request: Request, prompt: str) -> Canned:
        entry = self._find(request, prompt)
        if entry.annotation is None:
            raise ProviderRefused(f"The offline teacher has no annotation for {entry.subset} {entry.number}.")
        return Canned("right", entry.annotation)

    def _solve(self, request: Request, prompt: str) -> Canned:
        entry = self._find(request, prompt)
        return _turn(entry.solve, request, entry, "solution")

    def _convert(self, request: Request, prompt: str) -> Canned:
        entry = self._find(request, prompt)
        if "<|Completion Begin|>" in prompt:
            return _turn(entry.complete, request, entry, "conversion to complete")
        if "<|Statement Begin|>" in prompt:
            return _turn(entry.online_judge, request, entry, "conversion to online_judge")
        raise ProviderRefused("The offline teacher cannot tell which style to convert to: the prompt names no marker.")

    def _respond(self, request: Request, prompt: str) -> Canned:
        entry, style = self._find_style(request, prompt)
        answers = [canned for canned in entry.respond if canned.style == style]
        return _turn(answers, request, entry, f"reasoning answer in style {style}")

    def _find(self, request: Request, prompt: str) -> Entry:
        """The entry whose question stands in the prompt; of several the one with the longest."""
        entry, _ = _longest(prompt, ((entry, (entry.key,)) for entry in self.bank.everything(request.subset)))
        if entry is None:
            raise ProviderRefused("The offline teacher does not know the question in this prompt.")
        return entry

    def _find_style(self, request: Request, prompt: str) -> tuple[Entry, str]:
        """Which question in which style a bare question is.

        A converted question may quote the original one and the original may begin like the converted, so whole texts
        go before parts of them, and longer ones before shorter.
        """
        entries = list(self.bank.everything(request.subset))
        for entry in entries:
            if prompt == entry.key:
                return entry, "instruct"
        wholes = {
            "instruct": _longest(prompt, ((entry, (entry.key,)) for entry in entries)),
            "complete": _longest(prompt, ((entry, entry.codes) for entry in entries)),
            "online_judge": _longest(prompt, ((entry, entry.statements) for entry in entries)),
        }
        titled, _ = _longest(prompt, ((entry, entry.titles) for entry in entries))
        style = max(wholes, key=lambda style: wholes[style][1])
        best, _ = wholes[style]
        if titled is not None and (best is None or style == "instruct"):
            return titled, "online_judge"
        if best is not None:
            return best, style
        for entry in entries:
            if any(re.search(rf"\b(?:def|class) {re.escape(name)}\b", prompt) for name in entry.entry_points):
                return entry, "complete"
        raise ProviderRefused("The offline teacher does not know this question in any style.")


def _longest(prompt: str, candidates: Iterable[tuple[Entry, Sequence[str]]]) -> tuple[Entry | None, int]:
    """The entry with the longest text that stands in `prompt`, and that length; (None, 0) where none does."""
    best: Entry | None = None
    length = 0
    for entry, texts in candidates:
        for text in texts:
            if len(text) > length and text in prompt:
                best, length = entry, len(text)
    return best, length


def _turn(answers: Sequence[Canned], request: Request, entry: Entry, what: str) -> Canned:
    """Attempt k gets answer k, and after the last the first again."""
    if not answers:
        raise ProviderRefused(f"The offline teacher has no {what} for {entry.subset} {entry.number}.")
    return answers[request.attempt % len(answers)]
