"""Hard caps on spending: by run, by stage and subset of a run, by day of the whole database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import get_args

from tasks.llm.types import Request, Stage

_HIGHEST = Decimal(100_000)  # the columns hold more; more is a typing error


class BudgetError(Exception):
    """A cap is not written as one."""


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `usd` in `scope`, a row of `llm_spending`; `name` is how people write it."""

    scope: str
    usd: Decimal
    name: str


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps in dollars by name: `run`, `day` (UTC, all runs of the database), a stage, or a subset of this run."""

    caps: tuple[tuple[str, Decimal], ...] = field(default=())

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Budget:
        """From texts like "100", "day=50", "solve=20", "Leetcode=5". Raises BudgetError."""
        caps: dict[str, Decimal] = {}
        for text in texts:
            name, _, number = text.rpartition("=")
            try:
                usd = Decimal(number.strip().removeprefix("$"))
            except InvalidOperation:
                usd = Decimal("nan")
            if not usd.is_finite() or not 0 < usd <= _HIGHEST:
                raise BudgetError(
                    f"{text!r} is no budget. Write dollars, like 100 for the run, or day=50, or "
                    f"{get_args(Stage)[2]}=20 for a stage, or leetcode=5 for a subset."
                )
            caps[name.strip() or "run"] = usd
        return cls(tuple(caps.items()))

    def __bool__(self) -> bool:
        return bool(self.caps)

    def of(self, request: Request, run_id: str | None) -> Iterator[Cap]:
        """The caps that an answer to `request` counts against."""
        for name, usd in self.caps:
            if name == "run":
                yield Cap(f"run:{run_id}", usd, name)
            elif name == "day":
                yield Cap(day_scope(), usd, name)
            elif name == request.stage:
                yield Cap(f"run:{run_id}/stage:{name}", usd, name)
            elif name == request.subset:
                yield Cap(f"run:{run_id}/subset:{name}", usd, name)


def day_scope() -> str:
    return f"day:{datetime.now(UTC):%Y-%m-%d}"


def scopes(run_id: str | None, stage: str, subset: str) -> list[str]:
    """The rows of `llm_spending` that an answer counts in."""
    of_run = [f"run:{run_id}", f"run:{run_id}/stage:{stage}", f"run:{run_id}/subset:{subset}"]
    return [day_scope(), *(of_run if run_id is not None else [])]
