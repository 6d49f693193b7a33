"""What tokens cost: the shipped list prices, and the user's own on top. An unknown price is an error, never zero."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from tasks.llm.types import ProviderMisconfigured, Request, Usage

SHIPPED = Path(__file__).with_name("prices.toml")
FREE_PROVIDERS = frozenset({"offline"})
# What an answer may be long where neither the request nor the provider limits it.
UNLIMITED_OUTPUT_TOKENS = 32_768
# Role and markers of a message, of which no text of ours is made.
_MESSAGE_TOKENS = 32

# gpt-4o-2024-08-06, claude-3-5-haiku-20241022, gpt-5-chat-latest: snapshots cost what their model costs.
_SNAPSHOT = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$")
_MILLION = Decimal(1_000_000)
_STEP = Decimal("0.00000001")  # what the ledger's column can hold
_HIGHEST = Decimal(1_000_000)  # dollars per million tokens; more is a typing error


class UnknownPrice(ProviderMisconfigured):
    """Nobody has said what this model costs, so no budget could hold."""


class PriceTableError(Exception):
    """A price file cannot be used; the message names file, model and field."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens; `batch` is the part of it that a batched request costs."""

    input_usd: Decimal
    cached_input_usd: Decimal
    output_usd: Decimal
    batch: Decimal = Decimal(1)
    date: date | None = None
    source: str = ""

    def cost_usd(self, usage: Usage, *, batched: bool = False) -> Decimal:
        """Dollars for one answer."""
        fresh = max(0, usage.input_tokens - usage.cached_input_tokens)
        total = (
            fresh * self.input_usd
            + usage.cached_input_tokens * self.cached_input_usd
            + usage.output_tokens * self.output_usd
        )
        return (total * (self.batch if batched else 1) / _MILLION).quantize(_STEP)

    def highest_usd(self, request: Request, *, batched: bool = False) -> Decimal:
        """The most that an answer to `request` can cost: a token is at least one byte of the prompt, and an answer is
        no longer than its limit."""
        texts = [request.prompt] if request.prompt is not None else [message.content for message in request.messages]
        size = sum(len(text) if text.isascii() else len(text.encode("utf-8", "replace")) for text in texts)
        most = Usage(
            input_tokens=size + _MESSAGE_TOKENS * (len(texts) + 1),
            output_tokens=request.sampling.max_tokens or UNLIMITED_OUTPUT_TOKENS,
        )
        return self.cost_usd(most, batched=batched)


FREE = Price(Decimal(0), Decimal(0), Decimal(0))


class PriceTable:
    """Prices by model name; `every` holds for each model that has none of its own."""

    def __init__(self, prices: Mapping[str, Price], every: Price | None = None) -> None:
        self._prices = dict(prices)
        self._every = every

    @classmethod
    def load(cls, user_file: Path | None = None, given: Sequence[str] = ()) -> PriceTable:
        """The shipped prices, with those of `user_file`, then those `given` as MODEL=INPUT:OUTPUT put in their place.

        Raises PriceTableError.
        """
        prices = _read(SHIPPED)
        if user_file is not None:
            prices |= _read(user_file)
        every = None
        for text in given:
            model, price = parse_price(text)
            if model is None:
                every = price
            else:
                prices[model] = price
        return cls(prices, every)

    def price(self, model: str) -> Price | None:
        return self._prices.get(model) or self._prices.get(_SNAPSHOT.sub("", model)) or self._every

    def of(self, provider: str, model: str) -> Price | None:
        """What `provider` charges for `model`, None where nobody has said."""
        return FREE if provider in FREE_PROVIDERS else self.price(model)

    def price_of(self, request: Request) -> Price:
        """What `request` is charged by. Raises UnknownPrice."""
        price = self.of(request.provider, request.model)
        if price is None:
            raise UnknownPrice(
                f"What {request.model!r} costs is not known. Say it in dollars per million tokens: --price "
                f"{request.model}=INPUT:OUTPUT (0 for a server of your own), or list it in the file that "
                "KODCODE_PRICES names."
            )
        return price


def parse_price(text: str) -> tuple[str | None, Price]:
    """`[MODEL=]INPUT:OUTPUT`, `[MODEL=]INPUT:CACHED:OUTPUT` or `[MODEL=]0`: the model, None for all that have no price
    of their own, and its price. Raises PriceTableError."""
    model, _, numbers = text.rpartition("=")
    try:
        values = [Decimal(number.strip()) for number in numbers.split(":")]
    except InvalidOperation:
        values = []
    free = values == [0]
    sane = all(value.is_finite() and 0 <= value <= _HIGHEST for value in values)
    if not sane or not (free or len(values) in (2, 3)):
        raise PriceTableError(
            f"{text!r} is no price. Write MODEL=INPUT:OUTPUT in dollars per million tokens, like gpt-4o=2.50:10, or "
            "MODEL=INPUT:CACHED:OUTPUT, or 0 for a server of your own."
        )
    price = FREE if free else Price(values[0], values[-2] if len(values) == 3 else values[0], values[-1])
    return model.strip() or None, price


def _read(file: Path) -> dict[str, Price]:
    try:
        with file.open("rb") as stream:
            # Decimals from the start: 0.1 dollars are 0.1 dollars.
            models = tomllib.load(stream, parse_float=Decimal)
    except OSError as error:
        raise PriceTableError(f"The price file {file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PriceTableError(f"The price file {file} is not TOML: {error}.") from None
    return {model: _price(file, model, entry) for model, entry in models.items()}


def _price(file: Path, model: str, entry: Any) -> Price:
    if not isinstance(entry, dict):
        raise PriceTableError(f'{file}: "{model}" is no table. Write ["{model}"] and below it input = and output =.')
    unknown = sorted(entry.keys() - {"input", "cached_input", "output", "batch", "date", "source"})
    if unknown:
        raise PriceTableError(
            f'{file}: ["{model}"] has unknown fields: {", ".join(unknown)}. (A model name with dots needs quotes.)'
        )

    def dollars(name: str, default: Decimal | None = None) -> Decimal:
        value = entry.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise PriceTableError(f'{file}: ["{model}"] {name}: write dollars per million tokens, like {name} = 2.50.')
        value = Decimal(value)
        if not value.is_finite() or not 0 <= value <= _HIGHEST:
            raise PriceTableError(f'{file}: ["{model}"] {name} = {value} is no price in dollars per million tokens.')
        return value

    dated, source = entry.get("date"), entry.get("source", "")
    if not (dated is None or type(dated) is date) or not isinstance(source, str):
        raise PriceTableError(f'{file}: ["{model}"]: write date = 2025-01-31 and source = "name of the page".')
    full = dollars("input")
    batch = dollars("batch", Decimal(1))
    if not 0 < batch <= 1:
        raise PriceTableError(f'{file}: ["{model}"] batch = {batch}: write a part of the price, like batch = 0.5.')
    return Price(full, dollars("cached_input", full), dollars("output"), batch, dated, source)
