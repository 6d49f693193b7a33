"""The commands by name, and what the user sees when one cannot go on: one paragraph and an exit status."""

from __future__ import annotations

import logging
import sys
import warnings

import typer

from flows.cli import (
    ask,
    bootstrap,
    decontaminate,
    fetch,
    import_,
    judge,
    look,
    migrate,
    pipeline,
    push,
    release,
    report,
    servers,
)
from flows.cli.errors import exit_status, paragraph
from tasks.logs import in_json

app = typer.Typer(
    name="kodcode",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Make verified coding data: questions, execution-checked solutions and tests, reasoning responses, datasets.",
    epilog="Begin with `kodcode demo`; then OPENAI_API_KEY=... kodcode run --subset leetcode --questions 100.",
)
app.command()(pipeline.demo)
app.command()(pipeline.run)
app.command("import")(import_.import_)
app.command()(decontaminate.decontaminate)
# `kodcode release` makes one; what is done with releases are commands below it.
releases = typer.Typer()
releases.callback(invoke_without_command=True)(release.release)
releases.command()(fetch.fetch)
releases.command()(push.push)
app.add_typer(releases, name="release")
app.command()(report.report)
app.command()(servers.up)
app.command()(servers.down)
app.command()(servers.status)
app.command()(servers.doctor)
app.command()(servers.retry)
app.command()(bootstrap.bootstrap)
app.command("migrate-data")(migrate.migrate_data)
app.command()(ask.sql)
app.command()(ask.export)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(look.psql)
app.command()(look.why)
app.command()(look.audit)
app.command()(judge.check)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(judge.test)


def main() -> None:
    """Run a command.

    Exit status: 0 done, 1 failed, 2 wrong usage or settings, 3 rows left for a next run, 130 stopped.
    """
    # Where no session manager set it, a library says so on standard error at every start; nothing of ours uses it.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    try:
        app()
    except BrokenPipeError:
        sys.exit(0)  # the reader of our output, `head` say, has seen enough
    except Exception as error:  # raised again where it is none that commands know
        status = exit_status(error)
        if status is None:
            raise
        if in_json():
            logging.getLogger(__name__).error("%s", paragraph(error))
        else:
            print(f"kodcode: {paragraph(error)}", file=sys.stderr)
        sys.exit(status)
