"""Formats: verified rows in, the files that trainers read out. No database, no network; see README.md here."""

from tasks.formats import kodcode_v1, sft
from tasks.formats.errors import FormatError, ProofFailed, UnknownFormat
from tasks.formats.format import Format
from tasks.formats.kodcode_v1 import v1_row
from tasks.formats.manifest import MANIFEST_FILE, Manifest, read_manifest
from tasks.formats.records import (
    AuthorRecord,
    FormattedRow,
    FunctionRecord,
    NearestProblem,
    ResponseRecord,
    TrialRecord,
    TripletRecord,
)
from tasks.formats.registry import FORMATS, chosen_formats
from tasks.formats.sft import sft_row
from tasks.formats.writer import DatasetWriter, FileEntry

__all__ = [
    "FORMATS",
    "MANIFEST_FILE",
    "AuthorRecord",
    "DatasetWriter",
    "FileEntry",
    "Format",
    "FormatError",
    "FormattedRow",
    "FunctionRecord",
    "Manifest",
    "NearestProblem",
    "ProofFailed",
    "ResponseRecord",
    "TrialRecord",
    "TripletRecord",
    "UnknownFormat",
    "chosen_formats",
    "kodcode_v1",
    "read_manifest",
    "sft",
    "sft_row",
    "v1_row",
]
