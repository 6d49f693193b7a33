"""What tokens cost, and what is said where nobody knows."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tasks.llm.prices import PriceTable, PriceTableError
from tasks.llm.types import Usage

MILLION = Usage(input_tokens=1_000_000, cached_input_tokens=400_000, output_tokens=100_000, reasoning_tokens=50_000)


def test_cached_input_is_cheaper_and_reasoning_is_part_of_the_output() -> None:
    # gpt-4o: 0.6 M at 2.50, 0.4 M at 1.25, 0.1 M at 10.00
    assert PriceTable.load().cost_usd("openai", "gpt-4o", MILLION) == Decimal("3.00")


def test_input_is_full_price_where_the_page_names_no_cached_one() -> None:
    assert PriceTable.load().cost_usd("openai", "gpt-4-turbo", MILLION) == Decimal("13.00")


@pytest.mark.parametrize("model", ["deepseek-r1", "no-such-model", "gpt-4o-audio-preview", "", "GPT-4O"])
def test_an_unknown_model_has_an_unknown_cost(model: str) -> None:
    assert PriceTable.load().cost_usd("openai", model, MILLION) is None


def test_the_canned_teacher_costs_nothing() -> None:
    assert PriceTable.load().cost_usd("offline", "offline", MILLION) == 0


def test_a_snapshot_costs_what_its_model_costs_unless_it_is_listed() -> None:
    prices = PriceTable.load()
    assert prices.price("gpt-4o-2024-08-06") == prices.price("gpt-4o")
    assert prices.price("gpt-4o-2024-05-13") != prices.price("gpt-4o")
    assert prices.price("claude-3-5-haiku-20241022") == prices.price("claude-3-5-haiku")
    assert prices.price("gpt-5-chat-latest") is not None


def test_every_shipped_price_is_dated_and_sourced() -> None:
    prices = PriceTable.load()
    known = [prices.price(model) for model in ("gpt-4o", "claude-opus-4-5", "deepseek-v4-pro", "qwen-max")]
    assert all(price is not None and price.date is not None and price.source for price in known)


def test_a_users_file_adds_and_replaces(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('["deepseek-r1"]\ninput = 0.55\noutput = 2.19\n["gpt-4o"]\ninput = 1\noutput = 2\n')
    prices = PriceTable.load(file)
    assert prices.cost_usd("openai", "deepseek-r1", Usage(1_000_000, 0, 1_000_000)) == Decimal("2.74")
    assert prices.cost_usd("openai", "gpt-4o", Usage(1_000_000, 0, 1_000_000)) == 3
    assert prices.price("gpt-4o-mini") is not None


@pytest.mark.parametrize(("text", "words"), [
    ("not toml at all", "not TOML"),
    ("model = 3", "is no table"),
    ("[gpt-4.1]\ninput = 1\noutput = 1", "needs quotes"),
    ('["m"]\noutput = 1', "input: write dollars"),
    ('["m"]\ninput = "free"\noutput = 1', "input: write dollars"),
    ('["m"]\ninput = true\noutput = 1', "input: write dollars"),
    ('["m"]\ninput = -1\noutput = 1', "no price"),
    ('["m"]\ninput = 1\noutput = inf', "no price"),
    ('["m"]\ninput = 1\noutput = nan', "no price"),
    ('["m"]\ninput = 1\noutput = 1\ndate = "yesterday"', "date ="),
])
def test_a_broken_file_is_named_with_model_and_field(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(PriceTableError, match=words) as caught:
        PriceTable.load(file)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(PriceTableError, match="cannot be read"):
        PriceTable.load(tmp_path / "none.toml")
