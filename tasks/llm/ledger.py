"""The ledger in PostgreSQL: a request is leased before it is asked, its answer committed before anybody may use it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.llm.budget import Budget, Cap, scopes
from tasks.llm.types import Answer, Completion, Request, Usage
from tasks.store import ArtifactStore, StoreError
from tasks.store.schema import LlmCall

# An answer is dear, a short outage of the database common.
_RETRY_DELAYS_S = (0.2, 1.0, 5.0)

# A worker that is frozen in the midst of a transaction, or whose machine is gone, holds its locks no longer. Objects
# are written and read in such transactions, and each is tried for six minutes (5 times 70 s, and pauses).
_IDLE_S = 600.0
_BRIEF_IDLE_S = 30.0  # where there are no objects

_COLUMNS = (
    LlmCall.request_hash,
    LlmCall.answer_key,
    LlmCall.reasoning_key,
    LlmCall.finish_reason,
    LlmCall.input_tokens,
    LlmCall.cached_input_tokens,
    LlmCall.output_tokens,
    LlmCall.reasoning_tokens,
    LlmCall.cost_usd,
)

# A worker's lease holds while the worker lives, a batch's until the batch is closed, whatever became of its maker. A
# batch that cannot be seen (it was committed after this statement began) therefore counts as open.
_LIVE = """case when l.batch_id is null
    then exists (select from kodcode.llm_workers w where w.worker_id = l.worker_id and w.expires_at > now())
    else not exists (select from kodcode.llm_batches b where b.batch_id = l.batch_id
        and b.status not in ('built', 'uploaded', 'submitted')) end"""

# Taken over is what nobody holds any more; a lease of one's own is taken again after a commit whose reply was lost.
_LEASE = f"""
insert into kodcode.llm_leases as l (request_hash, worker_id, run_id, stage, subset, reserved_usd)
select * from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::numeric[])
on conflict (request_hash) do update
set worker_id = excluded.worker_id, run_id = excluded.run_id, stage = excluded.stage, subset = excluded.subset,
    reserved_usd = excluded.reserved_usd, leased_at = now(), batch_id = null
where l.worker_id = excluded.worker_id or not ({_LIVE})
returning request_hash
"""  # noqa: S608 (constants)

_RESERVED = f"""
select run_id, stage, subset, sum(reserved_usd) as usd from kodcode.llm_leases l
where {_LIVE} group by 1, 2, 3
"""  # noqa: S608 (constants)

_STORE = """
insert into kodcode.llm_calls (request_hash, provider, model, stage, subset, attempt, sampling, prompt_key, answer_key,
    reasoning_key, finish_reason, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost_usd,
    latency_s, retries, provider_request_id, run_id)
select * from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[], %s::jsonb[], %s::text[],
    %s::text[], %s::text[], %s::text[], %s::int[], %s::int[], %s::int[], %s::int[], %s::numeric[], %s::float[],
    %s::int[], %s::text[], %s::text[])
on conflict do nothing returning request_hash
"""

# In one order everywhere: two transactions that count in the same scopes wait for each other instead of dying.
_SPEND = """
insert into kodcode.llm_spending as s (scope, spent_usd)
select * from unnest(%s::text[], %s::numeric[]) as t (scope, usd) order by scope
on conflict (scope) do update set spent_usd = s.spent_usd + excluded.spent_usd
"""

Result = TypeVar("Result")
# held: another worker asks it now; waiting: the budget is reserved by calls in flight; over: it is spent.
ClaimKind = Literal["stored", "leased", "held", "waiting", "over"]

log = logging.getLogger(__name__)


class LedgerError(StoreError):
    """The ledger's database does not answer; the message says what it said last."""


@dataclass(frozen=True, slots=True)
class Want:
    """A request that somebody wants the answer of, and the most that it can cost."""

    request: Request
    request_hash: str
    highest_usd: Decimal


@dataclass(frozen=True, slots=True)
class Claim:
    """What became of a want. `cap` says which cap is in the way."""

    kind: ClaimKind
    answer: Answer | None = None
    cap: Cap | None = None


@dataclass(frozen=True, slots=True)
class Paid:
    """A completion on its way into the ledger. `canonical` is the request's canonical form: the prompt key's text."""

    request: Request
    request_hash: str
    canonical: str
    completion: Completion
    cost_usd: Decimal
    latency_s: float


class Ledger:
    """Leases requests, finds and stores answers, many in one transaction. Blocking: call it from a thread."""

    def __init__(
        self, engine: Engine, artifacts: ArtifactStore, worker_id: str, run_id: str | None, budget: Budget
    ) -> None:
        self._engine = engine
        self._artifacts = artifacts
        self._worker_id = worker_id
        self._run_id = run_id
        self._budget = budget

    def claim(self, wants: Sequence[Want]) -> list[Claim]:
        """The stored answer of each, or the right to ask it, which nobody else has then. Raises LedgerError."""
        return transaction(self._engine, lambda connection: self._claim(connection, wants), durable=False)

    def store(self, paid: Sequence[Paid]) -> list[Answer]:
        """Commit these answers, count their cost, free their leases; return what the ledger holds for their requests.

        That is another answer where another process was first: both go on with the same one. Raises LedgerError.
        """
        # Sorted, so that two processes that store the same requests take the rows in one order and cannot deadlock.
        first = {one.request_hash: one for one in reversed(paid)}
        ordered = [first[request_hash] for request_hash in sorted(first)]
        answers = transaction(self._engine, lambda connection: self._store(connection, ordered))
        return [answers[one.request_hash] for one in paid]

    def release(self, hashes: Sequence[str]) -> list[None]:
        """Give up the leases of requests that got no answer. Raises LedgerError."""

        def work(connection: Connection) -> None:
            self._free(connection, hashes)

        transaction(self._engine, work, durable=False)
        return [None] * len(hashes)

    def _claim(self, connection: Connection, wants: Sequence[Want]) -> list[Claim]:
        claims = {
            request_hash: Claim("stored", answer)
            for request_hash, answer in self._stored(connection, [want.request_hash for want in wants]).items()
        }
        missing = [want for want in wants if want.request_hash not in claims]
        if self._budget and missing:
            refused = self._over_budget(connection, missing)
            claims |= refused
            missing = [want for want in missing if want.request_hash not in refused]
        if missing:
            claims |= self._lease(connection, missing)
        return [claims[want.request_hash] for want in wants]

    def _lease(self, connection: Connection, wants: Sequence[Want]) -> dict[str, Claim]:
        ordered = sorted(wants, key=lambda want: want.request_hash)
        count = len(ordered)
        columns = (
            [want.request_hash for want in ordered],
            [self._worker_id] * count,
            [self._run_id] * count,
            [want.request.stage for want in ordered],
            [want.request.subset for want in ordered],
            [want.highest_usd for want in ordered],
        )
        leased = [row[0] for row in connection.exec_driver_sql(_LEASE, columns)]
        claims = {request_hash: Claim("leased") for request_hash in leased}
        # Between the first look and the lease, its former holder may have stored the answer.
        late = self._stored(connection, leased)
        if late:
            self._free(connection, list(late))
            claims |= {request_hash: Claim("stored", answer) for request_hash, answer in late.items()}
        held = [want.request_hash for want in ordered if want.request_hash not in claims]
        if held:
            claims |= {request_hash: Claim("held") for request_hash in held}
        return claims

    def _over_budget(self, connection: Connection, wants: Sequence[Want]) -> dict[str, Claim]:
        """Those of `wants` that a cap is in the way of. The caps' rows stay locked until the rest is leased."""
        caps = {want.request_hash: list(self._budget.of(want.request, self._run_id)) for want in wants}
        names = sorted({cap.scope for found in caps.values() for cap in found})
        if not names:
            return {}
        connection.exec_driver_sql(_SPEND, (names, [Decimal(0)] * len(names)))
        rows = connection.exec_driver_sql(
            "select scope, spent_usd from kodcode.llm_spending where scope = any(%s) order by scope for update",
            (names,),
        )
        spent = {row.scope: row.spent_usd for row in rows}
        reserved = dict.fromkeys(names, Decimal(0))
        for row in connection.exec_driver_sql(_RESERVED):
            for scope in scopes(row.run_id, row.stage, row.subset):
                if scope in reserved:
                    reserved[scope] += row.usd
        refused: dict[str, Claim] = {}
        for want in wants:
            most = want.highest_usd
            mine = caps[want.request_hash]
            over = next((cap for cap in mine if spent[cap.scope] + most > cap.usd), None)
            full = next((cap for cap in mine if spent[cap.scope] + reserved[cap.scope] + most > cap.usd), None)
            if over is not None:
                refused[want.request_hash] = Claim("over", cap=over)
            elif full is not None:
                refused[want.request_hash] = Claim("waiting", cap=full)
            else:
                for cap in mine:
                    reserved[cap.scope] += most
        return refused

    def _store(self, connection: Connection, paid: Sequence[Paid]) -> dict[str, Answer]:
        texts: list[str] = []
        for one in paid:
            texts += [one.canonical, one.completion.text, one.completion.reasoning or ""]
        keys = self._artifacts.put_texts(connection, texts)
        rows = [self._row(one, *keys[3 * position : 3 * position + 3]) for position, one in enumerate(paid)]
        fresh = {row[0] for row in connection.exec_driver_sql(_STORE, tuple(map(list, zip(*rows, strict=True))))}
        spending: dict[str, Decimal] = {}
        for one in paid:
            if one.request_hash in fresh:
                for scope in scopes(self._run_id, one.request.stage, one.request.subset):
                    spending[scope] = spending.get(scope, Decimal(0)) + one.cost_usd
        if spending:
            connection.exec_driver_sql(_SPEND, (list(spending), list(spending.values())))
        connection.exec_driver_sql(
            "delete from kodcode.llm_leases where request_hash = any(%s)", ([one.request_hash for one in paid],)
        )
        answers = {one.request_hash: _answer(one) for one in paid if one.request_hash in fresh}
        rest = [one.request_hash for one in paid if one.request_hash not in fresh]
        return answers | self._stored(connection, rest)

    def _row(self, one: Paid, prompt_key: str, answer_key: str, reasoning_key: str) -> tuple[Any, ...]:
        request, completion = one.request, one.completion
        return (
            one.request_hash,
            request.provider,
            request.model,
            request.stage,
            request.subset,
            request.attempt,
            json.dumps(request.sampling.given()),
            prompt_key,
            answer_key,
            reasoning_key if completion.reasoning else None,
            completion.finish_reason,
            completion.usage.input_tokens,
            completion.usage.cached_input_tokens,
            completion.usage.output_tokens,
            completion.usage.reasoning_tokens,
            one.cost_usd,
            one.latency_s,
            completion.retries,
            completion.provider_request_id,
            self._run_id,
        )

    def _stored(self, connection: Connection, hashes: Sequence[str]) -> dict[str, Answer]:
        return stored_answers(connection, self._artifacts, hashes)

    def _free(self, connection: Connection, hashes: Iterable[str]) -> None:
        connection.exec_driver_sql(
            "delete from kodcode.llm_leases where request_hash = any(%s) and worker_id = %s",
            (list(hashes), self._worker_id),
        )


def transaction(
    engine: Engine, work: Callable[[Connection], Result], *, durable: bool = True, brief: bool = False
) -> Result:
    """`work` in a transaction, tried again where the database fails. Blocking. Raises LedgerError."""
    for delay_s in (*_RETRY_DELAYS_S, None):
        try:
            with engine.begin() as connection:
                begun(connection, durable=durable, brief=brief)
                return work(connection)
        except (DBAPIError, PoolTimeout) as error:
            if not _database_failed(error):
                raise
            # Not the whole error: SQLAlchemy's text repeats the statement and what was to be stored.
            said = str(error.orig if isinstance(error, DBAPIError) else error)
            said = " ".join(said.split())[:300]
            if delay_s is None:
                raise LedgerError(f"The ledger's database does not answer: {said}") from None
            log.warning("The ledger's database failed (%s); trying again in %g s.", said, delay_s)
            time.sleep(delay_s)
    raise AssertionError("unreachable: the last try returns or raises")


def begun(connection: Connection, *, durable: bool = True, brief: bool = False) -> None:
    """To be called first in a transaction that locks what other workers want. `brief`: no objects are used in it."""
    settings = f"set local idle_in_transaction_session_timeout = {1000 * (_BRIEF_IDLE_S if brief else _IDLE_S):.0f}"
    if not durable:
        # What a crash of the server forgets of leases is at most asked twice; answers are waited for.
        settings += "; set local synchronous_commit = off"
    connection.exec_driver_sql(settings)


def _database_failed(error: DBAPIError | PoolTimeout) -> bool:
    """Whether the same again may go well. A session that was idle for too long ends with an InternalError."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return True


def stored_answer(source: Engine | Connection, artifacts: ArtifactStore, request_hash: str) -> Answer | None:
    """The ledger's answer to a request, None where there is none."""
    if isinstance(source, Engine):
        with source.connect() as connection:
            return stored_answer(connection, artifacts, request_hash)
    return stored_answers(source, artifacts, [request_hash]).get(request_hash)


def stored_request(source: Engine | Connection, artifacts: ArtifactStore, request_hash: str) -> dict[str, Any] | None:
    """What was asked (provider, model, messages or prompt, sampling, attempt), None where the ledger has no answer."""
    if isinstance(source, Engine):
        with source.connect() as connection:
            return stored_request(connection, artifacts, request_hash)
    key = source.execute(select(LlmCall.prompt_key).where(LlmCall.request_hash == request_hash)).scalar_one_or_none()
    if key is None:
        return None
    identity: dict[str, Any] = json.loads(artifacts.get_text(source, key))
    return identity


def stored_answers(
    connection: Connection, artifacts: ArtifactStore, hashes: Sequence[str]
) -> dict[str, Answer]:
    """The ledger's answers to those of the requests that it knows."""
    if not hashes:
        return {}
    rows = connection.execute(select(*_COLUMNS).where(LlmCall.request_hash == func.any(list(hashes)))).all()
    keys = {key for row in rows for key in (row.answer_key, row.reasoning_key) if key is not None}
    texts: dict[str, str] = {}
    for key, text in artifacts.get_texts(connection, keys):
        if isinstance(text, Exception):
            raise text
        texts[key] = text
    return {row.request_hash: _from_row(row, texts) for row in rows}


def _from_row(row: Any, texts: Mapping[str, str]) -> Answer:
    return Answer(
        request_hash=row.request_hash,
        text=texts[row.answer_key],
        reasoning=texts[row.reasoning_key] if row.reasoning_key is not None else None,
        finish_reason=row.finish_reason,
        usage=Usage(row.input_tokens, row.cached_input_tokens, row.output_tokens, row.reasoning_tokens),
        cost_usd=None if row.cost_usd is None else float(row.cost_usd),
        from_ledger=True,
    )


def _answer(one: Paid) -> Answer:
    return Answer(
        request_hash=one.request_hash,
        text=one.completion.text,
        reasoning=one.completion.reasoning,
        finish_reason=one.completion.finish_reason,
        usage=one.completion.usage,
        cost_usd=float(one.cost_usd),
        from_ledger=False,
    )
