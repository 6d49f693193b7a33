"""What every command begins with: the settings of its data folder, and the servers it needs."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from tasks.backends import Backends
from tasks.logs import in_json, set_up_logs
from tasks.plaintext import printable
from tasks.settings import Settings, load_settings, user_data_dir

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Where the embedded servers keep their data (also KODCODE_DATA_DIR).", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")]

# People read what happens on standard error; standard output is for results.
console = Console(stderr=True, highlight=False)
log = logging.getLogger(__name__)


def note(message: str) -> None:
    """A line about what goes on."""
    if in_json():
        log.info("%s", printable(message))
        return
    console.print(Text(printable(message), style="dim"), soft_wrap=True)


def settings_for(data_dir: Path | None, *, demo: bool = False, **overrides: Any) -> Settings:
    """Settings of a command that makes data. The demo keeps its canned rows in a folder of its own."""
    settings = load_settings(data_dir=data_dir, **overrides)
    if demo and "data_dir" not in settings.model_fields_set:
        settings = load_settings(data_dir=user_data_dir() / "demo", **overrides)
    return _settled(settings)


def settings_to_look(data_dir: Path | None) -> Settings:
    """Settings of a command that looks at data: before the first real run that is the demo's folder."""
    settings = load_settings(data_dir=data_dir)
    demo = user_data_dir() / "demo"
    chosen = "data_dir" in settings.model_fields_set or settings.database_url is not None
    if not chosen and not settings.data_dir.exists() and demo.exists():
        looked_for, settings = settings.data_dir, _settled(load_settings(data_dir=demo))
        note(f"No run of your own yet in {looked_for}: looking at the demo's data in {demo}.")
        return settings
    return _settled(settings)


def _settled(settings: Settings) -> Settings:
    # Flows and child processes read the same settings from the environment.
    os.environ["KODCODE_DATA_DIR"] = str(settings.data_dir)
    if settings.log == "json":
        set_up_logs(settings.log)
    return settings


@contextlib.contextmanager
def opened(settings: Settings, *, orchestrated: bool = False) -> Iterator[Backends]:
    """Database and artifact store; `orchestrated`: and the Prefect server, which answers by now if it is embedded."""
    backends = Backends.open(settings, note=note, orchestrated=orchestrated)
    try:
        if orchestrated:
            backends = backends.awaited()
        yield backends
    finally:
        backends.close()


@contextlib.contextmanager
def backends_to_look(data_dir: Path | None) -> Iterator[Backends]:
    """Database and artifact store for a command that looks at data; Prefect is not needed and not started."""
    with opened(settings_to_look(data_dir)) as backends:
        yield backends
