"""kill -9 of the whole process group at random moments: the rerun ends where an undisturbed run does."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from tests.pipeline.conftest import Replay, Workplace, kill, wait_until

IN_FLIGHT = 8


def answers(workplace: Workplace) -> int:
    """How many answers the ledger holds; 0 before there is a schema."""
    try:
        with workplace.engine.connect() as connection:
            return int(connection.scalar(text("select count(*) from kodcode.llm_calls")) or 0)
    except ProgrammingError:
        return 0


def run_killed(workplace: Workplace, command: tuple[str, ...], moments: list[int], **environment: str) -> None:
    """Run `command`, kill it when the ledger holds so many answers, run it again, ... and at last to its end."""
    for moment in moments:
        process = workplace.start(*command, **environment)
        wait_until(
            lambda moment=moment, process=process: answers(workplace) >= moment or process.poll() is not None,
            f"{moment} answers in the ledger",
            seconds=240,
        )
        kill(process)
    workplace.kodcode(*command, **environment)


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_tables_of_an_undisturbed_one(
    new_workplace: Callable[[], Workplace],
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    command = ("demo", "--json", "--questions-per-subset", "1")
    undisturbed, disturbed = new_workplace(), new_workplace()
    undisturbed.kodcode(*command)
    total = answers(undisturbed)
    moments = sorted(random.Random(seed).sample(range(1, total), 3))
    run_killed(disturbed, command, moments)
    disturbed.kodcode("audit")
    wanted, found = undisturbed.tables(), disturbed.tables()
    for table, rows in wanted.items():
        assert set(found[table]) ^ set(rows) == set(), table


@pytest.mark.slow
def test_a_stored_answer_is_not_asked_again_after_kills(workplace: Workplace, replay: Callable[..., Replay]) -> None:
    server = replay("--latency-ms", "30")
    command = (
        "run",
        "--subset",
        "leetcode",
        "--questions",
        "15",
        "--attempts",
        "2",
        "--responses",
        "1",
        "--style",
        "complete",
        "--timeout",
        "5",
        "--concurrency",
        str(IN_FLIGHT),
        "--base-url",
        f"{server.url}/v1",
    )
    moments = [4, 21, 40]
    run_killed(workplace, command, moments, OPENAI_API_KEY="replay")
    lost = server.served() - answers(workplace)
    assert 0 <= lost <= IN_FLIGHT * len(moments)
    workplace.kodcode("audit")


def test_a_run_stopped_by_the_keyboard_says_how_to_continue(workplace: Workplace) -> None:
    process = workplace.start("demo", "--questions-per-subset", "1")
    wait_until(lambda: answers(workplace) > 0 or process.poll() is not None, "a first answer", seconds=240)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "continues" in said
    assert [row.status for row in workplace.rows("select status from kodcode.runs")] == ["interrupted"]
