"""What can go wrong when rows are laid out and written."""

from __future__ import annotations


class FormatError(Exception):
    """A row does not fit its layout, or a file cannot be written; the message names the row or the file."""


class UnknownFormat(FormatError):
    """No format has this name; the message lists those there are."""


class ReleaseExists(FormatError):
    """The number that a release was to have is taken; nothing is written over."""


class ProofFailed(FormatError):
    """Rows of a release do not do what their format promises; the message names them. Nothing is published."""
