"""Chat templates for raw completions: how the turn of a user is opened, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.subsets.errors import SubsetError


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """`user_turn` stands before a user's message, `stop` are the tokens that end one (the API allows four).

    A system message, where wanted, is part of `user_turn`. The token that begins a text (`<s>`, `<|begin_of_text|>`)
    is left out: completions servers put it there themselves.
    """

    name: str
    user_turn: str
    stop: tuple[str, ...]


CHATML = ChatTemplate("chatml", "<|im_start|>user\n", ("<|im_end|>", "<|im_start|>", "<|endoftext|>"))

TEMPLATES: Mapping[str, ChatTemplate] = {
    template.name: template
    for template in (
        CHATML,
        ChatTemplate(
            "qwen",
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n",
            ("<|im_end|>", "<|im_start|>", "<|endoftext|>"),
        ),
        ChatTemplate(
            "llama3",
            "<|start_header_id|>user<|end_header_id|>\n\n",
            ("<|eot_id|>", "<|start_header_id|>", "<|end_of_text|>"),
        ),
        ChatTemplate("gemma", "<start_of_turn>user\n", ("<end_of_turn>", "<start_of_turn>")),
        ChatTemplate("mistral", "[INST] ", ("[/INST]", "</s>")),
        ChatTemplate("phi3", "<|user|>\n", ("<|end|>", "<|assistant|>", "<|endoftext|>")),
        ChatTemplate("deepseek", "<｜User｜>", ("<｜Assistant｜>", "<｜end▁of▁sentence｜>")),
    )
}


class UnknownTemplate(SubsetError):
    """No chat template has that name; the message lists those that exist."""


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model that completes raw prompts, and the template that it was trained on."""

    name: str
    template: ChatTemplate


def base_models(text: str | None) -> tuple[BaseModel, ...]:
    """The models of a list like "Qwen/Qwen3-8B, meta-llama/Llama-3.1-8B=llama3": names with the chat template where
    it is not ChatML, separated by commas. They take turns; one that stands there twice has two turns. Raises
    UnknownTemplate, SubsetError."""
    models = []
    for entry in (text or "").split(","):
        name, _, template = (part.strip() for part in entry.partition("="))
        if name:
            models.append(BaseModel(name, get_template(template) if template else CHATML))
        elif entry.strip():
            raise SubsetError(f"{entry.strip()!r} names no model. Write MODEL or MODEL=TEMPLATE.")
    return tuple(models)


def get_template(name: str) -> ChatTemplate:
    """The chat template called `name`. Raises UnknownTemplate."""
    try:
        return TEMPLATES[name.strip().lower()]
    except KeyError:
        raise UnknownTemplate(
            f"There is no chat template '{name}'. The templates are: {', '.join(TEMPLATES)}."
        ) from None
