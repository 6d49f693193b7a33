"""The command line: `kodcode --help`."""

from flows.cli.main import main

__all__ = ["main"]
