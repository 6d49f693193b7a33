"""The key goes to the server and nowhere else: no table, no log, no message holds it."""

from __future__ import annotations

import asyncio
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest
import zstandard
from sqlalchemy import Engine, inspect, text

from tasks.llm import Gateway, Message, PriceTable, ProviderError, Request, make_provider
from tasks.store import open_artifacts
from tasks.store.schema import SCHEMA
from tests.llm.conftest import KEY
from tests.llm.fault_server import FaultServer, Reply, error

ECHOES = [
    error(401, f"Incorrect API key provided: {KEY}"),
    error(403, f"{KEY} may not"),
    error(404, f"{KEY} has no such model"),
    error(400, f"bad request by Bearer {KEY}"),
    error(429, f"quota of {KEY}", "insufficient_quota"),
    Reply(500, f"<html>Authorization: Bearer {KEY}</html>", {"retry-after": "999999"}),
    Reply(200, f"<html>x-api-key: {KEY}</html>"),
    Reply(200, {"error": {"message": f"no luck with {KEY}"}}),
    Reply(200, {"choices": [], "key": KEY}),
    Reply(200, "x" * 190 + KEY),
]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("reply", ECHOES)
def test_a_server_that_echoes_the_key_does_not_get_it_into_a_message_or_a_log(
    server: FaultServer, caplog: pytest.LogCaptureFixture, provider: str, reply: Reply
) -> None:
    caplog.set_level(logging.DEBUG)
    server.always(reply)
    asked = Request(provider, "m", (Message("user", "hello"),))

    async def run() -> None:
        made = make_provider(provider, server.url if provider == "openai" else server.origin)
        try:
            await made.complete(asked)
        finally:
            await made.close()

    with pytest.raises(ProviderError) as caught:
        asyncio.run(run())
    assert KEY in "".join(value for seen in server.seen for value in seen.headers.values())
    shown = "".join(traceback.format_exception(caught.value))
    for length in (len(KEY), len(KEY) - 8):
        assert KEY[:length] not in shown
        assert KEY[:length] not in caplog.text
    assert KEY not in repr(caught.value)


def test_no_table_and_no_artifact_holds_the_key(
    database: Engine, tmp_path: Path, server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    artifacts = open_artifacts((tmp_path / "artifacts").as_uri())
    server.script(error(500, KEY), error(429, KEY), error(400, KEY))

    async def run() -> list[Any]:
        provider = make_provider("openai", server.url)
        async with Gateway(database, artifacts, provider, PriceTable.load(), "run-1") as gateway:
            asks = (gateway.ask(Request("openai", "gpt-4o", (Message("user", f"{n}"),))) for n in range(10))
            return await asyncio.gather(*asks, return_exceptions=True)

    outcomes = asyncio.run(run())
    assert KEY not in repr(outcomes)
    assert KEY not in caplog.text
    with database.connect() as connection:
        for table in inspect(database).get_table_names(SCHEMA):
            assert KEY not in repr(connection.execute(text(f'select * from {SCHEMA}."{table}"')).all())
        for data in connection.execute(text(f"select data from {SCHEMA}.artifacts where data is not null")).scalars():
            assert KEY.encode() not in zstandard.ZstdDecompressor().decompress(data)
