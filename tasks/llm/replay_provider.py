"""Replay: what another provider once answered, out of the ledger and nowhere else."""

from __future__ import annotations

from tasks.llm.types import Completion, NotRecorded, Request


class ReplayProvider:
    """Stands in for the provider `name`. The gateway looks into the ledger first, so whatever reaches this provider is
    not there: nothing is asked, nothing is paid, no key is needed."""

    def __init__(self, name: str, has_completions: bool) -> None:
        self.name = name
        self.has_completions = has_completions

    async def complete(self, request: Request) -> Completion:
        """Raises NotRecorded, which says what is missing."""
        where = f"the stage {request.stage}" + (f" of {request.subset}" if request.subset else "")
        raise NotRecorded(
            f"A replay answers from the ledger only, and the ledger holds no answer to request {request.hash[:16]} "
            f"to {request.model!r} of {self.name} in {where} (attempt {request.attempt}). Model, prompts and "
            "sampling must be those of the recorded run; without --replay it is asked."
        )

    async def close(self) -> None:
        """Nothing is open."""
