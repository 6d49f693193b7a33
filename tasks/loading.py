"""Reads triplets with their history out of the database, as the batches that the formats are made from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, func, text

from tasks.formats import AuthorRecord, FormatError, ResponseRecord
from tasks.formats.batch import TRIALS, TRIPLETS, Batch, trial_places
from tasks.formats.format import Shown
from tasks.licences import Author, Origin, TermsTable, readable, resulting_licence
from tasks.llm import stored_answers
from tasks.selection import Model, readable_responses
from tasks.store import ArtifactStore
from tasks.store.columns import Kind, read_columns
from tasks.store.schema import Response

# Triplets in memory at once: what has to be done once for all of them is little of what 1,000 rows cost. Reasoning
# answers are many times as long as the rest.
_BATCH = 1_000
_ANSWERED = 500
_FEW = 50  # lists that Python reads before polars, which is ten times as fast, has begun
MEASURES = ("trust", "kill_rate", "pass_at_1", "pass_at_3", "pass_at_10")


@dataclass(frozen=True, slots=True)
class Lens:
    """How rows are read: which responses count and are shown, and what the terms of their authors are."""

    terms: TermsTable
    max_response_tokens: int | None = None
    minded: frozenset[Model] = frozenset()  # models whose responses are left out
    shows: tuple[Shown, ...] = ()  # of the formats that show answers; where there is none, no response is read
    benchmark_texts: bool = True  # whether rows show the text of the nearest problem, which has a licence of its own


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Where a row comes from, and what follows: shared by all rows that have the same, which are most."""

    origin: Origin  # of one row
    prompts: frozenset[tuple[str, str]]  # stage, version
    licence: str
    authors: tuple[AuthorRecord, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """Triplets to release with the reasoning answers that were judged, and how many of them come from where."""

    batch: Batch
    backgrounds: Mapping[Background, int]
    measures: pa.RecordBatch  # MEASURES of each triplet's question
    tests: pa.Array  # of each trial: how many tests the chosen one was judged by, null for others


# What a row is made from, in the columns of TRIPLETS or as JSON; `proposed` and `made`: by whom, with which prompt.
# An instruct triplet has the text of its question and the pair of its chosen trial (sql/audit/labels.sql): no text is
# read twice. It is its own `i`, which is looked up for the other styles alone.
_TRIPLETS = """
select t.triplet_id, t.question_id, t.subset, t.style, q.number,
       case when t.style = 'instruct' then q.text else t.question end as question,
       case when t.style <> 'instruct' then t.solution end as solution,
       case when t.style <> 'instruct' then t.test end as test,
       coalesce(t.test_info, '[]')::text as functions, i.difficulty, to_json(i.pass_sequence)::text as pass_sequence,
       i.chosen_attempt, case when t.style <> 'instruct' then q.text end as original_question,
       to_json(q.seed_ids)::text as seed_ids, q.benchmark, q.benchmark_item,
       case when q.benchmark_item is not null then (
           select b.text from kodcode.benchmark_items b
           where b.benchmark = q.benchmark and b.item_id = q.benchmark_item) end as benchmark_text,
       case when q.benchmark_item is not null then q.benchmark_similarity end as benchmark_similarity,
       coalesce(nullif(t.filter_reason, ''), q.caution) as filter_reason,
       coalesce(case when q.seed_ids <> '{}' then (
           select json_agg(distinct coalesce(s.licence, '')) from kodcode.seeds s
           where s.seed_id = any(q.seed_ids)) end, '[]')::text as licences,
       json_build_array(t.subset, q.provider, q.model, q.prompt_version)::text as proposed,
       json_build_array(t.style, t.provider, t.model, t.prompt_version)::text as made,
       i.trust, i.kill_rate, i.pass_at_k[1] as pass_at_1, i.pass_at_k[3] as pass_at_3, i.pass_at_k[10] as pass_at_10
from unnest(string_to_array(%(ids)s, ' ')) with ordinality as wanted(triplet_id, place)
join kodcode.triplets t using (triplet_id)
join kodcode.questions q on q.question_id = t.question_id
cross join lateral (
    select t.difficulty, t.pass_sequence, t.chosen_attempt, t.trust, t.kill_rate, t.pass_at_k
    where t.style = 'instruct'
    union all
    select o.difficulty, o.pass_sequence, o.chosen_attempt, o.trust, o.kill_rate, o.pass_at_k
    from kodcode.triplets o
    where t.style <> 'instruct' and o.question_id = t.question_id and o.style = 'instruct'
) i
order by place
"""
_TRIPLET_KINDS: Mapping[str, Kind] = {
    "triplet_id": "text", "question_id": "text", "subset": "text", "style": "text", "number": "int",
    "question": "text", "solution": "text", "test": "text", "functions": "text", "difficulty": "text",
    "pass_sequence": "text", "chosen_attempt": "int", "original_question": "text", "seed_ids": "text",
    "benchmark": "text", "benchmark_item": "text", "benchmark_text": "text", "benchmark_similarity": "float",
    "filter_reason": "text", "licences": "text", "proposed": "text", "made": "text", "trust": "float",
    "kill_rate": "float", "pass_at_1": "float", "pass_at_3": "float", "pass_at_10": "float",
}  # fmt: skip
# `tests`: how many the chosen trial was judged by, where that is known.
_TRIALS = """
select wanted.place - 1 as question_row, t.attempt, t.verdict, t.solution, t.test, t.coverage,
       case when t.attempt = wanted.chosen_attempt and t.outcomes is not null
            then (select count(*) from jsonb_object_keys(t.outcomes)) end as tests,
       nullif(concat_ws(' ', t.model, t.request_hash), '') as source,
       case when t.solution is not null or t.test is not null
            then json_build_array(t.provider, t.model, t.prompt_version)::text end as writer
from unnest(string_to_array(%(ids)s, ' '), %(chosen)s::int8[])
    with ordinality as wanted(question_id, chosen_attempt, place)
join kodcode.trials t using (question_id)
order by wanted.place, t.attempt
"""
_TRIAL_KINDS: Mapping[str, Kind] = {
    "question_row": "int", "attempt": "int", "verdict": "text", "solution": "text", "test": "text",
    "coverage": "float", "source": "text", "writer": "text", "tests": "int",
}  # fmt: skip


def load(connection: Connection, artifacts: ArtifactStore, ids: Sequence[str], lens: Lens) -> Iterator[Loaded]:
    """These triplets in their order, some of them at a time; those of one question are together."""
    # Rows are gathered in their order, which no plan that gathers them from several processes would keep.
    connection.execute(text("set local max_parallel_workers_per_gather = 0"))
    for batch in _batches(ids, _ANSWERED if lens.shows else _BATCH):
        yield _load(connection, artifacts, batch, lens)


def _batches(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Ids by question and style in parts of this size, or a few more where a question would be in two."""
    begin = 0
    while begin < len(ids):
        end = min(begin + size, len(ids))
        while end < len(ids) and ids[end].rpartition("_")[0] == ids[end - 1].rpartition("_")[0]:
            end += 1
        yield ids[begin:end]
        begin = end


def _load(connection: Connection, artifacts: ArtifactStore, ids: Sequence[str], lens: Lens) -> Loaded:
    found = read_columns(connection, _TRIPLETS, _TRIPLET_KINDS, {"ids": " ".join(ids)})
    questions = found["question_id"].dictionary_encode()
    row_of_question = np.asarray(questions.indices)
    asked = {
        "ids": " ".join(questions.dictionary.to_pylist()),
        "chosen": found["chosen_attempt"].take(first_rows(row_of_question)).to_pylist(),
    }
    trials = read_columns(connection, _TRIALS, _TRIAL_KINDS, asked)
    responses, responders = _answers(connection, artifacts, ids, lens)
    chosen = _chosen(found, trials, row_of_question)
    backgrounds, code = _backgrounds(found, row_of_question, trials, responders, lens.terms)
    columns = {
        **{name: found[name] for name in set(TRIPLETS.names) & _TRIPLET_KINDS.keys()},
        **{name: _lists(found[name], name) for name in ("functions", "pass_sequence", "seed_ids")},
        **{name: pc.coalesce(found[name], trials[name].take(chosen)) for name in ("solution", "test")},
        **_shared(backgrounds, code),
        **({} if lens.benchmark_texts else {"benchmark_text": pa.nulls(len(found), pa.string())}),
        "question_row": pa.array(row_of_question, pa.int64()),
    }
    counted: Counter[Background] = Counter()
    for background, rows in zip(backgrounds, np.bincount(code).tolist(), strict=True):
        counted[background] += rows
    return Loaded(
        Batch(
            pa.RecordBatch.from_arrays([columns[name] for name in TRIPLETS.names], schema=TRIPLETS),
            trials.select(TRIALS.names),
            responses,
        ),
        counted,
        found.select(MEASURES),
        trials["tests"],
    )


def first_rows(row_of_question: np.ndarray) -> np.ndarray:
    """Where each question's triplets begin; `row_of_question` counts from 0 without a gap."""
    return np.flatnonzero(np.diff(row_of_question, prepend=-1))


def _chosen(found: pa.RecordBatch, trials: pa.RecordBatch, row_of_question: np.ndarray) -> pa.Array:
    """Where the chosen trial of each instruct triplet is among the trials; null for other styles.

    Raises FormatError where it is not there: the triplet would be released without its pair, or with another's."""
    attempts = np.asarray(found["chosen_attempt"].fill_null(-1))
    width = 2 + max(attempts.max(initial=0), np.asarray(trials["attempt"]).max(initial=0))
    # The last attempt of all is nobody's, and the place of those that have not chosen any.
    places = trial_places(trials, 1 + row_of_question.max(initial=0), width)[row_of_question, attempts]
    instruct = np.asarray(pc.equal(found["style"], "instruct"))
    lacking = np.flatnonzero(instruct & (places < 0))
    if len(lacking):
        raise FormatError(f"{found['triplet_id'][int(lacking[0])]} has no chosen trial. `kodcode audit` tells more.")
    return pa.array(places, mask=~instruct)


def _lists(column: pa.Array, name: str) -> pa.Array:
    """A column of JSON arrays as the lists that TRIPLETS has. Many are those of other rows, and each is read once."""
    kind = TRIPLETS.field(name).type
    found = column.dictionary_encode()
    if len(found.dictionary) <= _FEW:
        decoded = pa.array([json.loads(text) for text in found.dictionary.to_pylist()], kind)
    else:
        texts = pl.Series(pl.from_arrow(found.dictionary))
        decoded = texts.str.json_decode(pl.Series(pl.from_arrow(pa.nulls(0, kind))).dtype).to_arrow().cast(kind)
    return decoded.take(found.indices)


def _answers(
    connection: Connection, artifacts: ArtifactStore, ids: Sequence[str], lens: Lens
) -> tuple[Sequence[Sequence[ResponseRecord]], Sequence[Set[Model]]]:
    """The responses to each triplet, several reasoners' after each other, and the models whose are shown."""
    if not lens.shows:  # no list for each of the rows either, of which there are many
        return [()] * len(ids), [frozenset()] * len(ids)
    place = {triplet_id: place for place, triplet_id in enumerate(ids)}
    answered: list[list[Any]] = [[] for _ in ids]
    for row in connection.execute(
        readable_responses(lens.max_response_tokens, lens.minded)
        .where(Response.triplet_id == func.any(func.string_to_array(" ".join(ids), " ")))
        .where(Response.request_hash.is_not(None))
        .order_by(Response.provider, Response.model, Response.attempt)
    ):
        answered[place[row.triplet_id]].append(row)
    answers = stored_answers(connection, artifacts, [row.request_hash for rows in answered for row in rows])
    responses = [
        [
            ResponseRecord(
                place,
                row.status == "accepted",
                answers[row.request_hash].text,
                answers[row.request_hash].reasoning,
                row.code,
                row.verdict,
            )
            for place, row in enumerate(rows)
        ]
        for rows in answered
    ]
    shown = [
        {(rows[one.attempt].provider, rows[one.attempt].model) for show in lens.shows for one in show(records)}
        for rows, records in zip(answered, responses, strict=True)
    ]
    return responses, shown


def _backgrounds(
    found: pa.RecordBatch,
    row_of_question: np.ndarray,
    trials: pa.RecordBatch,
    wrote_shown: Sequence[Set[Model]],
    terms: TermsTable,
) -> tuple[list[Background], np.ndarray]:
    """The backgrounds of the triplets, each once, and the place of each triplet's among them."""
    single = [found[name].dictionary_encode() for name in ("licences", "proposed", "made")]
    writers = trials["writer"].dictionary_encode()
    wrote = np.zeros((len(found), len(writers.dictionary)), bool)
    named = np.flatnonzero(writers.is_valid())
    wrote[np.asarray(trials["question_row"])[named], np.asarray(writers.indices.fill_null(-1))[named]] = True
    responders = sorted(frozenset[Model]().union(*wrote_shown))
    responded = np.zeros((len(found), len(responders)), bool)
    for place, models in enumerate(wrote_shown):
        for model in models:
            responded[place, responders.index(model)] = True
    facts = np.column_stack([*(np.asarray(column.indices) for column in single), wrote[row_of_question], responded])
    _, first, code = np.unique(facts, axis=0, return_index=True, return_inverse=True)
    solvers = [tuple(json.loads(writer)) for writer in writers.dictionary.to_pylist()]
    told = []
    for row in first:
        licences, proposed, made = (tuple(json.loads(column[int(row)].as_py())) for column in single)
        solved = frozenset(solvers[place] for place in np.flatnonzero(wrote[row_of_question[row]]))
        asked = frozenset(responders[place] for place in np.flatnonzero(responded[row]))
        told.append(_background(tuple(sorted(licences)), proposed, made, solved, asked, terms))
    return told, code.ravel()


def _shared(backgrounds: Sequence[Background], code: np.ndarray) -> dict[str, pa.Array]:
    """The columns whose values follow from the backgrounds."""
    values = {
        "seed_licences": [[readable(licence) for licence in one.origin.seed_licences] for one in backgrounds],
        "authors": [[asdict(author) for author in one.authors] for one in backgrounds],
        "licence": [one.licence for one in backgrounds],
    }
    return {name: pa.array(told, TRIPLETS.field(name).type).take(pa.array(code)) for name, told in values.items()}


@lru_cache(maxsize=4096)
def _background(
    licences: tuple[str, ...],
    proposed: tuple[str, str, str, str | None],
    made: tuple[str, str | None, str | None, str | None],
    solved: frozenset[tuple[str | None, str | None, str | None]],
    answered: frozenset[tuple[str, str]],
    terms: TermsTable,
) -> Background:
    """From the licences of the seeds, "" for none; subset, provider, model and prompt of the question; style and the
    same of the conversion; of the trials that have a text; and of the responses."""
    subset, provider, model, version = proposed
    authors = {Author("question", provider, model)}
    prompts = {(f"propose {subset}", version), (made[0], made[3])}
    if made[0] != "instruct":
        authors.add(Author("conversion", made[1] or "", made[2] or ""))
    for solver, name, prompt in solved:
        authors.add(Author("solution", solver or "", name or ""))
        prompts.add(("solve", prompt))
    authors.update(Author("response", *responder) for responder in answered)
    origin = Origin(1, tuple(licence or None for licence in licences), tuple(sorted(authors)))
    found = [(author, terms.of(author.provider, author.model)) for author in origin.authors]
    return Background(
        origin,
        frozenset((stage, used) for stage, used in prompts if used is not None),
        resulting_licence([origin], terms).licence,
        tuple(
            AuthorRecord(author.part, author.provider, author.model, their.licence, their.training)
            for author, their in found
        ),
    )
