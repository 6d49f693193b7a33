"""Licences: what expressions ask for, what the table of models says, what a release may be given away under."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.licences import (
    UNKNOWN_TERMS,
    Author,
    Kind,
    Origin,
    TermsError,
    TermsTable,
    kind_of,
    model_problem,
    resulting_licence,
    seed_problem,
)
from tasks.licences.hub import hub_identifier

TERMS = TermsTable.load()


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("CC0-1.0", Kind.FREE),
        ("MIT", Kind.ATTRIBUTION),
        ("mit", Kind.ATTRIBUTION),
        ("Apache-2.0 AND MIT AND CC-BY-4.0", Kind.ATTRIBUTION),
        ("Apache-2.0 WITH LLVM-exception", Kind.ATTRIBUTION),
        ("Apache-2.0 WITH Commons-Clause", Kind.UNKNOWN),
        ("GPL-3.0-or-later", Kind.COPYLEFT),
        ("CC-BY-SA-4.0", Kind.COPYLEFT),
        ("GPL-2.0+", Kind.COPYLEFT),
        ("MIT OR GPL-3.0-only", Kind.ATTRIBUTION),
        ("MIT AND (CC-BY-NC-4.0 OR CC-BY-SA-4.0)", Kind.COPYLEFT),
        ("MIT OR Apache-2.0 AND CC-BY-NC-4.0", Kind.ATTRIBUTION),  # AND binds closer
        ("CC-BY-NC-SA-4.0", Kind.NON_COMMERCIAL),
        ("CC-BY-NC-ND-4.0", Kind.NO_DERIVATIVES),
        ("CC-BY-ND-4.0", Kind.NO_DERIVATIVES),
        ("LicenseRef-LeetCode-Terms", Kind.UNKNOWN),
        ("MIT AND LicenseRef-Own", Kind.UNKNOWN),
        (None, Kind.UNKNOWN),
        ("", Kind.UNKNOWN),
        ("MIT License, see file", Kind.UNKNOWN),
        ("MIT AND", Kind.UNKNOWN),
        ("(MIT", Kind.UNKNOWN),
        ("MIT)", Kind.UNKNOWN),
        ("MIT WITH", Kind.UNKNOWN),
        ("MIT; rm -rf", Kind.UNKNOWN),
        ("(" * 400, Kind.UNKNOWN),
        ("(" * 100_000, Kind.UNKNOWN),
    ],
)
def test_an_expression_asks_for_what_its_parts_do(expression: str | None, kind: Kind) -> None:
    assert kind_of(expression) is kind


@pytest.mark.parametrize(
    ("provider", "model", "training"),
    [
        ("openai", "gpt-4o-2024-08-06", "no"),
        ("openai", "o3-mini", "no"),
        ("openai", "openai/gpt-oss-120b", "yes"),
        ("openai", "deepseek-ai/DeepSeek-R1", "yes"),
        ("openai", "deepseek-r1-distill-llama-8b", "conditions"),
        ("openai", "Qwen/Qwen2.5-Coder-32B-Instruct", "yes"),
        ("openai", "Qwen/Qwen2.5-72B-Instruct", "conditions"),
        ("openai", "Qwen/Qwen2.5-Coder-3B", "unknown"),
        ("openai", "qwen2.5-coder:3b", "unknown"),
        ("openai", "qwen2.5-coder:32b-instruct-q4_K_M", "yes"),
        ("openai", "qwen2.5:72b", "conditions"),
        ("openai", "deepseek-r1:70b", "conditions"),
        ("openai", "deepseek-r1:8b-llama-distill-q8_0", "conditions"),
        ("openai", "deepseek-r1:14b", "yes"),
        ("openai", "meta-llama/Meta-Llama-3-70B-Instruct", "no"),
        ("openai", "meta-llama/Llama-3.1-8B", "conditions"),
        ("openai", "google/gemma-2-27b-it", "conditions"),
        ("anthropic", "claude-of-tomorrow", "no"),
        ("anthropic", "another", "no"),
        ("offline", "offline", "yes"),
        ("openai", "my-own-model", "unknown"),
        ("imported", "", "unknown"),
        ("imported", "deepseek-r1-rewrites.parquet", "unknown"),
    ],
)
def test_the_shipped_terms_know_the_usual_models(provider: str, model: str, training: str) -> None:
    assert TERMS.of(provider, model).training == training


def test_terms_of_the_user_come_first(tmp_path: Path) -> None:
    own = tmp_path / "terms.toml"
    own.write_text("[[terms]]\nprovider='openai'\nmodel='gpt-4o*'\ntraining='yes'\nlicence='LicenseRef-Ours'\n")
    terms = TermsTable.load(own)
    assert (terms.of("openai", "gpt-4o").licence, terms.of("openai", "gpt-5").training) == ("LicenseRef-Ours", "no")
    assert terms.digest != TERMS.digest
    assert TermsTable.load().digest == TERMS.digest


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff", "not TOML"),
        (b"terms = 3", r"\[\[terms\]\]"),
        (b"[[terms]]\nprovider = '*'", "licence, model, training"),
        (b"[[terms]]\nprovider='*'\nmodel='*'\ntraining='perhaps'\nlicence='MIT'", "yes, conditions, no, unknown"),
        (b"[[terms]]\nprovider='*'\nmodel=3\ntraining='yes'\nlicence='MIT'", "texts"),
        (b"[[terms]]\nprovider='*'\nmodel='*'\ntraining='yes'\nlicence='MIT'\nprice=3", "price"),
    ],
)
def test_a_file_of_terms_that_cannot_be_used_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "terms.toml"
    file.write_bytes(content)
    with pytest.raises(TermsError, match=says):
        TermsTable.load(file)
    with pytest.raises(TermsError, match="cannot be read"):
        TermsTable.load(tmp_path / "none.toml")


def test_the_permissive_policy_says_what_it_minds() -> None:
    assert seed_problem("MIT") is None
    assert seed_problem("CC-BY-NC-4.0") == "seed licence CC-BY-NC-4.0: non-commercial"
    assert seed_problem(None) == "seed licence NOASSERTION: not known"
    assert model_problem("deepseek-r1", TERMS.of("openai", "deepseek-r1")) is None
    closed = model_problem("gpt-4o", TERMS.of("openai", "gpt-4o"))
    assert closed == "model gpt-4o: output may not train competing models"
    assert "not known" in (model_problem("m", UNKNOWN_TERMS) or "")


NONE = ("LicenseRef-Unknown-Sources", "other")
OPEN, CLOSED = Author("question", "openai", "deepseek-r1"), Author("solution", "openai", "gpt-4o")


@pytest.mark.parametrize(
    ("origins", "licence", "hub", "reason"),
    [
        ([], "CC-BY-4.0", "cc-by-4.0", "No row was made from a seed"),
        ([Origin(3, ("MIT",), (OPEN,))], "MIT", "mit", r"MIT \(in 3 rows\)"),
        ([Origin(3, ("MIT",), ()), Origin(2, ("PSF-2.0",), ())], "CC-BY-4.0", "cc-by-4.0", "notices at most"),
        ([Origin(3, ("MIT", "CC-BY-SA-4.0"), ())], "CC-BY-SA-4.0", "cc-by-sa-4.0", "copyleft"),
        ([Origin(1, ("GPL-3.0-only", "CC-BY-SA-4.0"), ())], "LicenseRef-Unknown-Sources", "other", "each asks"),
        ([Origin(1, ("MIT", "CC-BY-NC-4.0"), ())], "CC-BY-NC-4.0", "cc-by-nc-4.0", "non-commercial"),
        (
            [Origin(1, ("CC-BY-NC-4.0", "cc-by-nc-sa-3.0", "CC-BY-NC-SA-4.0"), ())],
            "CC-BY-NC-SA-4.0", "cc-by-nc-sa-4.0", "non-commercial",
        ),
        # Copyleft and non-commercial terms exclude each other: in several seeds, in one, in seed and model.
        ([Origin(1, ("CC-BY-NC-4.0",), ()), Origin(1, ("GPL-3.0-only",), ())], *NONE, "others do not go with it"),
        ([Origin(1, ("CC-BY-NC-SA-4.0", "CC-BY-SA-4.0"), ())], *NONE, "others do not go with it"),
        ([Origin(1, ("CC-BY-NC-4.0 AND GPL-3.0-only",), ())], *NONE, "others do not go with it"),
        ([Origin(1, ("PolyForm-Noncommercial-1.0.0", "CC-BY-NC-SA-4.0"), ())], *NONE, "others do not go with it"),
        ([Origin(1, ("CC-BY-NC-4.0", "MIT OR GPL-3.0-only"), ())], "CC-BY-NC-4.0", "cc-by-nc-4.0", "non-commercial"),
        (
            [Origin(1, ("CC-BY-SA-4.0",), (Author("question", "openai", "Qwen/Qwen2.5-Coder-3B"),))],
            "LicenseRef-Unknown-Sources AND LicenseRef-Qwen-Research", "other", "CC-BY-SA-4.0, which has to be kept",
        ),
        ([Origin(1, ("CC-BY-ND-4.0",), ())], "LicenseRef-Unknown-Sources", "other", "without leave"),
        ([Origin(1, (None, "MIT"), ())], "LicenseRef-Unknown-Sources", "other", "NOASSERTION"),
        ([Origin(1, ("MIT",), (OPEN, CLOSED))], "MIT AND LicenseRef-OpenAI-Terms", "other", r"MIT \(in 1 rows\)"),
        ([Origin(1, ("MIT OR ISC",), (CLOSED,))], "(MIT OR ISC) AND LicenseRef-OpenAI-Terms", "other", "All seeds"),
    ],
)  # fmt: skip
def test_a_release_has_the_strictest_licence_of_its_rows(
    origins: list[Origin], licence: str, hub: str, reason: str
) -> None:
    found = resulting_licence(origins, TERMS)
    assert (found.licence, found.hub) == (licence, hub)
    assert re.search(reason, found.reasons[0])


@pytest.mark.parametrize(
    ("licence", "word"),
    [
        ("Apache-2.0", "apache-2.0"), ("GPL-3.0-only", "gpl-3.0"), ("GPL-2.0-or-later", "gpl-2.0"),
        ("GPL-2.0+", "gpl-2.0"),
        ("ODC-By-1.0", "odc-by"), ("PDDL-1.0", "pddl"), ("PSF-2.0", "other"), ("CC-BY-SA-2.0", "other"),
        ("MIT OR ISC", "other"), ("LicenseRef-Ours", "other"), ("mit\nevil: yes", "other"), ("", "other"),
    ],
)  # fmt: skip
def test_the_hub_gets_a_word_of_its_own(licence: str, word: str) -> None:
    assert hub_identifier(licence) == word


def test_the_reasons_name_the_models_and_what_they_wrote() -> None:
    _, first, second = resulting_licence([Origin(7, ("MIT",), (OPEN, CLOSED))], TERMS).reasons
    assert first == "deepseek-r1 wrote question of 7 rows: its output may train other models (MIT)."
    assert second == (
        "gpt-4o wrote solution of 7 rows: output may not be used to develop models that compete with OpenAI "
        "(OpenAI Services Agreement)."
    )
