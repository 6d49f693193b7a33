"""What makes a whole file unusable; a single bad row never does."""


class ImportFileError(Exception):
    """The file cannot be imported at all; the message says why, and what to do."""
