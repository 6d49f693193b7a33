"""Which errors are the user's or the surroundings' to mend, and how they are told."""

from __future__ import annotations

from tasks.fetching import FetchRefused, NoRelease
from tasks.formats import FormatError, ReleaseExists, UnknownFormat
from tasks.history import GrantFailed, MirrorFailed, QueryError, UnknownId
from tasks.hub import HubError
from tasks.imports import ImportFileError
from tasks.licences import TermsError
from tasks.llm import BudgetError, BudgetReached, PriceTableError
from tasks.llm.offline import BankError
from tasks.llm.types import ProviderError
from tasks.plaintext import printable
from tasks.report import NothingToReport, ReportError, UnknownSelection
from tasks.sandbox import SandboxError
from tasks.screening import BenchmarkError, EmbedderError, ScreeningError
from tasks.selection import EmptySelection
from tasks.settings import ConfigurationError
from tasks.store import ServiceError, StoreError
from tasks.subsets import SubsetError
from tasks.work import InfrastructureFailed, ProviderDown, first_error


class UsageError(Exception):
    """The command line asks for something impossible."""


class RowsLeft(Exception):
    """The run went through, but some rows failed for reasons of infrastructure."""


class Stopped(Exception):
    """The user stopped a run."""


# Exit statuses by class; an error of no class here is a bug and keeps its traceback.
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (Stopped, 130),
    (RowsLeft, 3),
    (UsageError, 2),
    (ConfigurationError, 2),
    (UnknownId, 2),
    (QueryError, 2),
    (UnknownSelection, 2),
    (NothingToReport, 2),
    (ReportError, 1),
    (GrantFailed, 1),
    (MirrorFailed, 1),
    (SubsetError, 2),
    (BenchmarkError, 2),
    (ImportFileError, 2),
    (NoRelease, 2),
    (FetchRefused, 1),
    (HubError, 1),
    (EmbedderError, 1),
    (ScreeningError, 1),
    (PriceTableError, 2),
    (BudgetError, 2),
    (BudgetReached, 4),
    (BankError, 1),
    (TermsError, 2),
    (EmptySelection, 1),
    (ReleaseExists, 2),
    (UnknownFormat, 2),
    (FormatError, 1),
    (StoreError, 1),
    (ServiceError, 1),
    (ProviderError, 1),
    (ProviderDown, 1),
    (SandboxError, 1),
    (InfrastructureFailed, 1),
    (OSError, 1),
)


def exit_status(error: Exception) -> int | None:
    """The exit status of an expected error, None for a bug."""
    found = first_error(error)
    return next((status for kind, status in STATUSES if isinstance(found, kind)), None)


def paragraph(error: Exception) -> str:
    """The message without control characters, which a provider's answer or a file's content may have brought in."""
    return printable(str(first_error(error)))
