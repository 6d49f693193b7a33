"""Two runs of the whole at the same moment, on the same rows."""

from __future__ import annotations

from tests.pipeline.conftest import Workplace
from tests.recovery.teacher import Teacher

IN_FLIGHT = 4


def command(teacher: Teacher, questions: int) -> list[str]:
    """A run of subset Leetcode; its trials are quick, so they get little time."""
    return [
        "run", "--json", "--subset", "leetcode", "--questions", str(questions), "--attempts", "2", "--responses", "1",
        "--style", "complete", "--timeout", "10", "--concurrency", str(IN_FLIGHT), "--base-url", teacher.url,
        "--price", "0",
    ]  # fmt: skip


def test_two_runs_at_once_share_the_work_and_both_end_well(workplace: Workplace, faulty: Teacher) -> None:
    environment = {"OPENAI_API_KEY": "any", "KODCODE_SHARD_SIZE": "4"}
    both = [workplace.start(*command(faulty, 12), **environment) for _ in range(2)]
    ended = [process.communicate(timeout=480) for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(err[-3000:] for _, err in ended)
    workplace.kodcode("audit")
    # Nothing was paid twice, and each answer is one row's.
    assert faulty.total() == workplace.rows("select count(*) from kodcode.llm_calls")[0][0]
    (trials,) = workplace.rows(
        "select count(*) filter (where status = 'pending') as open, count(*) as made, count(distinct request_hash) "
        "from kodcode.trials"
    )
    assert trials.open == 0
    assert trials.made == trials.count
    # Neither waited for the other to do it all.
    workers = {row.owner for row in workplace.rows("select distinct owner from kodcode.shards")}
    assert len(workers) == 2
    assert {row.status for row in workplace.rows("select status from kodcode.shards")} == {"done"}
