"""The ledger in PostgreSQL: an answer is committed, with all that was asked and said, before anybody may use it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.llm.types import Answer, Completion, Request, Usage
from tasks.store import ArtifactStore, StoreError
from tasks.store.schema import LlmCall

# An answer is dear, a short outage of the database common.
_RETRY_DELAYS_S = (0.2, 1.0, 5.0)

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

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class LedgerError(StoreError):
    """The ledger's database does not answer; the message says what it said last."""


@dataclass(frozen=True, slots=True)
class Paid:
    """A completion on its way into the ledger."""

    request: Request
    request_hash: str
    completion: Completion
    cost_usd: Decimal | None
    latency_s: float


class Ledger:
    """Finds and stores answers, many in one transaction. Blocking: call it from a thread."""

    def __init__(self, engine: Engine, artifacts: ArtifactStore, run_id: str | None) -> None:
        self._engine = engine
        self._artifacts = artifacts
        self._run_id = run_id

    def find(self, hashes: Sequence[str]) -> list[Answer | None]:
        """The stored answers to these request hashes, None where there is none. Raises LedgerError."""

        def work(connection: Connection) -> list[Answer | None]:
            found = stored_answers(connection, self._artifacts, hashes)
            return [found.get(request_hash) for request_hash in hashes]

        return self._transaction(work)

    def store(self, paid: Sequence[Paid]) -> list[Answer]:
        """Commit these answers, then return what the ledger holds for their requests.

        That is another answer where another process was first: both go on with the same one. Raises LedgerError.
        """
        # Sorted, so that two processes that store the same requests take the rows in one order and cannot deadlock.
        first = {one.request_hash: one for one in reversed(paid)}
        ordered = [first[request_hash] for request_hash in sorted(first)]

        def work(connection: Connection) -> dict[str, Answer]:
            texts: list[str] = []
            for one in ordered:
                texts += [prompt_text(one.request), one.completion.text, one.completion.reasoning or ""]
            keys = self._artifacts.put_texts(connection, texts)
            rows = [
                self._row(one, *keys[3 * position : 3 * position + 3]) for position, one in enumerate(ordered)
            ]
            statement = insert(LlmCall).on_conflict_do_nothing().returning(LlmCall.request_hash)
            fresh = set(connection.execute(statement, rows).scalars())
            answers = {one.request_hash: _answer(one) for one in ordered if one.request_hash in fresh}
            rest = [one.request_hash for one in ordered if one.request_hash not in fresh]
            return answers | stored_answers(connection, self._artifacts, rest)

        answers = self._transaction(work)
        return [answers[one.request_hash] for one in paid]

    def _row(self, one: Paid, prompt_key: str, answer_key: str, reasoning_key: str) -> dict[str, Any]:
        request, completion = one.request, one.completion
        return {
            "request_hash": one.request_hash,
            "provider": request.provider,
            "model": request.model,
            "stage": request.stage,
            "subset": request.subset,
            "attempt": request.attempt,
            "sampling": request.identity()["sampling"],
            "prompt_key": prompt_key,
            "answer_key": answer_key,
            "reasoning_key": reasoning_key if completion.reasoning else None,
            "finish_reason": completion.finish_reason,
            "input_tokens": completion.usage.input_tokens,
            "cached_input_tokens": completion.usage.cached_input_tokens,
            "output_tokens": completion.usage.output_tokens,
            "reasoning_tokens": completion.usage.reasoning_tokens,
            "cost_usd": one.cost_usd,
            "latency_s": one.latency_s,
            "retries": completion.retries,
            "provider_request_id": completion.provider_request_id,
            "run_id": self._run_id,
        }

    def _transaction(self, work: Callable[[Connection], Result]) -> Result:
        for delay_s in (*_RETRY_DELAYS_S, None):
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except (OperationalError, InterfaceError, PoolTimeout) as error:
                # Not the whole error: SQLAlchemy's text repeats the statement and what was to be stored.
                said = str(error.orig if isinstance(error, OperationalError | InterfaceError) else error)
                said = " ".join(said.split())[:300]
                if delay_s is None:
                    raise LedgerError(f"The ledger's database does not answer: {said}") from None
                log.warning("The ledger's database failed (%s); trying again in %g s.", said, delay_s)
                time.sleep(delay_s)
        raise AssertionError("unreachable: the last try returns or raises")


def prompt_text(request: Request) -> str:
    """What the ledger keeps of a request: the canonical JSON that its hash is made of, so key and hash are one."""
    return json.dumps(request.identity(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


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
    rows = connection.execute(select(*_COLUMNS).where(LlmCall.request_hash.in_(hashes))).all()
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
        cost_usd=None if one.cost_usd is None else float(one.cost_usd),
        from_ledger=False,
    )
