"""Import: rows of files become questions, and, once these are accepted, trials and conversions without a verdict.

A file is read twice or thrice instead of being kept: questions first, their pairs when screening accepted them, its
conversions when their instruct question is verified. Each reading goes on where it was stopped, and finds what it
stored before. Verdicts on what is stored are `tasks.import_verdicts`; from then on a row goes the way of every other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Connection, Engine, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from tasks.imports import BadRow, ImportedRow, Pair, Source
from tasks.label import STYLE_LETTERS
from tasks.licences import readable
from tasks.retries import INFRASTRUCTURE_RETRIES
from tasks.run import Run, current_run
from tasks.screening import text_hash
from tasks.store import copy_rows
from tasks.store.schema import IMPORTED, Import, ImportRow, Question, Seed, Trial, Triplet, id_of_question

STAGE = "import"
MOST_TRIALS = 10  # of a question: what the layout of KodCode-V1 holds
_CHUNK = 500  # rows a transaction


@task(name="import questions", cache_policy=NO_CACHE, **INFRASTRUCTURE_RETRIES)
async def import_questions(source: Source) -> None:
    """Store the questions of a file, from the row on that was stored last. Raises ImportFileError."""
    await asyncio.to_thread(_import_questions, current_run(), source)


@task(name="import trials", cache_policy=NO_CACHE, **INFRASTRUCTURE_RETRIES)
async def import_trials(source: Source) -> None:
    """Store the pairs of the file's accepted questions, to be judged. Raises ImportFileError."""
    await asyncio.to_thread(_again, current_run(), source, _plan_trials)


@task(name="import conversions", cache_policy=NO_CACHE, **INFRASTRUCTURE_RETRIES)
async def import_conversions(source: Source) -> None:
    """Store the conversions in the file whose instruct question is verified. Raises ImportFileError."""
    await asyncio.to_thread(_again, current_run(), source, _plan_conversions)


def subsets_of(engine: Engine, sources: Sequence[Source]) -> list[str]:
    """The subsets that hold questions of these files."""
    with engine.connect() as connection:
        return list(
            connection.scalars(
                select(Question.subset)
                .join(ImportRow, ImportRow.question_id == Question.question_id)
                .where(ImportRow.import_id.in_([source.source_id for source in sources]))
                .distinct()
                .order_by(Question.subset)
            )
        )


def state_licences(engine: Engine, sources: Sequence[Source]) -> list[str]:
    """Give files that were imported before the licence that is stated now; what the others had is kept. Returns a
    sentence for each that had another."""
    said = []
    with engine.begin() as connection:
        for source in sources:
            before = connection.execute(
                select(Import.licence).where(Import.import_id == source.source_id).with_for_update()
            ).one_or_none()
            if before is None or source.licence in (None, before.licence):
                continue
            of_file = {"licence": source.licence}
            connection.execute(update(Import).where(Import.import_id == source.source_id).values(of_file))
            connection.execute(update(Seed).where(Seed.seed_id == _seed(source)["seed_id"]).values(of_file))
            was = readable(before.licence)
            said.append(f"The licence of {source.path} was {was} and is {readable(source.licence)} now.")
    return said


def unfinished(engine: Engine, sources: Sequence[Source]) -> list[Source]:
    """Those of the files that are not imported to the end."""
    with engine.connect() as connection:
        done = set(
            connection.scalars(
                select(Import.import_id).where(
                    Import.import_id.in_([source.source_id for source in sources]), Import.status == "completed"
                )
            )
        )
    return [source for source in sources if source.source_id not in done]


def complete(engine: Engine, sources: Sequence[Source]) -> None:
    """Note which of the files have no row left that waits for a verdict: they need not be read again."""
    open_rows = (
        select(ImportRow.row)
        .outerjoin(Trial, Trial.question_id == ImportRow.question_id)
        .outerjoin(Triplet, Triplet.question_id == ImportRow.question_id)
        .where(
            ImportRow.import_id == Import.import_id,
            ((Trial.provider == IMPORTED) & Trial.status.in_(("pending", "failed")))
            | ((Triplet.provider == IMPORTED) & Triplet.status.in_(("pending", "failed"))),
        )
        .exists()
    )
    with engine.begin() as connection:
        connection.execute(
            update(Import)
            .where(Import.import_id.in_([source.source_id for source in sources]), Import.status == "read", ~open_rows)
            .values(status="completed", updated_at=func.now())
        )


def _import_questions(run: Run, source: Source) -> None:
    with run.engine.begin() as connection:
        connection.execute(
            insert(Import)
            .values(
                import_id=source.source_id, path=str(source.path), name=source.name, layout=source.layout,
                licence=source.licence, run_id=run.run_id,
            )
            .on_conflict_do_nothing()
        )  # fmt: skip
        connection.execute(insert(Seed).values(**_seed(source)).on_conflict_do_nothing())
        status, after = connection.execute(
            select(Import.status, func.coalesce(func.max(ImportRow.row), 0))
            .outerjoin(ImportRow, ImportRow.import_id == Import.import_id)
            .where(Import.import_id == source.source_id)
            .group_by(Import.status)
        ).one()
    if status != "reading":
        return
    for rows in _chunks(source.rows(after)):
        run.progress.begin(STAGE, len(rows))
        with run.engine.begin() as connection:
            _store_questions(connection, run.run_id, source, rows)
        run.progress.advance(STAGE, len(rows))
    with run.engine.begin() as connection:
        connection.execute(
            update(Import).where(Import.import_id == source.source_id).values(status="read", updated_at=func.now())
        )


def _seed(source: Source) -> dict[str, Any]:
    """What the questions of a file were made from: the file. It belongs to no subset, so that no prompt draws it."""
    return {
        "seed_id": f"{IMPORTED}-{source.source_id[:16]}", "subset": IMPORTED, "content_hash": source.source_id,
        "text": source.name, "source": f"import of {source.name}", "revision": None, "licence": source.licence,
    }  # fmt: skip


def _again(run: Run, source: Source, store: Callable[[Connection, str, Source, list[ImportedRow]], None]) -> None:
    """Read the file once more, for what its rows hold beside their question."""
    for rows in _chunks(source.rows()):
        good = [row for row in rows if isinstance(row, ImportedRow)]
        with run.engine.begin() as connection:
            _lock(connection, good)
            store(connection, run.run_id, source, good)


def _chunks(rows: Iterable[ImportedRow | BadRow]) -> Iterator[list[ImportedRow | BadRow]]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def _lock(connection: Connection, rows: Sequence[ImportedRow]) -> None:
    """Let nobody else plan in the subsets of these rows until the transaction ends; in one order everywhere."""
    for subset in sorted({row.subset for row in rows}):
        connection.execute(text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": f"plan {subset}"})


def _store_questions(
    connection: Connection, run_id: str, source: Source, rows: Sequence[ImportedRow | BadRow]
) -> None:
    good = [row for row in rows if isinstance(row, ImportedRow)]
    _lock(connection, good)
    places = _Places(connection, good)
    questions: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for row in rows:
        entry = {
            "import_id": source.source_id, "row": row.row, "status": "bad", "reason": None, "detail": None,
            "question_id": None, "style": None, "claim": None,
        }  # fmt: skip
        entries.append(entry)
        if isinstance(row, BadRow):
            entry |= {"reason": row.reason, "detail": row.detail}
            continue
        found = places.find(row)
        number = None
        if found is None:
            number = places.make(row)
            found = id_of_question(row.subset, number), IMPORTED
            questions.append({
                "question_id": found[0], "subset": row.subset, "number": number, "provider": IMPORTED,
                "model": source.name, "prompt_index": number, "seed_ids": [_seed(source)["seed_id"]],
                "text": row.question,
                "text_hash": text_hash(row.question), "status": "pending", "run_id": run_id,
            })  # fmt: skip
        entry |= {"status": "stored", "question_id": found[0], "style": row.style, "claim": dict(row.claim) or None}
        if found[1] != IMPORTED:
            entry |= {
                "status": "skipped",
                "reason": "proposed_here",
                "detail": f"{found[0]} is the same question, and the pipeline proposed it",
            }
        places.note(row, found)
    copy_rows(connection, Question, questions)
    copy_rows(connection, ImportRow, entries)
    connection.execute(
        _ALSO_FROM,
        {
            "seed_id": _seed(source)["seed_id"],
            "ids": [entry["question_id"] for entry in entries if entry["status"] == "stored"],
        },
    )


# What a further file says of a question becomes trials and conversions of it, which have this file's licence too.
_ALSO_FROM = text("""
update kodcode.questions set seed_ids = seed_ids || cast(:seed_id as text), updated_at = now()
where question_id = any(:ids) and :seed_id <> all(seed_ids)
""")


class _Places:
    """Which questions are there already, by their text, and which numbers are free."""

    def __init__(self, connection: Connection, rows: Sequence[ImportedRow]) -> None:
        subsets = sorted({row.subset for row in rows})
        known = connection.execute(
            select(Question.question_id, Question.subset, Question.text, Question.provider)
            .where(Question.subset.in_(subsets), Question.text_hash.in_({text_hash(row.question) for row in rows}))
            .order_by((Question.status == "accepted"), Question.number.desc())
        )
        # The accepted one comes last, and of several the one with the lowest number: what comes last counts.
        self._by_text = {(row.subset, row.text): (row.question_id, row.provider) for row in known}
        wanted = [(row.subset, row.number) for row in rows if row.number is not None]
        self._taken = {
            tuple(row)
            for row in connection.execute(
                select(Question.subset, Question.number).where(tuple_(Question.subset, Question.number).in_(wanted))
            )
        }
        highest = connection.execute(
            select(Question.subset, func.max(Question.number))
            .where(Question.subset.in_(subsets))
            .group_by(Question.subset)
        )
        self._next = {subset: number + 1 for subset, number in highest}

    def find(self, row: ImportedRow) -> tuple[str, str] | None:
        """Id and provider of the question with this very text."""
        return self._by_text.get((row.subset, row.question))

    def make(self, row: ImportedRow) -> int:
        """The number that a new question gets: its own, where that is free."""
        number = row.number
        if number is None or (row.subset, number) in self._taken:
            number = self._next.get(row.subset, 0)
        self._taken.add((row.subset, number))
        self._next[row.subset] = max(self._next.get(row.subset, 0), number + 1)
        return number

    def note(self, row: ImportedRow, found: tuple[str, str]) -> None:
        """Further rows with this text are rows of this question."""
        self._by_text[row.subset, row.question] = found


def _plan_trials(connection: Connection, run_id: str, source: Source, rows: list[ImportedRow]) -> None:
    ids = _stored(connection, source, rows)
    trials: dict[str, dict[int, tuple[str | None, str | None]]] = {}
    for trial in connection.execute(
        select(Trial.question_id, Trial.attempt, Trial.solution, Trial.test).where(Trial.question_id.in_(ids.values()))
    ):
        trials.setdefault(trial.question_id, {})[trial.attempt] = (trial.solution, trial.test)
    planned: list[dict[str, Any]] = []
    for row in rows:
        if row.row not in ids:
            continue
        there = trials.setdefault(ids[row.row], {})
        left_over = 0
        for pair in row.pairs:
            attempt = _place_of(pair, there)
            if attempt is None:
                continue
            if attempt >= MOST_TRIALS:
                left_over += 1
                continue
            there[attempt] = (pair.solution, pair.test)
            readable = pair.solution is not None
            planned.append({
                "question_id": ids[row.row], "attempt": attempt, "provider": IMPORTED,
                "model": pair.model or source.name, "solution": pair.solution, "test": pair.test,
                "status": "pending" if readable else "rejected", "reason": None if readable else "unparsed",
                "message": None if readable else "the source has no code of this attempt", "run_id": run_id,
            })  # fmt: skip
        if left_over:
            connection.execute(
                update(ImportRow)
                .where(ImportRow.import_id == source.source_id, ImportRow.row == row.row)
                .values(
                    reason="too_many_trials",
                    detail=f"{left_over} pairs were left out: a question has {MOST_TRIALS} trials at most",
                )
            )
    copy_rows(connection, Trial, planned)


def _place_of(pair: Pair, there: Mapping[int, tuple[str | None, str | None]]) -> int | None:
    """The attempt that a pair becomes: its own number where that is free, else the next; None: it is there already.

    A source that numbers its attempts may have made the same pair twice, which counts; without numbers the same pair
    is the same attempt.
    """
    content = (pair.solution, pair.test)
    if pair.attempt is not None:
        if pair.attempt not in there:
            return pair.attempt
        if pair.solution is None or there[pair.attempt] == content:
            return None
    return None if content in there.values() else max(there, default=-1) + 1


def _plan_conversions(connection: Connection, run_id: str, source: Source, rows: list[ImportedRow]) -> None:
    converted = [row for row in rows if row.converted is not None]
    ids = _stored(connection, source, converted)
    instruct = {
        row.question_id: row.triplet_id
        for row in connection.execute(
            select(Triplet.question_id, Triplet.triplet_id).where(
                Triplet.question_id.in_(ids.values()), Triplet.style == "instruct", Triplet.status == "accepted"
            )
        )
    }
    planned = []
    for row in converted:
        question_id = ids.get(row.row)
        if row.converted is None or question_id not in instruct:
            continue
        question, solution, test = row.converted
        planned.append({
            "triplet_id": f"{question_id}_{STYLE_LETTERS[row.style]}", "question_id": question_id,
            "subset": row.subset, "style": row.style, "source_triplet_id": instruct[question_id],
            "question": question, "solution": solution, "test": test, "provider": IMPORTED, "model": source.name,
            "run_id": run_id,
        })  # fmt: skip
    copy_rows(connection, Triplet, planned)


def _stored(connection: Connection, source: Source, rows: Sequence[ImportedRow]) -> dict[int, str]:
    """The accepted question of each of these rows that has one."""
    return {
        entry.row: entry.question_id
        for entry in connection.execute(
            select(ImportRow.row, Question.question_id)
            .join(Question, Question.question_id == ImportRow.question_id)
            .where(
                ImportRow.import_id == source.source_id,
                ImportRow.row.in_([row.row for row in rows]),
                ImportRow.status == "stored",
                Question.status == "accepted",
            )
        )
    }
