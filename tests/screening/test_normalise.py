"""The normal form of a question's text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.screening import normalise, text_hash


def test_case_spacing_compatibility_forms_and_outer_punctuation_make_no_difference() -> None:
    plain = "reverse a list of ints"
    for variant in (
        "Reverse a list of ints.", "  reverse\n\na\tlist of ints", "**Reverse a list of ints!**",
        "ｒeverse a list of ints",
    ):  # fmt: skip
        assert normalise(variant) == plain
        assert text_hash(variant) == text_hash(plain)


def test_inner_punctuation_and_signs_with_a_meaning_stay() -> None:
    assert text_hash("convert to C#") != text_hash("convert to C")
    assert normalise("f(x), g(y)") == "f(x), g(y"
    assert text_hash("") == text_hash(" ... ")


@given(st.text(st.characters(codec=None), max_size=80))
def test_normalising_twice_is_as_once_whatever_the_text(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert len(text_hash(text)) == 64
