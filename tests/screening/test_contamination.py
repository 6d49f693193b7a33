"""Decontamination by n-grams, code tokens and solutions, its policies, and texts that do not stand by themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from tasks.history.audit import LAWS
from tasks.screening import HashedEmbedder, Problem, load_benchmark, missing_context, screen_subset, store_benchmark
from tasks.screening.contamination import Guard, KnownProblem
from tasks.screening.guards import load_guard
from tasks.screening.rules import Thresholds
from tasks.store.schema import Contamination
from tests.screening.paraphrases import PARAPHRASES

Propose = Callable[..., list[str]]
Rows = Callable[[], list]

PROBLEM = (
    "Given the heights of the towers along a harbour wall, count how many of them can see the lighthouse at the far "
    "end, where a tower sees it if all towers behind it are strictly lower than itself."
)
LONG = " ".join(f"Sentence number {n} speaks of ships, nets, weather and prices in port {n}." for n in range(30))
SOLUTION = '''
def towers_with_view(heights):
    """Count them."""
    best = 0
    count = 0
    for height in reversed(heights):
        if height > best:
            count += 1
            best = height
    if count == len(heights) and best > 1:
        return best - 1 + count
    return count if heights else 0
'''


def guard(*problems: Problem) -> Guard:
    vectors = HashedEmbedder().embed([problem.text for problem in problems])
    known = [
        KnownProblem(problem.benchmark, problem.item_id, problem.text, problem.solution, vector)
        for problem, vector in zip(problems, vectors, strict=True)
    ]
    return Guard(known, Thresholds(), "hashed")


@pytest.fixture(scope="module")
def published(benchmark_files: tuple[Path, Path]) -> tuple[Guard, list[list[Problem]]]:
    """The guard over HumanEval and MBPP, and the problems of each."""
    by_file = [load_benchmark(file) for file in benchmark_files]
    return guard(*by_file[0], *by_file[1]), by_file


def test_a_problem_hidden_in_a_long_question_is_found_by_its_words(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    store_benchmark(database, [Problem("Ours", "1", PROBLEM)])
    propose([f"{LONG}\n\n{PROBLEM.upper()}\n\n{LONG}"])
    screen_subset(database, "Leetcode", HashedEmbedder())
    (row,) = rows()
    assert (row.status, row.reason) == ("rejected", "contaminated")
    assert row.benchmark_similarity < 0.95
    assert "100% of the word 13-grams of 1 of Ours" in row.detail
    with database.connect() as connection:
        found = {entry.measure: entry for entry in connection.execute(select(Contamination.__table__))}
    assert set(found) == {"words", "code"}
    assert (found["words"].value, found["words"].item_id) == (1.0, "1")


def test_by_policy_a_contaminated_question_is_kept_with_a_caution(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    store_benchmark(database, [Problem("Ours", "1", PROBLEM)])
    propose([PROBLEM, "Something else."])
    report = screen_subset(database, "Leetcode", HashedEmbedder(), policy="use_with_caution")
    assert (report.accepted, report.contaminated, report.cautioned) == (2, 0, 1)
    first, second = rows()
    assert "cosine 1.000 with 1 of Ours" in first.caution
    assert second.caution is None


def test_a_solution_is_found_under_other_names_and_in_a_longer_module() -> None:
    renamed = SOLUTION
    for old, new in (("towers_with_view", "f"), ("heights", "xs"), ("height", "x"), ("best", "top"), ("count", "n")):
        renamed = renamed.replace(old, new)
    module = f"import os\n\ndef other(a):\n    return a\n{renamed}"
    found = guard(Problem("Ours", "1", PROBLEM, SOLUTION)).of_solution(module)
    assert found is not None
    assert (found.measure, found.item_id, found.value) == ("solution", "1", 1.0)


@pytest.mark.parametrize(
    "source", ["", "def f(:", "def f(x):\n    return x", "x = " + "(" * 5_000, "\0", "def f(): ..."]
)
def test_what_is_no_solution_of_ours_contains_none(source: str) -> None:
    assert guard(Problem("Ours", "1", PROBLEM, SOLUTION)).of_solution(source) is None


def test_published_items_are_found_within_other_text_and_recorded_questions_are_not(
    published: tuple[Guard, list[list[Problem]]], recorded_questions: list[str]
) -> None:
    watch, (human_eval, mbpp) = published
    assert all(problem.solution is not None for problem in human_eval + mbpp)
    assert [found for text in recorded_questions if (found := watch.of_question(text, None))] == []
    hidden = sum(bool(watch.of_question(f"{LONG}\n{problem.text}\n{LONG}", None)) for problem in human_eval)
    assert hidden == len(human_eval)


# What is asserted of every tenth item of HumanEval and of MBPP; tests/benchmarks/README.md has the rates over all.
RATES = {
    "nothing": (1.0, 1.0),
    "set into a longer request": (1.0, 0.95),
    "its functions renamed": (1.0, None),
    "another opening": (None, 0.75),
    "two words replaced": (1.0, 0.95),
    "twelve words replaced": (0.95, 0.1),
}


def test_published_items_are_found_in_other_words_at_the_documented_rates(
    published: tuple[Guard, list[list[Problem]]], recorded_questions: list[str]
) -> None:
    watch, by_file = published
    embedder = HashedEmbedder()

    def found(texts: list[str]) -> list[str]:
        near = watch.nearest(embedder.embed(texts))
        return [text for text, nearest in zip(texts, near, strict=True) if watch.of_question(text, nearest)]

    for kind, rates in RATES.items():
        for problems, rate in zip(by_file, rates, strict=True):
            sample = [problem.text for problem in problems[::10]]
            changed = [new for old in sample if (new := PARAPHRASES[kind](old)) != old or kind == "nothing"]
            if rate is not None:
                assert len(found(changed)) >= rate * len(changed) > 0, (kind, problems[0].benchmark)
    assert found(recorded_questions) == []


def test_the_index_over_the_benchmarks_is_made_once_for_what_they_hold(database: Engine, propose: Propose) -> None:
    def loaded(thresholds: Thresholds = Thresholds()) -> Guard:  # noqa: B008 (frozen)
        with database.connect() as connection:
            return load_guard(connection, HashedEmbedder.name, thresholds)

    store_benchmark(database, [Problem("Ours", "1", PROBLEM)])
    propose(["Something else."])
    screen_subset(database, "Leetcode", HashedEmbedder())
    first = loaded()
    assert loaded() is first
    assert loaded(Thresholds(ngram=8)) is not first
    solved, changed = Problem("Ours", "1", PROBLEM, SOLUTION), Problem("Ours", "1", "t")
    for change in (solved, changed, Problem("New", "2", "t")):
        before = loaded()
        store_benchmark(database, [change])
        propose(["Something else again."])
        screen_subset(database, "Leetcode", HashedEmbedder())
        assert loaded() is not before


def test_the_funnel_counts_what_is_kept_with_caution_and_the_audit_asks_for_what_was_found(
    database: Engine, propose: Propose
) -> None:
    store_benchmark(database, [Problem("Ours", "1", PROBLEM)])
    propose([PROBLEM, "Something else."])
    screen_subset(database, "Leetcode", HashedEmbedder(), policy="use_with_caution")
    law = text((LAWS / "questions.sql").read_text())

    def offenders() -> set[str]:
        with database.connect() as connection:
            rows = connection.execute(law).all()
        # The questions of this test were never asked for.
        return {row.problem for row in rows if row.problem != "accepted without an answer in the ledger"}

    with database.connect() as connection:
        assert connection.execute(text("select accepted, cautioned from kodcode.v_funnel")).one() == (2, 1)
    assert offenders() == set()
    broken = {
        "update kodcode.questions set caution = null": "too near to 1 and accepted without a caution",
        "update kodcode.questions set caution = 'so'": "a caution about nothing that was found",
        "update kodcode.questions set annotated_clarity = 3": "annotated without an answer in the ledger",
        "update kodcode.questions set subset = 'Filter'": "a question of Filter that nobody annotated",
    }
    for statement, problem in broken.items():
        with database.begin() as connection:
            connection.execute(text(statement))
        assert problem in offenders(), statement


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Write a function for the tree shown in the following image.", "a figure"),
        ("Count the cells.\n\n![grid](https://example.com/grid.png)", "an image"),
        ("Follow the format described at https://example.com/spec and parse it.", "a link"),
        ("Use the attached CSV file to compute the mean.", "an attachment"),
        ("Extend your solution of the previous question to three dimensions.", "an earlier message"),
        ("Rewrite the function above so that it runs in linear time.", "what is not there"),
        ("Load the data with pd.read_csv('sales.csv') and return the best month.", "needs the file"),
    ],
)
def test_a_question_that_leans_on_what_it_does_not_hold_is_named(text: str, what: str) -> None:
    assert what in str(missing_context(text))


@pytest.mark.parametrize(
    "text",
    [
        "Return the sum of the entries above the diagonal of a matrix.",
        "Parse a URL such as https://example.com/a?b=c into its parts.",
        "```python\ndef f(x): ...\n```\nComplete the function above.",
        "Given an array, return the previous greater element of each entry.",
        "Write a function that opens a file whose path is given and returns its lines.",
    ],
)
def test_a_question_that_stands_by_itself_is_left_alone(text: str) -> None:
    assert missing_context(text) is None


def test_recorded_questions_and_published_problems_stand_by_themselves(
    benchmark_files: tuple[Path, Path], recorded_questions: list[str]
) -> None:
    assert [text for text in recorded_questions if missing_context(text)] == []
    problems = [problem for file in benchmark_files for problem in load_benchmark(file)]
    # One item of MBPP really holds nothing but the beginning of a link.
    assert [problem.item_id for problem in problems if missing_context(problem.text)] == ["118"]
