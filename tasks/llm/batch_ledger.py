"""Batches as rows: who follows which, how far it is, and what became of its members. A fence keeps two from one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from tasks.llm.batch import Batch, BatchStatus, MemberStatus
from tasks.llm.ledger import Want, transaction
from tasks.llm.types import Request
from tasks.store import ArtifactStore

_OPEN = "b.status in ('built', 'uploaded', 'submitted')"
_FOLLOWED = "exists (select from kodcode.llm_workers w where w.worker_id = b.worker_id and w.expires_at > now())"

# This worker's too: an error may have ended its following, or kept it from hearing what it has taken over.
_CANDIDATES = f"""
select b.batch_id from kodcode.llm_batches b
where {_OPEN} and b.provider = %s and b.endpoint = %s and (b.worker_id = %s or not {_FOLLOWED})
for update skip locked
"""  # noqa: S608 (constants)

_ADOPT = """
update kodcode.llm_batches b set worker_id = %s, fence = b.fence + 1 where b.batch_id = any(%s)
returning b.batch_id, b.path, b.model, b.run_id, b.status, b.fence, b.input_file_id, b.provider_batch_id,
    b.created_at, extract(epoch from now() - coalesce(b.submitted_at, b.uploaded_at, b.created_at))::float as age_s
"""


class Fenced(Exception):
    """Another worker took this one for dead and follows the batch now."""


class BatchLedger:
    """The batches of one provider at one endpoint. Blocking: call it from a thread. All methods raise LedgerError."""

    def __init__(
        self,
        engine: Engine,
        artifacts: ArtifactStore,
        worker_id: str,
        run_id: str | None,
        provider: str,
        endpoint: str,
    ) -> None:
        self._engine = engine
        self._artifacts = artifacts
        self._worker_id = worker_id
        self._run_id = run_id
        self._provider = provider
        self._endpoint = endpoint
        self._followed: set[str] = set()

    @contextlib.contextmanager
    def following(self, batch_id: str) -> Iterator[None]:
        """This process follows the batch, and does not adopt it from itself. To be begun before `build`."""
        self._followed.add(batch_id)
        try:
            yield
        finally:
            self._followed.discard(batch_id)

    def build(self, batch_id: str, path: str, model: str, members: Sequence[tuple[Want, str]]) -> Batch:
        """A new batch of requests, given with their canonical form, whose leases this worker holds; from then on the
        batch holds them. Requests whose lease was lost are left out."""
        # In one order everywhere: two transactions that lock the same rows wait for each other instead of dying.
        ordered = sorted(members, key=lambda member: member[0].request_hash)
        requests = {want.request_hash: want.request for want, _ in ordered}

        def work(connection: Connection) -> Batch:
            # Twice is no harm: the reply to a commit may get lost.
            connection.exec_driver_sql(
                "insert into kodcode.llm_batches (batch_id, provider, endpoint, path, model, run_id, status,"
                " worker_id, fence) values (%s, %s, %s, %s, %s, %s, 'built', %s, 1) on conflict do nothing",
                (batch_id, self._provider, self._endpoint, path, model, self._run_id, self._worker_id),
            )
            created_at: datetime = connection.exec_driver_sql(
                "select created_at from kodcode.llm_batches where batch_id = %s", (batch_id,)
            ).scalar_one()
            moved = connection.exec_driver_sql(
                "update kodcode.llm_leases set worker_id = '', batch_id = %s where request_hash in ("
                " select request_hash from kodcode.llm_leases where request_hash = any(%s)"
                " and (worker_id = %s or batch_id = %s) order by request_hash for update) returning request_hash",
                (batch_id, list(requests), self._worker_id, batch_id),
            )
            held = sorted(row[0] for row in moved)
            kept = set(held)
            self._artifacts.put_texts(connection, [text for want, text in ordered if want.request_hash in kept])
            connection.exec_driver_sql(
                "insert into kodcode.llm_batch_requests (batch_id, request_hash, stage, subset)"
                " select %s, * from unnest(%s::text[], %s::text[], %s::text[]) on conflict do nothing",
                (batch_id, held, [requests[name].stage for name in held], [requests[name].subset for name in held]),
            )
            return Batch(batch_id, path, model, self._run_id, "built", 1, tuple(held), created_at)

        return transaction(self._engine, work)

    def adopt(self) -> list[Batch]:
        """Take over the open batches that nobody follows any more, and follow them. One call at a time."""

        def work(connection: Connection) -> list[Batch]:
            open_ids = connection.exec_driver_sql(_CANDIDATES, (self._provider, self._endpoint, self._worker_id))
            # Compared after it was read: a batch is among the followed before others can see its row.
            free = [batch_id for batch_id in open_ids.scalars() if batch_id not in self._followed]
            if not free:
                return []
            rows = connection.exec_driver_sql(_ADOPT, (self._worker_id, free)).all()
            members: dict[str, list[str]] = {}
            for batch_id, request_hash in connection.exec_driver_sql(
                "select batch_id, request_hash from kodcode.llm_batch_requests where batch_id = any(%s)",
                (free,),
            ):
                members.setdefault(batch_id, []).append(request_hash)
            return [Batch(**row._mapping, hashes=tuple(members.get(row.batch_id, ()))) for row in rows]

        batches = transaction(self._engine, work)
        self._followed.update(batch.batch_id for batch in batches)
        return batches

    def elsewhere(self, request_hash: str) -> tuple[str, str] | None:
        """Batch and endpoint where the request is in an open batch that nobody follows and this worker cannot."""

        def work(connection: Connection) -> tuple[str, str] | None:
            row = connection.exec_driver_sql(
                "select b.batch_id, b.endpoint from kodcode.llm_leases l"  # noqa: S608 (constants)
                " join kodcode.llm_batches b on b.batch_id = l.batch_id"
                f" where l.request_hash = %s and {_OPEN} and not {_FOLLOWED} and b.endpoint <> %s",
                (request_hash, self._endpoint),
            ).first()
            return None if row is None else (row[0], row[1])

        return transaction(self._engine, work)

    def uploaded(self, batch: Batch, input_file_id: str | None) -> Batch:
        """The submission follows. Raises Fenced."""
        self._step(batch, "status = 'uploaded', uploaded_at = now(), input_file_id = %s", input_file_id)
        return replace(batch, status="uploaded", input_file_id=input_file_id)

    def submitted(self, batch: Batch, provider_batch_id: str) -> Batch:
        """The provider has it. Raises Fenced."""
        self._step(batch, "status = 'submitted', submitted_at = now(), provider_batch_id = %s", provider_batch_id)
        return replace(batch, status="submitted", provider_batch_id=provider_batch_id)

    def let_go(self, batch: Batch) -> None:
        """Leave the batch to whoever comes next. Raises Fenced."""
        self._step(batch, "worker_id = %s", "")

    def known(self) -> set[str]:
        """The provider's ids of all batches in the ledger."""

        def work(connection: Connection) -> set[str]:
            return {
                row[0]
                for row in connection.exec_driver_sql(
                    "select provider_batch_id from kodcode.llm_batches where provider = %s and endpoint = %s"
                    " and provider_batch_id is not null",
                    (self._provider, self._endpoint),
                )
            }

        return transaction(self._engine, work)

    def requests(self, batch: Batch) -> dict[str, tuple[Request, str]]:
        """The members by hash, with their canonical form. Raises ArtifactMissing and its kind."""

        def work(connection: Connection) -> dict[str, tuple[Request, str]]:
            rows = connection.exec_driver_sql(
                "select request_hash, stage, subset from kodcode.llm_batch_requests where batch_id = %s",
                (batch.batch_id,),
            ).all()
            texts = dict(self._artifacts.get_texts(connection, [row.request_hash for row in rows]))
            found = {}
            for row in rows:
                text = texts[row.request_hash]
                if isinstance(text, Exception):
                    raise text
                found[row.request_hash] = (Request.of_identity(json.loads(text), row.stage, row.subset), text)
            return found

        return transaction(self._engine, work)

    def end(
        self,
        batch: Batch,
        status: BatchStatus,
        problem: str | None = None,
        outcomes: Mapping[str, tuple[MemberStatus, str | None]] | None = None,
    ) -> None:
        """Close the batch; its members that have no answer are free for whoever wants them. Raises Fenced."""
        members = sorted((outcomes or {}).items())

        def work(connection: Connection) -> None:
            self._advance(connection, batch, "status = %s, problem = %s, ended_at = now()", (status, problem))
            connection.exec_driver_sql(
                "update kodcode.llm_batch_requests m set status = t.status, detail = t.detail"
                " from unnest(%s::text[], %s::text[], %s::text[]) as t (request_hash, status, detail)"
                " where m.batch_id = %s and m.request_hash = t.request_hash",
                (
                    [name for name, _ in members],
                    [outcome for _, (outcome, _) in members],
                    [detail for _, (_, detail) in members],
                    batch.batch_id,
                ),
            )
            connection.exec_driver_sql("delete from kodcode.llm_leases where batch_id = %s", (batch.batch_id,))

        transaction(self._engine, work)

    def _step(self, batch: Batch, change: str, value: Any) -> None:
        transaction(self._engine, lambda connection: self._advance(connection, batch, change, (value,)))

    def _advance(self, connection: Connection, batch: Batch, change: str, values: Iterable[Any]) -> None:
        changed = connection.exec_driver_sql(
            f"update kodcode.llm_batches b set {change} where b.batch_id = %s and b.fence = %s and {_OPEN}",  # noqa: S608
            (*values, batch.batch_id, batch.fence),
        )
        if changed.rowcount != 1:
            raise Fenced(batch.batch_id)
