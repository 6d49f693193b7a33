"""Prompt files: loads `prompts/NAME.md`, versions each by its content, fills in untrusted values as plain data."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError

from tasks.llm.types import Message
from tasks.subsets.errors import SubsetError

PROMPTS = Path(__file__).resolve().parents[2] / "prompts"

# A note to the reader of the file, never sent.
_NOTE = re.compile(r"\A\s*<!--.*?-->\s*", re.DOTALL)
_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*\Z")

# Values go in as they are: prompts are not HTML, and Jinja never looks into a value for more templates.
_ENVIRONMENT = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)  # noqa: S701


class PromptError(SubsetError):
    """A prompt file cannot be used; the message names the file and what is wrong with it."""


class UnknownPrompt(PromptError):
    """There is no prompt file of that name; the message lists those that exist."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt file as loaded. `version` changes with every change of the file, also of its note."""

    name: str
    version: str  # first 12 hex digits of the SHA-256 of the file
    source: str
    template: Template


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt ready to send: `messages` to a chat endpoint, or `text` to a completions endpoint."""

    name: str
    version: str
    text: str

    @property
    def messages(self) -> tuple[Message, ...]:
        return (Message("user", self.text),)


def prompt_names(folder: Path = PROMPTS) -> tuple[str, ...]:
    """All prompts of a folder, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.md")))


@functools.cache
def load_prompt(name: str, folder: Path = PROMPTS) -> Prompt:
    """Reads `folder/name.md` once a process, so that a run never mixes two versions of a prompt.

    Raises UnknownPrompt or PromptError.
    """
    path = folder / f"{name}.md"
    if not _NAME.match(name) or not path.is_file():
        raise UnknownPrompt(
            f"There is no prompt '{name}' in {folder}. The prompts there: {', '.join(prompt_names(folder)) or 'none'}."
        )
    content = path.read_bytes()
    try:
        source = _NOTE.sub("", content.decode("utf-8"), count=1)
        template = _ENVIRONMENT.from_string(source)
    except UnicodeDecodeError as error:
        raise PromptError(f"The prompt {path} is not UTF-8 text: {error}.") from error
    except TemplateError as error:
        raise PromptError(f"The prompt {path} is not a valid Jinja template: {error}.") from error
    return Prompt(name, hashlib.sha256(content).hexdigest()[:12], source, template)


def render(name: str, /, **values: Any) -> Rendered:
    """The prompt `name` with `values` filled in.

    Raises UnknownPrompt, or PromptError when the prompt asks for a value that was not given.
    """
    return render_prompt(load_prompt(name), **values)


def render_prompt(prompt: Prompt, /, **values: Any) -> Rendered:
    """A loaded prompt with `values` filled in; for prompts of another folder than the project's own."""
    try:
        text = prompt.template.render(values)
    except TemplateError as error:
        raise PromptError(f"The prompt '{prompt.name}' cannot be filled in: {error}.") from error
    return Rendered(prompt.name, prompt.version, text)
