"""The trial's voice: numbered records on a socket that only the supervisor reads.

A record is one line: nonce, sequence number, JSON list of strings. It is put together from C functions taken before
any judged code ran, so that patching json, os or the builtins changes nothing. A forked copy stays silent.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from json.encoder import encode_basestring_ascii

Emit = Callable[..., None]
FD = 3  # where every trial finds the socket
APART_FD = 4  # where it finds the one to the solution's process, if that is another


class Finished(Exception):
    """The trial is over before its judge's end, with an exit status of its own choosing."""

    def __init__(self, status: int) -> None:
        self.status = status


def emitter(fd: int, nonce: str) -> Emit:
    """A function that writes one record of strings."""
    sequence = 0
    encode, write, getpid = encode_basestring_ascii, os.write, os.getpid
    owner = getpid()
    text, view = str, memoryview

    def emit(*fields: str) -> None:
        nonlocal sequence
        if getpid() != owner:
            return
        body = ",".join([encode(text(field)) for field in fields])
        line = view(f"{nonce} {sequence} [{body}]\n".encode("ascii"))
        sequence += 1
        while line:
            line = line[write(fd, line) :]

    return emit
