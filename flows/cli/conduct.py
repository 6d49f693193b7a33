"""A flow conducted from the command line: servers, progress, and what it left open."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import text

from flows.cli.context import console, note, opened
from flows.cli.display import Display
from flows.cli.errors import RowsLeft, Stopped, UsageError
from tasks.backends import Backends, check_prefect
from tasks.interrupt import run_interruptible
from tasks.logs import in_json
from tasks.run import progress_display
from tasks.settings import Settings

Result = TypeVar("Result")


@contextmanager
def conducted(
    settings: Settings, flow: str, canned: bool, /, *arguments: Any, **parameters: Any
) -> Iterator[tuple[Backends, Any]]:
    """Start what is needed and run the flow with live progress: open connections, and what the flow returned."""
    if not in_json():
        # Prefect reports a failed flow with its traceback; here the error is told by main().
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    with opened(settings, orchestrated=True) as backends:
        _keep_apart(backends, canned)
        flows = _flows()
        # Logs tell the progress by themselves.
        with nullcontext() if in_json() else Display(console) as display:
            token = progress_display.set(display)
            try:
                returned = _run(flows[flow](*arguments, **parameters))
            finally:
                progress_display.reset(token)
        yield backends, returned


class Left(NamedTuple):
    """Rows that are open still: `failed` ones the next run tries, those in `dead` shards only after a retry."""

    failed: int
    dead: int


def rows_left(backends: Backends) -> Left:
    """Rows of the whole database that no run brought to an end."""
    with backends.engine.connect() as connection:
        left = connection.execute(
            text(
                "select (select coalesce(sum(rows), 0)::bigint from kodcode.v_stages where status = 'failed'),"
                " (select coalesce(sum(rows), 0)::bigint from kodcode.v_shards where status = 'dead')"
            )
        ).one()
    return Left(*left)


def _keep_apart(backends: Backends, canned: bool) -> None:
    """Canned questions do not go where real ones are; the other way round they are only pointed out."""
    other = "<>" if canned else "="
    with backends.engine.connect() as connection:
        mixed = connection.scalar(
            text(f"select exists (select from kodcode.questions where provider {other} 'offline')")
        )
    if mixed and canned:
        raise UsageError(
            "This database holds questions of a real teacher, and the demo's canned ones would be screened against "
            "them. Give the demo a place of its own: --data-dir FOLDER, without KODCODE_DATABASE_URL."
        )
    if mixed:
        note(
            "This database holds the demo's canned questions. They are never released with yours, but yours are "
            "screened against them; another --data-dir keeps them apart."
        )


def _flows() -> dict[str, Callable[..., Coroutine[Any, Any, Any]]]:
    """The flows by name. Prefect reads its settings when it is imported, so that comes after the servers are known."""
    check_prefect(os.environ["PREFECT_API_URL"])
    from flows.import_ import import_files  # noqa: PLC0415
    from flows.nightly import nightly  # noqa: PLC0415
    from flows.release import release as release_flow  # noqa: PLC0415

    return {"import": import_files, "nightly": nightly, "release": release_flow}


def _run(flow: Coroutine[Any, Any, Result]) -> Result:
    try:
        return run_interruptible(flow)
    except KeyboardInterrupt:
        raise Stopped("stopped. What was answered is stored; the same command continues.") from None


def prefect_ui(backends: Backends) -> str:
    """The address of Prefect's pages."""
    if backends.services is not None and backends.services.prefect_ui_url:
        return backends.services.prefect_ui_url
    return (backends.settings.prefect_api_url or "").removesuffix("/").removesuffix("/api")


def complain(left: Left) -> None:
    """Raises RowsLeft where there are any."""
    said = []
    if left.failed:
        said.append(
            f"{left.failed} rows failed for reasons of infrastructure, not of their content. Nothing is lost: run the "
            "same command again to try them once more; kodcode sql \"select * from v_stages where status = 'failed'\" "
            "shows why."
        )
    if left.dead:
        said.append(
            f"{left.dead} rows are in shards that stopped every worker that took them, and are left aside: kodcode "
            "status says why. kodcode retry frees them, then run the same command again."
        )
    if said:
        raise RowsLeft(" ".join(said))
