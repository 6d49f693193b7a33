"""Plain data between two processes: what travels arrives the same, what is forged is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tasks.sandbox.guest.plain import NotPlainError, Packer, Unpacker


def passed_on(value: Any) -> Any:
    packer = Packer()
    item = packer.value(value)
    item, table = json.loads(json.dumps([item, packer.table()]))
    return Unpacker(table).value(item)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 1 << 200, -(1 << 63), 1.5, -0.0, math.inf, 1 - 2j, "", "\ud800 \u0000 \U0001f600",
        b"\x00\xff", [], [1, [2, [3]]], (1, (2, [3])), {"a": {1: (2,)}, (1, 2): None}, {1, (2, 3)},
        frozenset({frozenset({1}), 2}),
        [1, 1.0, True], {b"k": [frozenset()]},
    ],
    ids=repr,
)  # fmt: skip
def test_plain_values_arrive_as_they_are(value: Any) -> None:
    arrived = passed_on(value)
    assert repr(arrived) == repr(value)
    assert type(arrived) is type(value)


def test_what_would_not_mean_the_same_does_not_travel() -> None:
    with pytest.raises(NotPlainError, match="nan"):
        passed_on([math.nan])  # [nan] == [nan] by identity only
    shrunk = set(range(200))
    for member in range(200):
        if member not in {3, 8, 16, 129, 130}:
            shrunk.discard(member)  # and its table stays larger than that of a set made of the rest
    with pytest.raises(NotPlainError, match="order"):
        passed_on(shrunk)


def test_one_object_stays_one_object() -> None:
    row = [0]
    grid = passed_on([row, row, (row,)])
    assert grid[0] is grid[1] is grid[2][0]
    ring: list[Any] = []
    ring.append(ring)
    ring = passed_on(ring)
    assert ring[0] is ring


class Number(int):
    pass


@pytest.mark.parametrize("value", [object(), Number(1), [Number(1)], {"a": range(3)}, lambda: 0, iter(()), int])
def test_other_types_do_not_travel(value: Any) -> None:
    with pytest.raises(NotPlainError):
        passed_on(value)


def test_changes_come_back_into_the_callers_own_objects() -> None:
    inner: dict[str, int] = {"a": 1}
    arguments = ([3, 1, 2], inner, {5})
    call = Packer()
    call.value(arguments)
    far = Unpacker(json.loads(json.dumps(call.table())))
    (numbers, table, members) = far.objects[0]
    numbers.sort()
    table["b"] = numbers
    members.clear()
    answer = Packer(far.objects)
    returned = answer.value(numbers)
    near = Unpacker(json.loads(json.dumps(answer.table())), call.objects)
    assert near.value(returned) is arguments[0]
    assert arguments == ([1, 2, 3], {"a": 1, "b": [1, 2, 3]}, set())
    assert inner["b"] is arguments[0]  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("table", "item"),
    [
        ("text", None),
        ([["x", []]], ["r", 0]),
        ([["l", [["r", 7]]]], ["r", 0]),
        ([["l", [["r", -1]]]], ["r", 0]),
        ([["l", [["r", "0"]]]], ["r", 0]),
        ([["l", [{"a": 1}]]], ["r", 0]),
        ([["l", [["q", 1]]]], ["r", 0]),
        ([["l", [[]]]], ["r", 0]),
        ([["d", [1]]], ["r", 0]),
        ([["s", [["r", 1]]], ["l", []]], ["r", 0]),
        ([["t", [["r", 0]]]], ["r", 0]),
        ([["l", [["i", "zz"]]]], ["r", 0]),
        ([["l", [["b", "0"]]]], ["r", 0]),
        ([["l"]], ["r", 0]),
        ([["t", [["r", n + 1]]] for n in range(5000)] + [["t", []]], ["r", 0]),
    ],
)
def test_a_forged_message_is_refused(table: Any, item: Any) -> None:
    with pytest.raises(NotPlainError):
        Unpacker(table).value(item)


def test_a_message_cannot_change_what_a_container_is() -> None:
    with pytest.raises(NotPlainError, match="type of a container"):
        Unpacker([["d", []]], [[1]])
