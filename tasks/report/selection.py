"""What a report is about: the whole history, what one run worked on, or what is in one release.

The views of sql/views count whole tables, and sums of them that are kept (the rollup). For a selection the same
definitions are laid over temporary views of the tables that hold the selected rows only, and over sums of these as the
views counted_* make them: no number has a second definition. A rollback takes all of it away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from tasks.report.errors import NothingToReport, UnknownSelection
from tasks.store.schema import SCHEMA

VIEWS = (
    "v_funnel", "v_pass_at_k", "v_difficulty", "v_cost", "v_trust", "v_failures", "v_contamination", "v_throughput",
    "v_trials", "v_responses",
)  # fmt: skip
# A selected table -> the condition on its rows; chosen_questions, chosen_triplets and chosen_calls hold what is.
_TABLES = {
    "questions": "question_id in (select question_id from pg_temp.chosen_questions)",
    "trials": "question_id in (select question_id from pg_temp.chosen_questions)",
    "triplets": "triplet_id in (select triplet_id from pg_temp.chosen_triplets)",
    "responses": "triplet_id in (select triplet_id from pg_temp.chosen_triplets)",
    "contaminations": "question_id in (select question_id from pg_temp.chosen_questions)",
    "llm_calls": "request_hash in (select request_hash from pg_temp.chosen_calls)",
}
# What the views read summed is counted from the selected rows.
_SUMMED = {"rollup_calls": "counted_calls", "rollup_rows": "counted_rows", "rollup_hours": "counted_hours"}
_TABLE_NAME = re.compile(rf"\b{SCHEMA}\.(?=(?:{'|'.join((*_TABLES, *_SUMMED))})\b)")

_CHOSEN = (
    "create temp table chosen_questions (question_id text primary key) on commit drop",
    "create temp table chosen_triplets (triplet_id text primary key) on commit drop",
    "create temp table chosen_calls (request_hash text primary key) on commit drop",
)
_OF_RUN = (
    "insert into chosen_questions select question_id from kodcode.questions where run_id = :run_id"
    " union select question_id from kodcode.trials where run_id = :run_id"
    " union select question_id from kodcode.triplets where run_id = :run_id"
    " union select t.question_id from kodcode.responses r join kodcode.triplets t using (triplet_id)"
    " where r.run_id = :run_id",
    "insert into chosen_triplets select triplet_id from kodcode.triplets join chosen_questions using (question_id)",
    "insert into chosen_calls select request_hash from kodcode.llm_calls where run_id = :run_id",
)
_OF_RELEASE = (
    "insert into chosen_triplets select distinct triplet_id from kodcode.release_items where release_id = :release_id",
    "insert into chosen_questions"
    " select distinct question_id from kodcode.triplets join chosen_triplets using (triplet_id)",
    "insert into chosen_calls select request_hash from ("
    " select request_hash from kodcode.questions join chosen_questions using (question_id)"
    " union select annotation_hash from kodcode.questions join chosen_questions using (question_id)"
    " union select request_hash from kodcode.trials join chosen_questions using (question_id)"
    " union select request_hash from kodcode.responses join chosen_triplets using (triplet_id)"
    " union select tried ->> 'request_hash' from kodcode.triplets join chosen_triplets using (triplet_id),"
    " jsonb_array_elements(tries) tried) asked where request_hash is not null",
)


@dataclass(frozen=True, slots=True)
class Selection:
    """At most one of both; neither is the whole history."""

    run_id: str | None = None
    release_id: int | None = None

    @property
    def title(self) -> str:
        if self.run_id is not None:
            return f"Run {self.run_id}"
        return "All that was made" if self.release_id is None else f"Release {self.release_id}"

    @property
    def meaning(self) -> str:
        """What the numbers are about, in a sentence."""
        if self.run_id is not None:
            return "The questions that this run worked on, with all that is known of them, and what this run paid."
        if self.release_id is not None:
            return "What this release holds, and the trials and answers behind it; what was rejected is not in it."
        return "Every question of this database, and everything that was made from it."


@contextmanager
def selected(engine: Engine, selection: Selection) -> Iterator[Connection]:
    """A connection on one snapshot, on which tables and views without a schema name hold the selection only.

    Nothing can be written on it, nor stays. Raises UnknownSelection, and NothingToReport where it holds no question.
    """
    with engine.connect() as connection:
        connection.execute(text("set transaction isolation level repeatable read"))
        for name, value in (("jit", "off"), ("work_mem", "64MB"), ("timezone", "UTC")):
            connection.execute(text(f"set local {name} = '{value}'"))
        if selection.run_id is not None:
            _known(connection, f"run {selection.run_id!r}", "runs", "run_id", selection.run_id)
            _narrow(connection, _OF_RUN, {"run_id": selection.run_id})
        elif selection.release_id is not None:
            _known(connection, f"release {selection.release_id}", "releases", "release_id", selection.release_id)
            _narrow(connection, _OF_RELEASE, {"release_id": selection.release_id})
        connection.execute(text(f"set local search_path = pg_temp, {SCHEMA}, public"))
        connection.execute(text("set transaction read only"))
        if not connection.scalar(text("select exists (select from questions)")):
            what = "The database holds no questions" if selection == Selection() else f"{selection.title} has no rows"
            raise NothingToReport(f"{what}: there is nothing to show yet. `kodcode demo` or `kodcode run` makes some.")
        yield connection


def _known(connection: Connection, what: str, table: str, column: str, value: str | int) -> None:
    found = text(f"select exists (select from kodcode.{table} where {column}::text = :value)")  # noqa: S608
    if not connection.scalar(found, {"value": str(value)}):
        raise UnknownSelection(f"There is no {what}. `kodcode sql 'table {table}'` shows those that there are.")


def _narrow(connection: Connection, statements: tuple[str, ...], values: dict[str, str | int]) -> None:
    for statement in (*_CHOSEN, *statements):
        connection.execute(text(statement), {name: value for name, value in values.items() if f":{name}" in statement})
    connection.execute(text("analyze pg_temp.chosen_questions, pg_temp.chosen_triplets, pg_temp.chosen_calls"))
    for table, condition in _TABLES.items():
        connection.execute(text(f"create temp view {table} as select * from kodcode.{table} where {condition}"))  # noqa: S608
    connection.execute(text("set local search_path = pg_catalog"))  # so that definitions name the schema
    for name, counted in (_SUMMED | {view: view for view in VIEWS}).items():
        definition = connection.scalar(
            text("select pg_get_viewdef(cast(:name as regclass))"), {"name": f"{SCHEMA}.{counted}"}
        )
        narrowed = _TABLE_NAME.sub("pg_temp.", str(definition)).removesuffix(";").replace("%", "%%")
        kind = f"table {name} on commit drop" if name in _SUMMED else f"view {name}"  # sums are read often: count once
        connection.exec_driver_sql(f"create temp {kind} as {narrowed}")  # a colon in it is no parameter
