"""Asks a provider the way the gateway does, without a ledger: in turn, and again where that is worth it."""

from __future__ import annotations

from dataclasses import replace

from tasks.llm.limiter import Limiter
from tasks.llm.retry import Patience, ask_patiently
from tasks.llm.types import Answer, Completion, Provider, Request

# Tests do not wait for seconds where a server names none.
QUICK = Patience(first_s=0.01, longest_s=0.05)


async def ask_until(provider: Provider, request: Request, patience: Patience = QUICK) -> Completion:
    """The completion that would have been stored."""
    kept: list[Completion] = []

    async def keep(completion: Completion, latency_s: float) -> Answer:
        kept.append(replace(completion, pause_s=0.0))
        return Answer("", completion.text, None, "", completion.usage, None, False)

    limiter = Limiter("test", 8)
    try:
        await ask_patiently(
            limiter, lambda: provider.complete(request), keep, lambda error: None, lambda: None, patience
        )
    finally:
        await limiter.close()
    return kept[0]
