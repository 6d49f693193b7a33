"""What tokens cost: the shipped list prices, and the user's own on top. An unknown price is None, never zero."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tasks.llm.types import Usage

SHIPPED = Path(__file__).with_name("prices.toml")
FREE_PROVIDERS = frozenset({"offline"})

# gpt-4o-2024-08-06, claude-3-5-haiku-20241022, gpt-5-chat-latest: snapshots cost what their model costs.
_SNAPSHOT = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$")
_MILLION = Decimal(1_000_000)
_STEP = Decimal("0.00000001")  # what the ledger's column can hold
_HIGHEST = Decimal(1_000_000)  # dollars per million tokens; more is a typing error


class PriceTableError(Exception):
    """A price file cannot be used; the message names file, model and field."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens."""

    input_usd: Decimal
    cached_input_usd: Decimal
    output_usd: Decimal
    date: date | None = None
    source: str = ""


class PriceTable:
    """Prices by model name."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = dict(prices)

    @classmethod
    def load(cls, user_file: Path | None = None) -> PriceTable:
        """The shipped prices, with those of `user_file` added or put in their place. Raises PriceTableError."""
        prices = _read(SHIPPED)
        if user_file is not None:
            prices |= _read(user_file)
        return cls(prices)

    def price(self, model: str) -> Price | None:
        return self._prices.get(model) or self._prices.get(_SNAPSHOT.sub("", model))

    def cost_usd(self, provider: str, model: str, usage: Usage) -> Decimal | None:
        """Dollars for one answer; None where the model's price is not known."""
        if provider in FREE_PROVIDERS:
            return Decimal(0)
        price = self.price(model)
        if price is None:
            return None
        fresh = max(0, usage.input_tokens - usage.cached_input_tokens)
        total = (
            fresh * price.input_usd
            + usage.cached_input_tokens * price.cached_input_usd
            + usage.output_tokens * price.output_usd
        )
        return (total / _MILLION).quantize(_STEP)


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
    unknown = sorted(entry.keys() - {"input", "cached_input", "output", "date", "source"})
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
    return Price(full, dollars("cached_input", full), dollars("output"), dated, source)
