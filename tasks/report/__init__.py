"""A page that shows a history, a run or a release: the figures of the paper and a browser of triplets."""

from tasks.report.errors import NothingToReport, ReportError, UnknownSelection, Unwritable
from tasks.report.page import Report, make_report
from tasks.report.picture import funnel_picture
from tasks.report.selection import Selection

__all__ = [
    "NothingToReport",
    "Report",
    "ReportError",
    "Selection",
    "UnknownSelection",
    "Unwritable",
    "funnel_picture",
    "make_report",
]
