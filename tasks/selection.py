"""Which triplets a release holds, cut into pieces."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Select,
    cast,
    false,
    func,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.orm import aliased

from tasks.filters import TRUST_BOUNDS, ReleaseFilters
from tasks.licences import TermsTable, model_problem, seed_problem
from tasks.pieces import Piece, contents, snapshot_of
from tasks.store.schema import ENDED, LlmCall, Question, Response, Trial, Triplet

Model = tuple[str, str]  # provider, name
_FEW = 50  # places; more than these are found by reading an index as a whole


class EmptySelection(Exception):
    """Nothing meets what was asked for; the message says what that was. No release is made."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a release holds, in order. `minded` are models whose responses the licence policy leaves out."""

    pieces: tuple[Piece, ...]
    left_out: Mapping[str, int]  # reason -> triplets; one may have several
    minded: frozenset[Model]


def choose(
    engine: Engine,
    connection: Connection,
    subsets: Sequence[str],
    canned: bool,
    filters: ReleaseFilters,
    terms: TermsTable,
    known: Callable[[], Iterable[Piece]] = lambda: (),
) -> Selection:
    """Select what passes `filters` in a transaction that is to be repeatable read; `pick` finds it there. Fingerprints
    are taken beside, in its snapshot. Raises EmptySelection.

    `known` are pieces that were chosen with these filters before, each by what is in its questions alone
    (`ReleaseFilters.by_question`): where that is as it was, nothing is chosen again, and there is nothing to pick."""
    with ThreadPoolExecutor(1) as beside:
        found = beside.submit(contents, engine, snapshot_of(connection))
        before = {piece.place: piece for piece in known()}
        same = {place: piece for place, piece in before.items() if found.result().get(place) == piece.content}
        return _choose(connection, subsets, canned, filters, terms, found.result, same)


def _choose(
    connection: Connection,
    subsets: Sequence[str],
    canned: bool,
    filters: ReleaseFilters,
    terms: TermsTable,
    found: Callable[[], Mapping[str, str]],
    same: Mapping[str, Piece],
) -> Selection:
    connection.execute(text("set local work_mem = '64MB'"))  # joins of all rows, in memory up to some 100,000
    minded = _minded_models(connection, terms) if filters.licence_policy == "permissive" else {}
    candidates = select(
        Triplet.triplet_id, Triplet.question_id, Triplet.subset, func.left(Triplet.question_id, -3).label("place")
    ).where(releasable(subsets, canned, filters))
    if filters.answered:
        candidates = candidates.where(
            readable_responses(filters.max_response_tokens, minded)
            .where(Response.triplet_id == Triplet.triplet_id, Response.status == "accepted")
            .correlate(Triplet)
            .exists()
        )
    if same:
        candidates = candidates.where(_within(found().keys() - same.keys()))
    query = candidates.compile(connection, compile_kwargs={"render_postcompile": True})
    # Rows that are inserted into a table that is there already take two to four times as long.
    connection.exec_driver_sql(f"create temporary table chosen_triplets on commit drop as {query}", query.params)
    left_out = _leave_out(connection, minded, terms) if filters.licence_policy == "permissive" else {}
    _thin_out(connection, filters)
    pieces = sorted([*same.values(), *_pieces(connection, found)], key=lambda one: (one.subset, one.first_number))
    if not pieces:
        asked = {"subsets": list(subsets), "canned": canned, **filters.asked()} if canned else filters.asked()
        said = ", ".join(f"{name} = {value}" for name, value in asked.items())
        why = f" The licence policy left out {max(left_out.values())} or more rows." if left_out else ""
        raise EmptySelection(
            f"There is nothing to release: no verified row of {', '.join(subsets)} "
            f"{f'meets {said}' if said else 'is there yet'}.{why} No release was made."
        )
    return Selection(tuple(pieces), left_out, frozenset(minded))


def _within(places: Collection[str]) -> ColumnElement[bool]:
    """Triplets of these places' questions, which are read by their index where they are few."""
    if len(places) > _FEW:
        return func.left(Triplet.question_id, -3).in_(places)
    return or_(false(), *(Triplet.question_id.between(f"{place}000", f"{place}999") for place in sorted(places)))


_PICKED = """
create temporary table picked_triplets on commit drop as
select c.* from chosen_triplets c join unnest(cast(:places as text[])) as wanted(place) using (place)
"""
_IDS = """
select place, string_agg(triplet_id, ' ' order by triplet_id collate "C") as ids from picked_triplets group by 1
"""


def pick(connection: Connection, pieces: Collection[Piece]) -> dict[Piece, list[str]]:
    """The triplets of these pieces, by number and style, which the transaction of `choose` has in the temporary table
    picked_triplets from then on."""
    connection.execute(text(_PICKED), {"places": [piece.place for piece in pieces]})
    # A few rows or all of them: the plans of who joins them differ, and without this none would know.
    connection.execute(text("analyze picked_triplets"))
    ids = {row.place: row.ids for row in connection.execute(text(_IDS))}
    return {piece: ids[piece.place].split(" ") for piece in pieces}


def releasable(subsets: Sequence[str], canned: bool, filters: ReleaseFilters) -> ColumnElement[bool]:
    """Accepted triplets of these subsets that pass what `filters` say of single rows, licences and answers apart; the
    canned teacher's are never mixed with real ones."""
    by_canned = (
        select(Question.question_id)
        .where(Question.question_id == Triplet.question_id, Question.provider == "offline")
        .correlate(Triplet)
        .exists()
    )
    found = (Triplet.status == "accepted") & Triplet.subset.in_(subsets) & (by_canned if canned else ~by_canned)
    if not filters.classes:
        found &= ~_tests_a_class()
    if filters.styles:
        found &= Triplet.style.in_(filters.styles)
    if filters.difficulties:
        instruct = aliased(Triplet)
        rated = instruct.difficulty.in_(filters.difficulties)
        found &= Triplet.question_id.in_(select(instruct.question_id).where(instruct.style == "instruct", rated))
    if filters.since is not None:
        found &= Triplet.created_at >= datetime.combine(filters.since, time(), UTC)
    if filters.until is not None:
        found &= Triplet.created_at < datetime.combine(filters.until, time(), UTC) + timedelta(days=1)
    bounds = {name: least for name, least in filters.asked().items() if name in TRUST_BOUNDS}
    return found & Triplet.question_id.in_(_trusted(bounds)) if bounds else found


def readable_responses(max_tokens: int | None, minded: Mapping[Model, str] | frozenset[Model]) -> Select[Any]:
    """The judged responses that a release may hold."""
    found = select(Response.__table__).where(Response.status.in_(ENDED))
    if max_tokens is not None:
        found = found.join(LlmCall, LlmCall.request_hash == Response.request_hash).where(
            LlmCall.output_tokens <= max_tokens
        )
    return found.where(tuple_(Response.provider, Response.model).not_in(sorted(minded))) if minded else found


def _tests_a_class() -> ColumnElement[bool]:
    """By the entry points of the instruct triplet: programs of style online_judge have none of their own."""
    instruct = Triplet.__table__.alias("tested")
    is_class = cast('$[*] ? (@.function_declaration starts with "class ")', JSONPATH)
    return (
        select(instruct.c.triplet_id)
        .where(
            instruct.c.question_id == Triplet.question_id,
            instruct.c.style == "instruct",
            func.jsonb_path_exists(instruct.c.test_info, is_class),
        )
        .correlate(Triplet)
        .exists()
    )


def _trusted(bounds: Mapping[str, float | bool]) -> Select[str]:
    """Questions whose chosen trial meets the bounds. A null meets none."""
    source = aliased(Triplet)
    asserted = func.jsonb_each_text(Trial.evidence["assertions"]).table_valued("key", "value")
    values: dict[str, ColumnElement[Any]] = {
        "min_trust": Trial.trust.expression,
        "min_consensus": Trial.consensus.expression,
        "min_kill_rate": Trial.kill_rate.expression,
        "min_coverage": Trial.coverage.expression,
        "min_assertions": select(func.sum(cast(asserted.c.value, Integer))).scalar_subquery(),
        "stub_rejected": Trial.stub_rejected.expression,
        "stable": Trial.stable.expression,
        "apart": Trial.apart.expression,
    }
    return (
        select(Trial.question_id)
        .join(source, (source.question_id == Trial.question_id) & (source.chosen_attempt == Trial.attempt))
        .where(source.style == "instruct", *(_meets(values[name], least) for name, least in bounds.items()))
    )


def _meets(value: ColumnElement[Any], least: float | bool) -> ColumnElement[bool]:
    return value if least is True else value >= least


def _minded_models(connection: Connection, terms: TermsTable) -> dict[Model, str]:
    """Models whose output the permissive policy leaves out, and why."""
    wrote = connection.execute(
        text(
            "select provider, model from kodcode.questions union select provider, model from kodcode.trials"
            " union select provider, model from kodcode.triplets union select provider, model from kodcode.responses"
        )
    )
    found = {(row.provider or "", row.model or "") for row in wrote if row.model is not None}
    problems = {key: model_problem(key[1], terms.of(*key)) for key in sorted(found)}
    return {key: problem for key, problem in problems.items() if problem is not None}


_MINDED = """
create temporary table minded_triplets on commit drop as
with bad_model as (
    select * from unnest(cast(:providers as text[]), cast(:models as text[]), cast(:problems as text[]))
        as b(provider, model, reason)
), bad_licence as (
    select * from unnest(cast(:licences as text[]), cast(:seed_problems as text[])) as b(licence, reason)
), bad_question as (
    select q.question_id, b.reason
    from kodcode.questions q join bad_model b on (q.provider, q.model) = (b.provider, b.model)
    union
    select q.question_id, b.reason
    from kodcode.questions q, unnest(q.seed_ids) as used(seed_id)
    join kodcode.seeds s using (seed_id) join bad_licence b on s.licence is not distinct from b.licence
    union
    select t.question_id, b.reason
    from kodcode.trials t join bad_model b on (t.provider, t.model) = (b.provider, b.model)
    where t.solution is not null or t.test is not null
)
select c.triplet_id, b.reason from chosen_triplets c join bad_question b using (question_id)
union
select c.triplet_id, b.reason from chosen_triplets c join kodcode.triplets t using (triplet_id)
join bad_model b on (t.provider, t.model) = (b.provider, b.model)
"""


def _leave_out(connection: Connection, minded: Mapping[Model, str], terms: TermsTable) -> dict[str, int]:
    """Take what the permissive policy minds out of chosen_triplets: by its seeds, or by a model that wrote any of its
    texts, the trials that KodCode-V1 shows included. Returns the triplets a reason."""
    connection.execute(text("analyze chosen_triplets"))  # it is joined with tables that may be larger or smaller
    licences = connection.scalars(text("select distinct licence from kodcode.seeds")).all()
    problems = {licence: problem for licence in licences if (problem := seed_problem(licence)) is not None}
    connection.execute(
        text(_MINDED),
        {
            "providers": [provider for provider, _ in minded],
            "models": [model for _, model in minded],
            "problems": list(minded.values()),
            "licences": list(problems),
            "seed_problems": list(problems.values()),
        },
    )
    counted = connection.execute(text("select reason, count(*) as rows from minded_triplets group by 1 order by 1"))
    left_out = {row.reason: row.rows for row in counted}
    connection.execute(
        text("delete from chosen_triplets where triplet_id in (select triplet_id from minded_triplets)")
    )
    return left_out


_RANKED = """
delete from chosen_triplets c using (
    select triplet_id, row_number() over (
        partition by subset order by md5(:seed || ':' || triplet_id), triplet_id
    ) as rank from chosen_triplets
) r, unnest(cast(:subsets as text[]), cast(:most as int[])) as quota(subset, most)
where r.triplet_id = c.triplet_id and quota.subset = c.subset and r.rank > quota.most
"""
_SAMPLED = """
delete from chosen_triplets where triplet_id in (
    select triplet_id from chosen_triplets order by md5(:seed || ':' || triplet_id), triplet_id offset :sample
)
"""


def _thin_out(connection: Connection, filters: ReleaseFilters) -> None:
    """Quotas, then the sample: what stays are the rows whose hashes with the seed are smallest."""
    seed = str(filters.seed)
    if filters.quota:
        quota = {"subsets": list(filters.quota), "most": list(filters.quota.values())}
        connection.execute(text(_RANKED), {"seed": seed, **quota})
    if filters.sample is not None:
        connection.execute(text(_SAMPLED), {"seed": seed, "sample": filters.sample})


_PIECES = """
select subset, place, count(*) as rows, bit_xor(hashtextextended(triplet_id, 0)) as ids from chosen_triplets
group by 1, 2
"""


def _pieces(connection: Connection, found: Callable[[], Mapping[str, str]]) -> list[Piece]:
    pieces = connection.execute(text(_PIECES)).all()
    content = found()
    return [Piece(row.subset, row.place, row.rows, row.ids, content[row.place]) for row in pieces]
