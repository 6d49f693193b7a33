"""The base of all errors of the generators."""


class SubsetError(Exception):
    """A subset, seed source, prompt or template that cannot be used; the message says which and what to do."""
