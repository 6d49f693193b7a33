"""The generators: the request for question i of a subset, the one that annotates it, and what is read from both."""

from __future__ import annotations

import functools
import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.llm.types import Request, Sampling
from tasks.subsets.extract import (
    Annotation,
    Extraction,
    Reason,
    extract_question,
    read_annotation,
)
from tasks.subsets.prompts import render
from tasks.subsets.registry import ANNOTATE, Subset, get_subset
from tasks.subsets.seeds import BUILTIN_SOURCE, NoSeeds, Seed
from tasks.subsets.templates import CHATML, ChatTemplate

__all__ = [
    "Annotation",
    "Extraction",
    "Reason",
    "annotate_request",
    "extract_question",
    "propose_request",
    "read_annotation",
]

_SITUATIONS = Path(__file__).parent / "builtin" / "situations.toml"
# One object with one sentence in it; the same question always gets the same verdict as far as the model allows.
_ANNOTATE = Sampling(max_tokens=512, temperature=0.0)


def propose_request(
    spec: Subset,
    seeds: Sequence[Seed],
    prompt_index: int,
    provider: str,
    model: str,
    has_completions: bool,
    *,
    template: ChatTemplate = CHATML,
    sampling: Sampling | None = None,
) -> tuple[Request, str]:
    """Request number `prompt_index` for a question of `spec`, and the version of the prompt it is made with.

    `seeds` are those that `choose_seeds` named, in its order. Where the subset is sampled from raw completions and the
    provider has them, `template` opens the user's turn; else an equivalent chat prompt is sent. `sampling` takes the
    place of the subset's own. Raises NoSeeds, ValueError for seeds that the subset does not use.
    """
    if spec.seeds_per_prompt and not seeds:
        raise NoSeeds(f"The subset {spec.name} builds its prompts from seeds, and none was given.")
    if len(seeds) > spec.seeds_per_prompt:
        raise ValueError(f"a prompt of {spec.name} shows {spec.seeds_per_prompt} seeds, not {len(seeds)}")
    values: dict[str, Any] = {}
    if seeds:
        values["seeds"] = [seed.text for seed in seeds]
    if spec.needs_markers:
        values["source"] = _origin(seeds[0])
    chosen = sampling or spec.sampling
    common: dict[str, Any] = {
        "provider": provider,
        "model": model,
        "attempt": prompt_index,
        "stage": "propose",
        "subset": spec.name,
    }
    if spec.endpoint == "completions" and has_completions:
        values["user_turn"] = template.user_turn
        if spec.opening:
            values["opening"] = spec.opening
        rendered = render(spec.prompt, **values)
        raw = replace(chosen, stop=chosen.stop or template.stop)
        return Request(prompt=rendered.text, sampling=raw, **common), rendered.version
    if spec.chat_prompt is not None:
        values["topic"], values["manner"] = _situation(spec, prompt_index)
        if spec.opening:
            values["opening"] = spec.opening
    rendered = render(spec.chat_prompt or spec.prompt, **values)
    return Request(messages=rendered.messages, sampling=chosen, **common), rendered.version


def annotate_request(
    question: str, attempt: int, provider: str, model: str, subset: str = "Filter", *, sampling: Sampling | None = None
) -> tuple[Request, str]:
    """The request that judges a proposed question of `subset`. Returns it and the version of its prompt."""
    spec = get_subset(subset)
    rendered = render(ANNOTATE, question=question)
    request = Request(
        provider=provider,
        model=model,
        messages=rendered.messages,
        sampling=sampling or _ANNOTATE,
        attempt=attempt,
        stage="annotate",
        subset=spec.name,
    )
    return request, rendered.version


def _origin(seed: Seed) -> str:
    """How a prompt names where a snippet or page is from: one line, whatever the source says."""
    source = None if seed.source == BUILTIN_SOURCE else seed.source
    return " ".join(", ".join(part for part in (source, seed.revision) if part).split())[:200] or "a Python library"


@functools.cache
def _situations() -> tuple[tuple[str, ...], tuple[str, ...]]:
    content = tomllib.loads(_SITUATIONS.read_text("utf-8"))
    return tuple(content["topics"]), tuple(content["manners"])


def _situation(spec: Subset, prompt_index: int) -> tuple[str, str]:
    """A topic and a manner of writing for prompt i, the same on every machine."""
    topics, manners = _situations()
    digest = int.from_bytes(hashlib.sha256(f"{spec.slug}|{prompt_index}".encode()).digest()[:8])
    return topics[digest % len(topics)], manners[digest // len(topics) % len(manners)]
