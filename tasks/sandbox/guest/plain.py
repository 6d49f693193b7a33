"""Plain data between two processes that do not trust each other: values as JSON, containers in a table.

A container is a row of the table, so that what is one object on one side is one object on the other, cycles included.
Only exact built-in types travel: None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset. What
would not mean the same on the other side does not: a nan, which equals itself by identity only, and a set that comes
out in another order.
"""

from __future__ import annotations

from typing import Any

Row = list[Any]  # tag, items; a dict's items are keys and values in turn
_TAGS: dict[type, str] = {list: "l", tuple: "t", dict: "d", set: "s", frozenset: "f"}
_WORD = 1 << 63
_REMEMBERED = 2000  # containers that are watched for changes


class NotPlainError(Exception):
    """A value of a type that does not travel, or a message that describes none."""


def _contents(item: Any) -> list[Any]:
    """Items of a container; of a dict, keys and values in turn."""
    return [part for pair in item.items() for part in pair] if type(item) is dict else list(item)


class Packer:
    """Numbers containers as it meets them. `known` are those that the other side has under the same numbers."""

    def __init__(self, known: list[Any] | None = None) -> None:
        self.objects = list(known or [])
        self.numbers = {id(item): number for number, item in enumerate(self.objects)}

    def value(self, item: Any) -> Any:
        """JSON for a value. Raises NotPlainError."""
        kind = type(item)
        if item is None or kind in {bool, str}:
            return item
        if kind is float:
            if item != item:  # noqa: PLR0124 - a nan
                raise NotPlainError("a nan")
            return item
        if kind is int:
            return item if -_WORD <= item < _WORD else ["i", hex(item)]
        if kind is bytes:
            return ["b", item.hex()]
        if kind is complex:
            return ["c", item.real, item.imag]
        if kind not in _TAGS:
            raise NotPlainError(f"a value of type {kind.__name__[:100]}")
        number = self.numbers.setdefault(id(item), len(self.objects))
        if number == len(self.objects):
            self.objects.append(item)
        return ["r", number]

    def table(self) -> list[Row]:
        """The rows of every container met, and of those that they hold. Raises NotPlainError."""
        rows: list[Row] = []
        while len(rows) < len(self.objects):
            item = self.objects[len(rows)]
            rows.append([_TAGS[type(item)], [self.value(part) for part in _contents(item)]])
        return rows


class Unpacker:
    """Rebuilds containers from a table. Those of `known` keep their identity and, where mutable, get the contents that
    the table gives them."""

    def __init__(self, table: Any, known: list[Any] | None = None) -> None:
        """Raises NotPlainError where the table is not one that a Packer makes."""
        self.known = list(known or [])
        try:
            self.table: list[tuple[str, list[Any]]] = [(str(tag), list(items)) for tag, items in table]
            self._check()
            self.objects: list[Any] = [*self.known]
            makers = {"l": list, "d": dict, "s": set}
            self.objects += [makers[tag]() if tag in makers else None for tag, _ in self.table[len(self.known) :]]
            for number in range(len(self.known), len(self.table)):
                self._frozen(number, frozenset())
            for number, (tag, items) in enumerate(self.table):
                if tag in makers:
                    self._fill(self.objects[number], [self.value(item) for item in items])
        except NotPlainError:
            raise
        except (TypeError, ValueError, IndexError, RecursionError) as error:
            raise NotPlainError(f"a message of the wrong form: {error}"[:200]) from error

    def _check(self) -> None:
        tags = [tag for tag, _ in self.table]
        if tags[: len(self.known)] != [_TAGS[type(item)] for item in self.known]:
            raise NotPlainError("a message that changes the type of a container")
        if not set(tags) <= set(_TAGS.values()):
            raise NotPlainError("a message with a container of no known type")

    def _frozen(self, number: int, within: frozenset[int]) -> Any:
        """A tuple or frozenset, after those that it holds; a container of another kind as it is."""
        made = self.objects[number]
        if made is not None:
            return made
        if number in within:
            raise NotPlainError("a tuple that holds itself")
        tag, items = self.table[number]
        parts = [self.value(item, within | {number}) for item in items]
        self.objects[number] = tuple(parts) if tag == "t" else _in_order(frozenset(parts), parts)
        return self.objects[number]

    @staticmethod
    def _fill(target: Any, items: list[Any]) -> None:
        if type(target) is list:
            target[:] = items
            return
        target.clear()
        if type(target) is set:
            target.update(items)
            _in_order(target, items)
        else:
            target.update(zip(items[::2], items[1::2], strict=True))

    def value(self, item: Any, within: frozenset[int] = frozenset()) -> Any:
        """The value that JSON stands for. Raises NotPlainError, TypeError, ValueError or IndexError."""
        if type(item) is not list:
            if item is None or type(item) in {bool, int, float, str}:
                return item
            raise NotPlainError("a message with a value of no known form")
        what, *rest = item
        if what == "r" and type(rest[0]) is int and rest[0] >= 0:
            return self._frozen(rest[0], within)
        if what == "i":
            return int(rest[0], 16)
        if what == "b":
            return bytes.fromhex(rest[0])
        if what == "c":
            return complex(float(rest[0]), float(rest[1]))
        raise NotPlainError("a message with a value of no known form")


def _in_order(made: Any, items: list[Any]) -> Any:
    if not _same(list(made), items):
        raise NotPlainError("a set in another order")
    return made


def _same(these: list[Any], those: list[Any]) -> bool:
    return len(these) == len(those) and all(one is other for one, other in zip(these, those, strict=True))


class Exchanged:
    """Containers that both sides have a copy of, to notice where a change of one would have to show in the other."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, list[Any]]] = {}

    def add(self, objects: list[Any]) -> None:
        """Remembers these as they are now, and forgets the oldest of too many."""
        for item in objects:
            if type(item) in {list, dict, set}:
                self._seen.pop(id(item), None)
                self._seen[id(item)] = (item, _contents(item))
        for number in list(self._seen)[:-_REMEMBERED]:
            del self._seen[number]

    def changed(self, besides: list[Any]) -> bool:
        """Whether one of them, `besides` those given, no longer holds the very objects that it held."""
        current = {id(item) for item in besides}
        return any(
            number not in current and not _same(_contents(item), held)
            for number, (item, held) in self._seen.items()
        )
