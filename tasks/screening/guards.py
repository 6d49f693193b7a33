"""The index over the stored benchmarks, made once for each content of theirs and kept while the process lives."""

from __future__ import annotations

import threading
from collections import OrderedDict

from sqlalchemy import Connection

from tasks.screening import tables
from tasks.screening.contamination import Guard
from tasks.screening.rules import Thresholds

# A run has one embedder and one set of thresholds; the second is for a benchmark that was added meanwhile.
_KEPT = 2

_Key = tuple[str, str, Thresholds]
_guards: OrderedDict[_Key, Guard] = OrderedDict()
_lock = threading.Lock()


def load_guard(connection: Connection, model: str, thresholds: Thresholds) -> Guard:
    """The guard over all benchmark items that have a vector of this model, as they are stored now."""
    key = (tables.benchmarks_hash(connection, model), model, thresholds)
    with _lock:
        if key not in _guards:
            _guards[key] = Guard(tables.known_problems(connection, model), thresholds, model)
        _guards.move_to_end(key)
        while len(_guards) > _KEPT:
            _guards.popitem(last=False)
        return _guards[key]
