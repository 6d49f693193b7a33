"""What is shown in Prefect's UI, and never holds a run up or ends it: the database has it all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

import httpx
from prefect.exceptions import PrefectException

Result = TypeVar("Result")

# Prefect's client tries for minutes where its server takes requests and answers none.
MOST_S = 20.0

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


async def shown(what: str, creation: Awaitable[Result], log: Log) -> Result | None:
    """The artifact, or None and a warning where Prefect does not take it within MOST_S."""
    try:
        async with asyncio.timeout(MOST_S):
            return await creation
    except (PrefectException, httpx.HTTPError, TimeoutError) as error:
        log.warning("Prefect could not show %s: %s", what, type(error).__name__)
        return None
