"""What a run shows while it lives: on a terminal a line on the models, elsewhere the same now and then."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal

from rich.console import Console

from flows.cli.display import Display
from tasks.llm import Progress
from tasks.meter import Meter, StageMeter

BUSY = Progress(paid=3, in_flight=7, limit=32, output_tokens=900, cost_usd=Decimal("1.234"))


def test_the_meter_tells_what_is_in_flight_the_rate_and_the_money() -> None:
    now = [100.0]
    asked = Progress()
    meter = Meter(clock=lambda: now[0])
    assert str(meter) == ""
    meter.watch(lambda: asked)
    assert str(meter) == ""  # nothing was asked yet
    for second in range(1, 31):
        now[0], asked = 100.0 + second, replace(BUSY, output_tokens=300 * second)
        said = str(meter)
    assert said == "7 of 32 in flight, 3 answers, 300 tokens/s, $1.23"
    meter.expect(Decimal("1234.5"))
    assert str(meter).endswith("$1.23 of about $1,234.50")
    now[0] = 160.0
    assert "0 tokens/s" in str(meter)  # of the last seconds, not of the whole


def test_the_meter_tells_what_waits_in_batches() -> None:
    meter = Meter()
    asked = Progress(in_batches=1200)
    meter.watch(lambda: asked)
    assert str(meter) == "1,200 in batches, 0 answers, 0 tokens/s, $0.00"
    asked = replace(BUSY, in_batches=1200)
    assert str(meter).startswith("7 of 32 in flight, 1,200 in batches, ")


def test_a_stage_tells_its_pace_and_how_long_it_will_take_at_that() -> None:
    now = [0.0]
    stage = StageMeter("solve", clock=lambda: now[0])
    stage.total = 1_300
    assert str(stage) == "0 of 1,300 trials solved and judged"
    now[0], stage.done = 10.0, 20
    assert str(stage) == "20 of 1,300 trials solved and judged, 2.0/s, 11 min left"
    for second in range(20, 120, 10):  # it goes slower: the pace is of the last minute
        now[0], stage.done = float(second), stage.done + 1
        said = str(stage)
    assert "0.1/s" in said and "h left" in said
    stage.done = stage.total
    assert str(stage) == "1,300 of 1,300 trials solved and judged"
    assert stage.percent == 100


def test_a_stage_that_has_nothing_to_do_is_through() -> None:
    assert StageMeter("solve").percent == 100


def shown(*, terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120)
    with Display(console, remark_s=0) as display:
        display.expect(Decimal(5))
        display.watch(lambda: BUSY)
        display.begin("solve", 2)
        display.advance("solve")
    return file.getvalue()


def test_a_terminal_gets_the_line_below_the_bars() -> None:
    assert "7 of 32 in flight" in shown(terminal=True)
    assert "$1.23 of about $5.00" in shown(terminal=True)


def test_a_log_gets_the_line_beside_the_counts() -> None:
    assert "     1 of 2 trials solved and judged (7 of 32 in flight, " in shown(terminal=False)
    assert "\x1b" not in shown(terminal=False)
