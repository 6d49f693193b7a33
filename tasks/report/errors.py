"""What can go wrong with a report."""

from __future__ import annotations


class ReportError(Exception):
    """No report was made; the message says why."""


class UnknownSelection(ReportError):
    """The run or release that was asked for does not exist."""


class NothingToReport(ReportError):
    """There are no questions to show."""


class Unwritable(ReportError):
    """The page could not be written where it was to go."""
