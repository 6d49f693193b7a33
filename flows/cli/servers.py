"""The commands for servers and workers: up, down, status, doctor, retry."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.console import Console

from flows.cli.context import AsJson, DataDir, backends_to_look, opened, settings_for, settings_to_look
from flows.cli.display import table
from tasks import history
from tasks.backends import wanted_services
from tasks.run import policy_of
from tasks.sandbox import Level, probe
from tasks.settings import Settings
from tasks.shards import retry_dead
from tasks.store import services

out = Console(highlight=False)
LEVELS = {
    Level.FULL: "own namespaces, system call filter, limits",
    Level.CONTAINER: "file and system call filters and limits; no namespaces",
    Level.WEAK: "limits alone: refused unless KODCODE_ALLOW_WEAK_SANDBOX=true",
}


def up(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Start the embedded servers that no setting replaces: PostgreSQL, S3, Prefect. They stay until `kodcode down`."""
    settings = settings_for(data_dir)
    with opened(settings, orchestrated=True):
        _print_status(settings, as_json)


def down(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Stop the embedded servers; data stay."""
    settings = settings_to_look(data_dir)
    stopped = services.down(settings.data_dir)
    if as_json:
        print(json.dumps({"stopped": stopped}))
    else:
        out.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


def status(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show the servers, how to reach them, and how many rows each stage holds."""
    _print_status(settings_to_look(data_dir), as_json)


def _print_status(settings: Settings, as_json: bool) -> None:
    found = services.status(settings.data_dir)
    external = {
        name: url
        for name, url in (
            ("postgres", "KODCODE_DATABASE_URL" if settings.database_url else None),
            ("s3", settings.artifacts_url),
            ("prefect", settings.prefect_api_url),
        )
        if url and name not in wanted_services(settings)
    }
    running = {service.name for service in found if service.state == "running"}
    usable = "postgres" in running or settings.database_url is not None
    if as_json:
        report: dict[str, Any] = {
            "data_dir": str(settings.data_dir),
            "services": [asdict(service) for service in found],
            "external": external,
        }
        if usable:
            with backends_to_look(settings.data_dir) as backends:
                report |= {
                    "rows": [
                        dict(zip(("stage", *history.STATUSES), row, strict=True))
                        for row in history.stages(backends.engine)
                    ],
                    "stages": [asdict(pace) for pace in history.paces(backends.engine)],
                    "shards": history.workers(backends.engine),
                    "spent_today_usd": history.spent_today(backends.engine),
                }
        print(json.dumps(report, default=str))
        return
    out.print(
        table(
            str(settings.data_dir),
            ["server", "state", "address", "pid", "log"],
            [[s.name, s.state, s.url or "", s.pid or "", s.log] for s in found],
        )
    )
    for name, address in external.items():
        out.print(f"{name}: external, {address}")
    if not usable:
        return
    with backends_to_look(settings.data_dir) as backends:
        rows = history.stages(backends.engine)
        paces, workers = history.paces(backends.engine), history.workers(backends.engine)
        spent = history.spent_today(backends.engine)
    out.print(table("", ["stage", *history.STATUSES], rows))
    if paces:
        out.print(
            table(
                "Under way",
                ["stage", "rows left", "rows/min", "done in", "shards open", "leased", "lost", "dead"],
                [[p.stage, p.rows_left, p.rows_per_minute, _span(p.eta_s), p.open, p.leased, p.lost, p.dead]
                 for p in paces],
            )
        )  # fmt: skip
    if workers:
        names = ["shard_id", "stage", "status", "rows", "attempts", "owner", "lease_left_s", "reason"]
        out.print(table("Shards", names, [[worker[name] for name in names] for worker in workers]))
        if any(worker["status"] == "dead" for worker in workers):
            out.print("Dead shards stopped every worker that took them: kodcode retry frees their rows.")
    out.print(f"spent today (UTC): ${spent:,.2f}")


def _span(seconds: float | None) -> str:
    return "" if seconds is None else f"{timedelta(seconds=round(seconds))}"


def retry(
    shard: Annotated[
        list[int] | None, typer.Argument(help="Numbers of dead shards, from kodcode status; all where none is given.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Free the rows of dead shards, those that stopped every worker that took them, for the next run."""
    with backends_to_look(data_dir) as backends:
        shards, rows = retry_dead(backends.engine, shard or None)
    out.print(f"{rows} rows of {shards} dead shards are free for the next run")


def doctor(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Try everything a run needs, and say what is missing: settings, servers, sandbox."""
    settings = settings_to_look(data_dir)
    checks: list[tuple[str, bool, str]] = [("settings", True, str(settings.data_dir))]
    tried = probe(policy_of(settings))
    level = Level(tried.pop("level"))
    checks += [(f"sandbox: {name}", outcome == "ok", outcome) for name, outcome in tried.items()]
    usable = level is not Level.WEAK or settings.allow_weak_sandbox
    checks.append((f"sandbox level: {level.value}", usable, LEVELS[level]))
    try:
        with backends_to_look(data_dir) as backends:
            backends.artifacts.check()
        checks.append(("database and artifact store", True, "work"))
    except services.ServiceError as error:
        checks.append(("servers", False, str(error)))
    # A primitive that is missing is a fact; what makes kodcode unusable is a level that is refused or a dead server.
    healthy = all(good for name, good, _ in checks if not name.startswith("sandbox: "))
    if as_json:
        print(
            json.dumps(
                {
                    "healthy": healthy,
                    "checks": [{"name": name, "ok": good, "detail": detail} for name, good, detail in checks],
                }
            )
        )
    else:
        out.print(table("", ["check", "", "detail"], [[n, "ok" if good else "no", d] for n, good, d in checks]))
    if not healthy:
        raise typer.Exit(1)
