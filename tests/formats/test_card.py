"""The dataset card: a header that the Hub reads, numbers that were counted, foreign text that is only text."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from huggingface_hub import DatasetCard

from tasks.formats import FileEntry, Manifest
from tasks.formats.card import Facts, Licence, SubsetFacts, card, escaped

FACTS = Facts(
    subsets=[
        SubsetFacts("Docs", 12, {"instruct": 12, "complete": 5}, {"easy": 8, "hard": 4}, 301.0, 14.0, 4.0,
                    {1: 0.5, 3: 0.75}, 0.81, 0.9, 1.234),
        SubsetFacts("Evol", 1, {"instruct": 1}, {"medium": 1}, None, None, None, {}, None, None, None),
    ],
    authors=[("question", "openai", "gpt-4o", 13)],
    sources=[("kodcode, built in", "Apache-2.0", 13)],
    benchmarks=[("HumanEval", 10, 0.8712, 1)],
    verdicts={"passed": 20, "failed": 9},
)  # fmt: skip
MANIFEST = Manifest(
    formats={"verl": "1", "kodcode-v1": "v1.1"},
    files=tuple(
        FileEntry(path, path.split("/")[0], path.split("/")[1], rows, 10, "0" * 64)
        for path, rows in (
            ("kodcode-v1/train/part-00000.parquet", 10),
            ("kodcode-v1/train/part-00001.parquet", 7),
            ("kodcode-v1/use_with_caution/part-00000.parquet", 1),
            ("verl/train/part-00000.parquet", 17),
            ("verl/use_with_caution/part-00000.parquet", 0),
        )
    ),
    filters={"subsets": ["Docs", "Evol"], "canned": False, "min_trust": 0.5},
    prompt_versions={"solve": "abc"},
)
LICENCE = Licence("Apache-2.0", "apache-2.0", ("All seeds are under Apache-2.0.",))


def test_the_hubs_own_classes_read_the_header() -> None:
    data = DatasetCard(card(3, MANIFEST, FACTS, LICENCE).decode()).data.to_dict()
    assert data["license"] == "apache-2.0"
    assert (data["language"], data["size_categories"]) == (["en"], ["n<1K"])
    assert data["configs"] == [
        {
            "config_name": "kodcode-v1",
            "default": True,
            "data_files": [
                {"split": "train", "path": "kodcode-v1/train/*.parquet"},
                {"split": "use_with_caution", "path": "kodcode-v1/use_with_caution/*.parquet"},
            ],
        },
        # An empty split is none: not every loader reads a file without rows.
        {"config_name": "verl", "data_files": [{"split": "train", "path": "verl/train/*.parquet"}]},
    ]


def test_a_licence_of_its_own_is_named_in_the_letters_of_the_hub() -> None:
    other = Licence("CC-BY-4.0 AND LicenseRef-OpenAI-Terms", "other", ())
    data = DatasetCard(card(3, MANIFEST, FACTS, other).decode()).data.to_dict()
    assert data["license"] == "other"
    assert data["license_name"] == "cc-by-4.0-and-licenseref-openai-terms"


def test_no_term_of_a_long_licence_is_lost() -> None:
    terms = [f"LicenseRef-Terms-{number}" for number in range(40)] + ["LicenseRef-" + "x" * 200]
    text = card(3, MANIFEST, FACTS, Licence(" AND ".join(terms), "other", ())).decode()
    assert f"**{' AND '.join(terms)}**, which follows from:" in text.split("\n")
    data = DatasetCard(text).data.to_dict()
    # A name that is cut would tell of some terms only.
    assert data["license_name"] == "several-licences-see-the-card"
    assert data["license_link"] == "README.md#licence"


def test_numbers_are_those_that_were_counted() -> None:
    text = card(3, MANIFEST, FACTS, LICENCE).decode()
    for line in (
        "# Verified coding data, release 3",
        "| Docs | 12 | 12 | 5 | 0 | 8 | 0 | 4 |",
        r"| Docs | 301 | 14 | 4 | 0.50 | 0.75 | 0.81 | 0.90 | \$1.23 |",
        "| Evol |  |  |  |  |  |  |  | unknown |",
        "| kodcode-v1 | v1.1 | train | 17 | 2 |",
        "| HumanEval | 10 | 0.871 | 1 |",
        "| kodcode, built in | Apache-2.0 | 13 |",
        'rows = load_dataset("ORG/NAME", "kodcode-v1", split="train")',
    ):
        assert line in text.split("\n"), line
    assert "10 of 13 questions were compared" in text
    assert "13 questions in 18 rows" in text


def test_json_lines_are_no_config_and_are_loaded_as_files() -> None:
    entry = FileEntry("messages-jsonl/train/part-00000.jsonl", "messages-jsonl", "train", 3, 10, "0" * 64)
    formats = {**MANIFEST.formats, "messages-jsonl": "1"}
    text = card(3, replace(MANIFEST, files=(*MANIFEST.files, entry), formats=formats), FACTS, LICENCE).decode()
    assert [config["config_name"] for config in DatasetCard(text).data.to_dict()["configs"]] == ["kodcode-v1", "verl"]
    pattern = '{"train": "hf://datasets/ORG/NAME/messages-jsonl/train/*.jsonl"}'
    assert f'rows = load_dataset("json", data_files={pattern}, split="train")' in text.split("\n")


def test_without_benchmarks_nothing_is_promised() -> None:
    text = card(3, MANIFEST, replace(FACTS, benchmarks=[]), LICENCE).decode()
    assert "compared with no benchmark" in text


def test_the_same_facts_give_the_same_bytes_in_whatever_order_they_are_kept() -> None:
    turned = replace(
        MANIFEST,
        files=MANIFEST.files[::-1],
        formats=dict(reversed(MANIFEST.formats.items())),
        filters=dict(reversed(MANIFEST.filters.items())),
    )
    assert card(3, turned, FACTS, LICENCE) == card(3, MANIFEST, FACTS, LICENCE)


HOSTILE = (
    "x | y\n---\nlicense: mit\n---\n# Owned <script>alert(1)</script> [a](javascript:b) `c` \x1b[31m \u202e "
    "http://e.vil @you"
)


@pytest.mark.parametrize("where", ["source", "licence", "model", "benchmark", "filter", "reason", "subset"])
def test_foreign_text_stays_text(where: str) -> None:
    facts, manifest, licence = FACTS, MANIFEST, LICENCE
    if where == "source":
        facts = replace(facts, sources=[(HOSTILE, None, 1)])
    elif where == "licence":
        licence = Licence(HOSTILE, "other", ())
    elif where == "model":
        facts = replace(facts, authors=[("question", "openai", HOSTILE, 1)])
    elif where == "benchmark":
        facts = replace(facts, benchmarks=[(HOSTILE, 1, None, 0)])
    elif where == "filter":
        manifest = replace(manifest, filters={HOSTILE: HOSTILE})
    elif where == "reason":
        licence = replace(licence, reasons=[HOSTILE], left_out={HOSTILE: 1})
    else:
        facts = replace(facts, subsets=[replace(facts.subsets[0], subset=HOSTILE)])
    text = card(3, manifest, facts, licence).decode()
    header, body = text.removeprefix("---\n").split("\n---\n", 1)
    assert yaml.safe_load(header)["configs"][0]["config_name"] == "kodcode-v1"
    assert "\n---\n" not in body
    for told in ("<script", "](javascript", "\x1b", "\u202e", "http://e.vil", "@you", "\n# Owned"):
        assert told not in body
    plain = card(3, MANIFEST, FACTS, LICENCE).decode()
    assert text.count("\n# ") == plain.count("\n# ")


def test_long_text_is_cut() -> None:
    assert len(escaped("x" * 1000)) < 200
