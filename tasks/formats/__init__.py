"""Formats: verified rows in, the files that trainers read out. Pure: no database, no network."""

from tasks.formats import kodcode_v1, sft
from tasks.formats.errors import FormatError
from tasks.formats.kodcode_v1 import v1_row
from tasks.formats.manifest import MANIFEST_FILE, Manifest, read_manifest
from tasks.formats.records import (
    FormattedRow,
    FunctionRecord,
    NearestProblem,
    ResponseRecord,
    TrialRecord,
    TripletRecord,
)
from tasks.formats.sft import sft_row
from tasks.formats.writer import DatasetWriter, FileEntry

__all__ = [
    "MANIFEST_FILE",
    "DatasetWriter",
    "FileEntry",
    "FormatError",
    "FormattedRow",
    "FunctionRecord",
    "Manifest",
    "NearestProblem",
    "ResponseRecord",
    "TrialRecord",
    "TripletRecord",
    "kodcode_v1",
    "read_manifest",
    "sft",
    "sft_row",
    "v1_row",
]
