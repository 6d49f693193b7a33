"""What tokens cost, and what is said where nobody knows."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tasks.llm.prices import Price, PriceTable, PriceTableError, UnknownPrice
from tasks.llm.types import Message, Request, Sampling, Usage


def asked(model: str, prompt: str = "x", provider: str = "openai") -> Request:
    return Request("offline" if model == "offline" else provider, model, (Message("user", prompt),),
                   sampling=Sampling(max_tokens=50))


def priced(model: str) -> Price:
    return PriceTable.load().price_of(asked(model))


MILLION = Usage(input_tokens=1_000_000, cached_input_tokens=400_000, output_tokens=100_000, reasoning_tokens=50_000)


def test_cached_input_is_cheaper_and_reasoning_is_part_of_the_output() -> None:
    # gpt-4o: 0.6 M at 2.50, 0.4 M at 1.25, 0.1 M at 10.00
    assert priced("gpt-4o").cost_usd(MILLION) == Decimal("3.00")


def test_input_is_full_price_where_the_page_names_no_cached_one() -> None:
    assert priced("gpt-4-turbo").cost_usd(MILLION) == Decimal("13.00")


@pytest.mark.parametrize("model", ["deepseek-r1", "no-such-model", "gpt-4o-audio-preview", "", "GPT-4O"])
def test_an_unknown_price_is_an_error_that_says_how_to_give_one(model: str) -> None:
    with pytest.raises(UnknownPrice, match="--price"):
        priced(model)


def test_the_canned_teacher_costs_nothing() -> None:
    assert PriceTable.load().price_of(asked("offline")).cost_usd(MILLION) == 0


def test_a_batch_costs_half_where_the_page_says_so() -> None:
    assert priced("gpt-4o").cost_usd(MILLION, batched=True) == Decimal("1.50")
    assert priced("deepseek-v4-pro").cost_usd(MILLION, batched=True) == priced("deepseek-v4-pro").cost_usd(MILLION)


@pytest.mark.parametrize(("given", "model", "usd"), [
    ("m=2:30", "m", "5.0"),  # 1 M at 2, 0.1 M at 30
    ("m=2:1:30", "m", "4.6"),  # 0.6 M at 2, 0.4 M at 1, 0.1 M at 30
    ("llama3:8b=0", "llama3:8b", "0"),
    ("0", "anything", "0"),
    ("gpt-4o=1:2", "gpt-4o", "1.2"),
])
def test_a_price_may_be_given_with_the_command(given: str, model: str, usd: str) -> None:
    assert PriceTable.load(given=[given]).price_of(asked(model)).cost_usd(MILLION) == Decimal(usd)


def test_a_price_for_all_models_leaves_known_ones_as_they_are() -> None:
    assert PriceTable.load(given=["0"]).price_of(asked("gpt-4o")) == priced("gpt-4o")


@pytest.mark.parametrize("given", ["", "m=", "m=1", "m=1:2:3:4", "m=a:b", "m=-1:2", "m=inf:1", "m=nan:1", "1"])
def test_a_price_that_is_none_is_said_to_be_none(given: str) -> None:
    with pytest.raises(PriceTableError, match="is no price"):
        PriceTable.load(given=[given])


def test_the_most_that_an_answer_can_cost_is_never_less_than_what_it_costs() -> None:
    """A token is at least a byte, an answer no longer than its limit."""
    prompt = "\u00fc\U0001f40d" * 100  # 600 bytes
    highest = priced("gpt-4o").highest_usd(asked("gpt-4o", prompt))
    assert highest >= priced("gpt-4o").cost_usd(Usage(600 + 10, 0, 50))
    assert highest < 2 * priced("gpt-4o").cost_usd(Usage(600, 0, 50))


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
    usage = Usage(1_000_000, 0, 1_000_000)
    assert prices.price_of(asked("deepseek-r1")).cost_usd(usage) == Decimal("2.74")
    assert prices.price_of(asked("gpt-4o")).cost_usd(usage) == 3
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
    ('["m"]\ninput = 1\noutput = 1\nbatch = 2', "a part of the price"),
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
