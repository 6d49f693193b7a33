"""Thresholds as the settings name them."""

from __future__ import annotations

import pytest

from tasks.options import thresholds_of
from tasks.screening import Thresholds
from tasks.settings import ConfigurationError, load_settings


def test_the_settings_change_what_they_name_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert thresholds_of(load_settings()) == Thresholds()
    monkeypatch.setenv("KODCODE_THRESHOLDS", '{"ngram": 8, "squared_l2": 0.05}')
    assert thresholds_of(load_settings()) == Thresholds(ngram=8, squared_l2=0.05)


@pytest.mark.parametrize(("given", "said"), [('{"ngrams": 8}', "ngrams"), ('{"ngram": 2}', "give 5 to 50 tokens")])
def test_a_threshold_that_is_none_is_named_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch, given: str, said: str
) -> None:
    monkeypatch.setenv("KODCODE_THRESHOLDS", given)
    with pytest.raises(ConfigurationError, match=f"{said}.*jaccard = 0.8"):
        thresholds_of(load_settings())
