"""Logs: what they are about goes along in context variables, and what is secret stays out of them.

For people, lines look as Prefect's do. KODCODE_LOG=json writes a JSON object a line to standard error instead, with
the ids of run, stage and shard in fields of their own, for Prefect's own lines too. What is said during a flow run is
also sent to Prefect's server, where the run's page shows it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

OURS = ("flows", "tasks")
HIDDEN = "[hidden]"
_SECRETS = (
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PREFECT_API_KEY",
    "PREFECT_API_AUTH_STRING", "RCLONE_AUTH_KEY",
)  # fmt: skip
_URLS = ("KODCODE_DATABASE_URL", "KODCODE_TO_DATABASE_URL")
# Shorter ones would hide words that are none.
_LEAST = 8

_about: ContextVar[Mapping[str, str | int]] = ContextVar("about", default={})  # noqa: B039 (a new one each time)


@contextmanager
def about(**ids: str | int | None) -> Iterator[None]:
    """What is logged meanwhile, here and in what is started from here, is about these."""
    token = _about.set({**_about.get(), **{name: value for name, value in ids.items() if value is not None}})
    try:
        yield
    finally:
        _about.reset(token)


class Record(logging.LogRecord):
    """A record that knows what it is about, whoever's logger made it, and hides secrets from every handler."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.kodcode = _about.get()  # a name that no other library puts into `extra`, which logging would refuse

    def getMessage(self) -> str:  # noqa: N802 (logging's name)
        return without_secrets(super().getMessage())


class JsonLines(logging.Formatter):
    """An object a line: time (UTC), level, logger, message, the ids, and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        # Prefect's loggers say by themselves which of its runs they belong to.
        for name in ("flow_run_id", "task_run_id"):
            if (given := getattr(record, name, None)) is not None:
                line[name] = str(given)
        line |= getattr(record, "kodcode", {})
        if record.exc_info:
            line["error"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


def without_secrets(said: str) -> str:
    """`said` with the keys and passwords of this process's environment hidden."""
    for secret in _secrets():
        said = said.replace(secret, HIDDEN)
    return said


def _secrets() -> list[str]:
    found = [os.environ.get(name, "") for name in _SECRETS]
    for name in _URLS:
        try:
            found.append(urlsplit(os.environ.get(name, "")).password or "")
        except ValueError:  # no URL, which whoever connects says
            continue
    return sorted((secret for secret in found if len(secret) >= _LEAST), key=len, reverse=True)


def set_up_logs(kind: Literal["human", "json"]) -> None:
    """Let all loggers of this process say what they are about, and in JSON where that is wanted. Again is no harm.

    Where Prefect is imported afterwards it leaves the handler of JSON lines as it is; where it was before, its own
    gives way.
    """
    logging.setLogRecordFactory(Record)
    for name in OURS:
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.INFO)
    root = logging.getLogger()
    if kind == "json" and not in_json():
        for handler in [handler for handler in root.handlers if _is_console(handler)]:
            root.removeHandler(handler)
        lines = logging.StreamHandler(sys.stderr)
        lines.setFormatter(JsonLines())
        root.addHandler(lines)


def in_json() -> bool:
    """Whether this process writes JSON lines."""
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers)


def _is_console(handler: logging.Handler) -> bool:
    """Whether it writes to the terminal, as Prefect's does."""
    return type(handler).__name__ == "PrefectConsoleHandler" or (
        isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stderr, sys.stdout)
    )


def send_to_prefect() -> None:
    """Send what our loggers say during flow runs to Prefect's server. Again is no harm."""
    from prefect.logging.handlers import APILogHandler  # noqa: PLC0415 (it takes a second to import)

    class ToPrefect(APILogHandler):
        """Of what belongs to a flow run."""

        def emit(self, record: logging.LogRecord) -> None:
            flow_run_id = getattr(record, "kodcode", {}).get("flow_run_id")
            if flow_run_id is not None:
                record.flow_run_id = flow_run_id
                super().emit(record)

    for name in OURS:
        ours = logging.getLogger(name)
        if not any(isinstance(handler, APILogHandler) for handler in ours.handlers):
            ours.addHandler(ToPrefect())
