"""The registry of providers: one entry a name, one module a provider."""

from __future__ import annotations

from collections.abc import Callable

from tasks.llm.types import Provider, ProviderMisconfigured

# The SDKs take seconds to import, so each is imported when it is the one that is wanted.


def _openai(base_url: str | None) -> Provider:
    from tasks.llm.openai_provider import OpenAIProvider  # noqa: PLC0415

    return OpenAIProvider(base_url)


def _anthropic(base_url: str | None) -> Provider:
    from tasks.llm.anthropic_provider import AnthropicProvider  # noqa: PLC0415

    return AnthropicProvider(base_url)


def _offline(base_url: str | None) -> Provider:
    from tasks.llm.offline import OfflineProvider  # noqa: PLC0415

    if base_url is not None:
        raise ProviderMisconfigured("The offline teacher is no server: leave the base URL out, or name a provider.")
    return OfflineProvider()


PROVIDERS: dict[str, Callable[[str | None], Provider]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "offline": _offline,
}
# Known here too, so that a replay need not import an SDK; a test holds it against the classes.
_WITHOUT_COMPLETIONS = frozenset({"anthropic"})


def replay_provider(name: str) -> Provider:
    """What `name` answered before, from the ledger only. Raises ProviderMisconfigured where there is no provider of
    this name."""
    from tasks.llm.replay_provider import ReplayProvider  # noqa: PLC0415

    _check(name)
    return ReplayProvider(name, has_completions=name not in _WITHOUT_COMPLETIONS)


def make_provider(name: str, base_url: str | None = None) -> Provider:
    """A new provider, with its key from the environment.

    Raises ProviderMisconfigured where the key is missing, the base URL is none, or there is no provider of this name;
    BankError where the canned teacher's answers are not usable.
    """
    _check(name)
    return PROVIDERS[name](base_url)


def _check(name: str) -> None:
    if name not in PROVIDERS:
        raise ProviderMisconfigured(f"There is no provider {name!r}; there are {', '.join(PROVIDERS)}.")
