"""Screening against a real PostgreSQL: what is rejected, by what, and that the batches make no difference."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, func, select, text, update

from tasks.screening import (
    DEMO_BENCHMARK,
    EmbedderUnavailable,
    HashedEmbedder,
    Problem,
    Thresholds,
    VectorsDisagree,
    load_benchmark,
    normalise,
    screen_subset,
    store_benchmark,
    text_hash,
)
from tasks.screening.embedding import Vectors
from tasks.screening.normalise import words
from tasks.store.schema import Embedding, MinhashBand, Question

Propose = Callable[..., list[str]]
Rows = Callable[[], list]

WORDS = [f"word{i}" for i in range(500)]
QUEUE = "Implement a circular queue of fixed capacity with methods to add, remove and look at both ends in O(1)."


def sentence(seed: int, size: int = 60) -> list[str]:
    return random.Random(seed).choices(WORDS, k=size)


class CountingEmbedder(HashedEmbedder):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked.extend(texts)
        return super().embed(texts)


class MeaningEmbedder:
    """Knows that two words mean the same, as a model would; other texts have directions of their own."""

    name = "meaning"
    dimension = 64

    def embed(self, texts: Sequence[str]) -> Vectors:
        result = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, content in enumerate(texts):
            if "largest" in content or "maximum" in content:
                result[row, 0] = 1
            else:
                result[row, 1 + sum(content.encode()) % 63] = 1
        return result


def test_an_equal_text_is_an_exact_duplicate_of_the_accepted_one(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    propose([QUEUE, "  " + QUEUE.upper().replace(" ", "\n"), "Something else entirely."])
    report = screen_subset(database, "Leetcode", HashedEmbedder())
    assert (report.screened, report.accepted, report.duplicates) == (3, 2, 1)
    assert report.counts == {"accepted": 2, "duplicate_exact": 1}
    first, second, third = rows()
    assert (first.status, third.status) == ("accepted", "accepted")
    assert (second.status, second.reason, second.duplicate_of, second.similarity) == (
        "rejected", "duplicate_exact", first.question_id, 1.0,
    )
    assert second.text_hash == first.text_hash == text_hash(QUEUE)


def test_an_edited_text_is_a_minhash_duplicate_with_its_jaccard_similarity(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    original = sentence(1, 100)
    edited = [*original[:50], "changed", *original[51:]]
    propose([" ".join(original), " ".join(edited)])
    screen_subset(database, "Leetcode", HashedEmbedder())
    second = rows()[1]
    assert (second.reason, second.duplicate_of) == ("duplicate_minhash", "Leetcode_00000000")
    assert second.similarity == pytest.approx(95 / 101)


def test_reordered_sentences_are_a_semantic_duplicate_below_the_jaccard_threshold(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    parts = [" ".join(sentence(seed, 12)) for seed in range(7)]
    propose([". ".join(parts), ". ".join(reversed(parts))])
    screen_subset(database, "Leetcode", HashedEmbedder())
    second = rows()[1]
    assert (second.reason, second.duplicate_of) == ("duplicate_semantic", "Leetcode_00000000")
    assert 0.95 < second.similarity < 1


def test_a_semantic_duplicate_needs_no_common_words(database: Engine, propose: Propose, rows: Rows) -> None:
    propose(["Return the maximum of a list.", "Print hello.", "Find its largest element!"])
    screen_subset(database, "Leetcode", MeaningEmbedder())
    assert [row.reason for row in rows()] == [None, None, "duplicate_semantic"]
    assert (rows()[2].duplicate_of, rows()[2].similarity) == ("Leetcode_00000000", 1.0)


def test_a_benchmark_look_alike_is_contaminated_and_names_the_item(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    problems = load_benchmark(DEMO_BENCHMARK)
    assert store_benchmark(database, problems) == 4
    assert store_benchmark(database, problems) == 4
    propose([problems[0].text.replace("rotated", "turned"), QUEUE, problems[0].text])
    report = screen_subset(database, "Leetcode", HashedEmbedder())
    assert (report.accepted, report.contaminated) == (1, 2)
    look_alike, other, copy = rows()
    for row in (look_alike, copy):
        assert (row.status, row.reason, row.duplicate_of) == ("rejected", "contaminated", None)
        assert (row.benchmark, row.benchmark_item) == ("Demo_Bench", "Demo/1")
        assert row.benchmark_similarity > 0.95
        assert "Demo/1" in row.detail
    assert other.status == "accepted"
    assert other.benchmark == "Demo_Bench"
    assert 0 < other.benchmark_similarity < 0.5


def test_without_benchmarks_nothing_is_said_of_them(database: Engine, propose: Propose, rows: Rows) -> None:
    propose([QUEUE])
    screen_subset(database, "Leetcode", HashedEmbedder())
    assert (rows()[0].status, rows()[0].benchmark, rows()[0].benchmark_similarity) == ("accepted", None, None)


def test_the_most_similar_accepted_question_is_named(database: Engine, propose: Propose, rows: Rows) -> None:
    original = sentence(3, 100)
    far = [*original[:85], *sentence(4, 15)]  # Jaccard 0.73 to the original: stays
    near = [*original[:93], *far[93:]]  # above 0.8 to both, nearest to the original
    propose([" ".join(far), " ".join(original), " ".join(near)])
    screen_subset(database, "Leetcode", MeaningEmbedder())
    assert [row.status for row in rows()] == ["accepted", "accepted", "rejected"]
    assert rows()[2].duplicate_of == "Leetcode_00000001"


def test_other_subsets_open_places_and_decided_questions_are_left_alone(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    propose([QUEUE], subset="Evol")
    screen_subset(database, "Evol", HashedEmbedder())
    propose([QUEUE], subset="Apps")
    propose([None, QUEUE, QUEUE])
    with database.begin() as connection:
        connection.execute(
            update(Question).where(Question.question_id == "Leetcode_00000001")
            .values(status="rejected", reason="refused", detail="as the teacher said")
        )  # fmt: skip
    before = {row.question_id: row for row in rows()}
    report = screen_subset(database, "Leetcode", HashedEmbedder())
    after = {row.question_id: row for row in rows()}
    assert report.counts == {"accepted": 1}
    changed = {key for key, row in after.items() if row != before[key]}
    assert changed == {"Leetcode_00000002"}, "it is compared with accepted questions of its subset alone"


def test_what_extraction_noted_stays_where_screening_has_nothing_to_add(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    propose([QUEUE])
    with database.begin() as connection:
        connection.execute(update(Question).values(detail="two questions in one answer; the first was taken"))
    screen_subset(database, "Leetcode", HashedEmbedder())
    assert rows()[0].detail == "two questions in one answer; the first was taken"


def test_a_second_screening_asks_for_no_vector_and_changes_no_row(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    store_benchmark(database, load_benchmark(DEMO_BENCHMARK))
    propose([QUEUE, QUEUE, "Another question."])
    embedder = CountingEmbedder()
    screen_subset(database, "Leetcode", embedder)
    assert len(embedder.asked) == 4 + 2, "once a text, benchmark items included"
    before, asked = rows(), len(embedder.asked)
    report = screen_subset(database, "Leetcode", embedder)
    assert (report.screened, report.counts) == (0, {"accepted": 0})
    assert rows() == before
    propose([QUEUE + " "])
    screen_subset(database, "Leetcode", embedder)
    assert len(embedder.asked) == asked, "the text's vector is stored already"


def test_another_embedder_gets_vectors_of_the_whole_history(database: Engine, propose: Propose, rows: Rows) -> None:
    propose(["Return the maximum of a list."])
    screen_subset(database, "Leetcode", HashedEmbedder())
    propose(["Find the largest element."])
    screen_subset(database, "Leetcode", MeaningEmbedder())
    assert rows()[1].reason == "duplicate_semantic"


def test_accepted_questions_have_twenty_bands_and_rejected_ones_none(database: Engine, propose: Propose) -> None:
    propose([QUEUE, QUEUE, "?!"])
    screen_subset(database, "Leetcode", HashedEmbedder())
    with database.connect() as connection:
        counts = connection.execute(
            select(MinhashBand.question_id, func.count()).group_by(MinhashBand.question_id)
        ).all()
        vectors = connection.execute(select(Embedding.vector)).scalars().all()
    assert [tuple(row) for row in counts] == [("Leetcode_00000000", 20)]
    assert {len(vector) for vector in vectors} == {4 * 384}


def test_a_question_set_back_to_pending_is_screened_anew(database: Engine, propose: Propose, rows: Rows) -> None:
    propose([QUEUE])
    screen_subset(database, "Leetcode", HashedEmbedder())
    with database.begin() as connection:
        connection.execute(update(Question).values(status="pending"))
    report = screen_subset(database, "Leetcode", HashedEmbedder())
    assert report.counts == {"accepted": 1}, "it is no duplicate of itself"


def planted(count: int) -> list[str]:
    """Questions with exact copies, word edits, reorderings and benchmark look-alikes among them, in mixed order."""
    generator = random.Random(11)
    problems = [problem.text for problem in load_benchmark(DEMO_BENCHMARK)]
    texts: list[str] = []
    for number in range(count):
        kind = generator.random()
        if kind < 0.6 or not texts:
            texts.append(" ".join(sentence(1000 + number, generator.randrange(20, 90))))
        elif kind < 0.7:
            texts.append(generator.choice(texts).upper())
        elif kind < 0.85:
            edited = generator.choice(texts).split()
            for _ in range(generator.randrange(1, 6)):
                edited[generator.randrange(len(edited))] = generator.choice(WORDS)
            texts.append(" ".join(edited))
        elif kind < 0.95:
            parts = generator.choice(texts).split()
            cut = generator.randrange(len(parts))
            texts.append(" ".join(parts[cut:] + parts[:cut]))
        else:
            edited = generator.choice(problems).split()
            edited[generator.randrange(len(edited))] = "else"
            texts.append(" ".join(edited))
    return texts


def decisions(rows: Rows) -> list[tuple]:
    return [
        (row.number, row.status, row.reason, row.detail, row.duplicate_of, row.similarity, row.benchmark_item,
         row.benchmark_similarity)
        for row in rows()
    ]  # fmt: skip


def test_batches_give_the_same_decisions_as_all_at_once(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    store_benchmark(database, load_benchmark(DEMO_BENCHMARK))
    texts = planted(400)
    propose(texts)
    report = screen_subset(database, "Leetcode", HashedEmbedder())
    assert set(report.rejected) == {"duplicate_exact", "duplicate_minhash", "duplicate_semantic", "contaminated"}
    at_once = decisions(rows)

    def start_over() -> None:
        with database.begin() as connection:
            connection.execute(text("truncate kodcode.questions cascade"))
            connection.execute(text("truncate kodcode.embeddings"))

    start_over()
    generator, start = random.Random(12), 0
    while start < len(texts):
        stop = start + generator.randrange(1, 90)
        propose(texts[start:stop])
        screen_subset(database, "Leetcode", HashedEmbedder())
        start = stop
    assert decisions(rows) == at_once

    start_over()
    propose(texts)
    screen_subset(database, "Leetcode", HashedEmbedder(), page_size=37)
    assert decisions(rows) == at_once


def test_two_workers_with_a_batch_each_give_the_survivors_of_one(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    store_benchmark(database, load_benchmark(DEMO_BENCHMARK))
    texts = planted(300)
    propose(texts)
    screen_subset(database, "Leetcode", HashedEmbedder())
    at_once = decisions(rows)
    with database.begin() as connection:
        connection.execute(text("truncate kodcode.questions cascade"))
        connection.execute(text("truncate kodcode.embeddings, kodcode.vector_heads"))
    ids = propose(texts)
    barrier = threading.Barrier(2)
    counts = []

    def work(batch: list[str]) -> None:
        barrier.wait()
        counts.append(screen_subset(database, "Leetcode", HashedEmbedder(), question_ids=batch, page_size=40).screened)

    workers = [threading.Thread(target=work, args=(batch,)) for batch in (ids[:150], ids[150:])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(counts) == len(texts)
    assert decisions(rows) == at_once


def test_across_subsets_a_question_meets_those_of_the_others(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    parts = [" ".join(sentence(seed, 12)) for seed in range(7)]
    propose([QUEUE, ". ".join(parts)], subset="Evol")
    screen_subset(database, "Evol", HashedEmbedder())
    propose([QUEUE, ". ".join(reversed(parts)), "Something else."], subset="Leetcode")
    screen_subset(database, "Leetcode", HashedEmbedder(), across=True)
    assert [(row.duplicate_of, row.reason) for row in rows() if row.subset == "Leetcode"] == [
        ("Evol_00000000", "duplicate_exact"), ("Evol_00000001", "duplicate_semantic"), (None, None),
    ]  # fmt: skip


def test_two_workers_at_once_decide_every_question_once(database: Engine, propose: Propose, rows: Rows) -> None:
    propose(planted(200))
    expected = len(rows())
    reports = []
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait()
        reports.append(screen_subset(database, "Leetcode", HashedEmbedder(), page_size=20))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(report.screened for report in reports) == expected
    assert {row.status for row in rows()} == {"accepted", "rejected"}


def test_an_embedder_that_fails_leaves_all_pending_and_keeps_what_was_paid(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    class Failing(CountingEmbedder):
        broken = True

        def embed(self, texts: Sequence[str]) -> Vectors:
            if self.broken and len(self.asked) >= 10:
                raise EmbedderUnavailable("gone")
            return super().embed(texts)

    propose([f"{' '.join(sentence(number, 30))}" for number in range(25)])
    embedder = Failing()
    with pytest.raises(EmbedderUnavailable):
        screen_subset(database, "Leetcode", embedder, page_size=10)
    assert {row.status for row in rows()} == {"pending"}
    embedder.broken = False
    screen_subset(database, "Leetcode", embedder, page_size=10)
    assert len(embedder.asked) == 25, "no vector was made twice"
    assert {row.status for row in rows()} == {"accepted"}


def test_vectors_of_another_length_under_the_same_name_are_an_error(database: Engine, propose: Propose) -> None:
    propose(["Return the maximum of a list."])
    screen_subset(database, "Leetcode", MeaningEmbedder())

    class Changed(HashedEmbedder):
        name = "meaning"

    propose(["Something else."])
    with pytest.raises(VectorsDisagree, match="model behind this name has changed"):
        screen_subset(database, "Leetcode", Changed())


def test_hostile_texts_are_screened_like_others(database: Engine, propose: Propose, rows: Rows) -> None:
    hostile = ["", " ", "'; drop table kodcode.questions; --", "\\copy \\N\t\n\x01\x1b[31m", "é" * 100_000,
               "🂡 " * 5_000, "a" * 2_000_000, "%s %(x)s :name {}"]  # fmt: skip
    propose(hostile)
    report = screen_subset(database, "Leetcode", HashedEmbedder())
    assert report.screened == len(hostile)
    assert [row.reason for row in rows()][:2] == [None, "duplicate_exact"]


def test_thresholds_out_of_range_are_refused() -> None:
    for wrong in ({"jaccard": 0.3}, {"squared_l2": -1}, {"benchmark_cosine": 95}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Thresholds(**wrong)


def test_published_benchmarks_are_contaminated_by_themselves(
    database: Engine, propose: Propose, rows: Rows, benchmark_files: tuple[Path, Path]
) -> None:
    problems = [problem for file in benchmark_files for problem in load_benchmark(file)]
    assert len(problems) == 164 + 974
    store_benchmark(database, problems)
    propose([problem.text for problem in problems])
    report = screen_subset(database, "Leetcode", HashedEmbedder())
    assert (report.accepted, report.contaminated) == (0, len(problems))
    texts: dict[tuple[str, str], Problem] = {(problem.benchmark, problem.item_id): problem for problem in problems}
    for row in rows():
        assert row.benchmark_similarity > 0.9999
        # Not always itself: some items of MBPP have one and the same text.
        nearest = texts[row.benchmark, row.benchmark_item].text
        assert words(normalise(nearest)) == words(normalise(row.text))


def test_recorded_questions_are_neither_contaminated_nor_taken_for_each_other(
    database: Engine, propose: Propose, rows: Rows, benchmark_files: tuple[Path, Path], recorded_questions: list[str]
) -> None:
    for file in benchmark_files:
        store_benchmark(database, load_benchmark(file))
    propose(recorded_questions)
    report = screen_subset(database, "Leetcode", HashedEmbedder())
    assert report.contaminated == 0
    assert max(row.benchmark_similarity for row in rows()) < 0.6
    repeated = len(recorded_questions) - len({text_hash(question) for question in recorded_questions})
    assert report.counts == {"accepted": 100 - repeated} | ({"duplicate_exact": repeated} if repeated else {})
