"""Files that people have already, read as questions with their (solution, test) pairs; nothing in them is believed."""

from tasks.imports.errors import ImportFileError
from tasks.imports.reading import SUFFIXES
from tasks.imports.rows import BadRow, ImportedRow, Pair
from tasks.imports.source import Columns, Source, check_files, open_sources

__all__ = [
    "SUFFIXES",
    "BadRow",
    "Columns",
    "ImportFileError",
    "ImportedRow",
    "Pair",
    "Source",
    "check_files",
    "open_sources",
]
