"""The rollup: sums over the work tables and the ledger, kept by triggers, so that no question counts a million rows.

Every statement that writes rows adds entries to the rollup in its own transaction: plus what came, minus what went.
A rollup is the sum of its entries, so writers never wait for each other; `fold_rollup` makes one of those of a key.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

CALL_KEYS = ["hour", "subset", "stage", "provider", "model"]
CALL_SUMS = [
    "calls",
    "unpriced",
    "cost_usd",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "latency_s",
]
ROW_KEYS = ["stage", "subset", "style", "provider", "model", "prompt_version", "status", "reason"]
ROW_SUMS = [
    "rows",
    "priced",
    "unpriced",
    "cost_usd",
    "coverages",
    "coverage",
    "kill_rates",
    "kill_rate",
    "trusts",
    "trust",
]
HOUR_SUMS = ["trials", "passes"]
NULLABLE = {("rollup_rows", name) for name in ("style", "provider", "model", "prompt_version", "reason")}
EXACT = {"cost_usd", "latency_s", "coverage", "kill_rate", "trust"}  # numeric: what is added and taken away is gone

_HOUR = "date_bin('1 hour', r.{}, '2000-01-01 00:00+00')"
# What a row refers to is looked up row by row, which `limit` sees to: a plan is made once a session, for as many rows
# as its first statement wrote, and a join could read all calls for the one row that a later statement writes.
_CALL = """left join lateral (
    select request_hash, cost_usd from kodcode.llm_calls l where l.request_hash = r.request_hash limit 1
) c on true"""
_QUESTION = """cross join lateral (
    select subset from kodcode.questions p where p.question_id = r.question_id limit 1
) q"""
_TRIPLET = """cross join lateral (
    select subset, style from kodcode.triplets p where p.triplet_id = r.triplet_id limit 1
) t"""
_PRICED = """
    r.sign * (c.cost_usd is not null)::int, r.sign * (c.request_hash is not null and c.cost_usd is null)::int,
    r.sign * coalesce(c.cost_usd, 0)"""

# What each row counts for. {rows} has the columns of the table and `sign`: 1 for a row that came, -1 for one that went
CALLS = f"""
select {_HOUR.format("created_at")}, r.subset, r.stage, r.provider, r.model, r.sign,
    r.sign * (r.cost_usd is null)::int, r.sign * coalesce(r.cost_usd, 0), r.sign * r.input_tokens,
    r.sign * r.cached_input_tokens, r.sign * r.output_tokens, r.sign * r.reasoning_tokens,
    r.sign * r.latency_s::numeric
from {{rows}} r"""
QUESTIONS = f"""
select 'question', r.subset, null, r.provider, r.model, r.prompt_version, r.status, r.reason, r.sign, {_PRICED},
    0, 0, 0, 0, 0, 0
from {{rows}} r {_CALL}"""
TRIALS = f"""
select 'trial', q.subset, null, r.provider, r.model, r.prompt_version, r.status, r.reason, r.sign, {_PRICED},
    r.sign * (r.coverage is not null)::int, r.sign * coalesce(r.coverage, 0)::numeric,
    r.sign * (r.kill_rate is not null)::int, r.sign * coalesce(r.kill_rate, 0)::numeric,
    r.sign * (r.trust is not null)::int, r.sign * coalesce(r.trust, 0)::numeric
from {{rows}} r {_QUESTION} {_CALL}"""
TRIPLETS = """
select 'triplet', r.subset, r.style, r.provider, r.model, r.prompt_version, r.status, r.reason, r.sign,
    r.sign * paid.priced, r.sign * paid.unpriced, r.sign * paid.cost_usd, 0, 0, 0, 0, 0, 0
from {rows} r cross join lateral (
    select count(c.cost_usd) as priced, count(*) - count(c.cost_usd) as unpriced,
           coalesce(sum(c.cost_usd), 0) as cost_usd
    from jsonb_path_query(r.tries, '$[*]') e cross join lateral (
        select cost_usd from kodcode.llm_calls l where l.request_hash = e ->> 'request_hash' limit 1
    ) c
) paid"""
RESPONSES = f"""
select 'response', t.subset, t.style, r.provider, r.model, null, r.status, r.reason, r.sign, {_PRICED},
    0, 0, 0, 0, 0, 0
from {{rows}} r {_TRIPLET} {_CALL}"""
HOURS = f"""
select {_HOUR.format("updated_at")}, r.sign, r.sign * (r.status = 'accepted')::int
from {{rows}} r where r.status in ('accepted', 'rejected')"""

ROLLUPS = {
    "rollup_calls": (CALL_KEYS, CALL_SUMS),
    "rollup_rows": (ROW_KEYS, ROW_SUMS),
    "rollup_hours": (["hour"], HOUR_SUMS),
}
COUNTED = {
    "questions": [("rollup_rows", QUESTIONS)],
    "trials": [("rollup_rows", TRIALS), ("rollup_hours", HOURS)],
    "triplets": [("rollup_rows", TRIPLETS)],
    "responses": [("rollup_rows", RESPONSES)],
    "llm_calls": [("rollup_calls", CALLS)],
}
CAME, GONE = "select 1 as sign, * from came", "select -1 as sign, * from gone"
EVENTS = {
    "insert": ("new table as came", CAME),
    "update": ("old table as gone new table as came", f"{CAME} union all {GONE}"),
    "delete": ("old table as gone", GONE),
}


def _entries(rollup: str, counted: str, rows: str) -> str:
    """The statement that adds what these rows count for to the rollup; what cancels out adds nothing."""
    keys, sums = ROLLUPS[rollup]
    added = ", ".join(f"sum({name})" for name in sums)
    return (
        f"insert into kodcode.{rollup} ({', '.join(keys + sums)})\n"
        f"select {', '.join(keys)}, {added} from ({counted.format(rows=f'({rows})')}\n"
        f") as counted ({', '.join(keys + sums)})\n"
        f"group by {', '.join(keys)} having ({added}) <> ({', '.join('0' for _ in sums)});\n"
    )


def _fold(rollup: str) -> str:
    keys, sums = ROLLUPS[rollup]
    added, zeros = ", ".join(f"sum({name}) as {name}" for name in sums), ", ".join("0" for _ in sums)
    return (
        f"with heaps as (\n    select array_agg(ctid) as places, {', '.join(keys)}, {added}\n"
        f"    from kodcode.{rollup} group by {', '.join(keys)} having count(*) > 1\n"
        "), gone as (\n"
        f"    delete from kodcode.{rollup} r using (select unnest(places) as place from heaps) h\n"
        "    where r.ctid = h.place\n"
        ")\n"
        f"insert into kodcode.{rollup} ({', '.join(keys + sums)})\n"
        f"select {', '.join(keys + sums)} from heaps where ({', '.join(sums)}) <> ({zeros});\n"
    )


def _function(name: str, returns: str, body: str, end: str = "") -> None:
    head = f"create or replace function kodcode.{name}() returns {returns} language plpgsql"
    op.execute(f"{head} as $$\nbegin\n{body}{end}end $$")


# What the indexes of 0008 held of trials and calls is summed now.
INDEXES = {
    "ix_questions_history": ("questions", ["subset", "status", "reason", "question_id"],
                             ["provider", "model", "caution", "seed_ids"], None),
    "ix_trials_history": ("trials", ["question_id", "model", "status", "attempt"], [], None),
    "ix_trials_reason": ("trials", ["reason", "question_id"], ["status", "provider", "model"],
                         "status in ('rejected', 'failed')"),
    "ix_triplets_history": (
        "triplets", ["subset", "style", "status", "reason", "triplet_id"],
        ["question_id", "difficulty", "trial_count", "pass_count", "pass_sequence", "pass_at_k", "coverage",
         "consensus", "kill_rate", "stub_rejected", "stable", "trust", "provider", "model", "updated_at"], None,
    ),
    "ix_responses_reason": ("responses", ["reason", "triplet_id"], [], "status in ('rejected', 'failed')"),
}  # fmt: skip
FORMER = {
    "ix_questions_history": ("questions", ["subset", "status"], [
        "question_id", "reason", "provider", "model", "prompt_version", "request_hash", "caution",
    ], None),
    "ix_trials_history": ("trials", ["question_id", "attempt"], [
        "status", "reason", "verdict", "provider", "model", "prompt_version", "request_hash", "coverage", "kill_rate",
        "trust", "updated_at",
    ], None),
    "ix_triplets_history": ("triplets", ["subset", "style", "status"], [
        "triplet_id", "question_id", "reason", "difficulty", "trial_count", "pass_count", "pass_at_k", "coverage",
        "consensus", "kill_rate", "stub_rejected", "stable", "trust", "provider", "model", "prompt_version",
        "updated_at",
    ], None),
    "ix_llm_calls_history": ("llm_calls", ["subset", "stage", "provider", "model"], [
        "request_hash", "cost_usd", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens",
        "latency_s", "created_at",
    ], None),
}  # fmt: skip


def _exchange(former: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name, (table, *_) in former.items():
        op.drop_index(name, table_name=table, schema="kodcode")
    for name, (table, columns, included, where) in wanted.items():
        op.create_index(
            name, table, columns, schema="kodcode", postgresql_include=included,
            postgresql_where=None if where is None else sa.text(where),
        )  # fmt: skip


def make_functions() -> None:
    """Those that fold and rebuild, and those that triggers call; over those of the same names that there are."""
    # One process folds at a time, and nobody waits for it: only who folds or rebuilds takes entries away.
    _function(
        "fold_rollup", "void",
        "if not pg_try_advisory_xact_lock(hashtext('kodcode.rollup')) then return; end if;\n"
        + "".join(map(_fold, ROLLUPS)),
    )  # fmt: skip
    # For rows that were written with triggers off, and for prices that were changed by hand. Writers wait.
    _function(
        "rebuild_rollup", "void",
        f"lock table {', '.join(f'kodcode.{table}' for table in COUNTED)} in share mode;\n"
        "perform pg_advisory_xact_lock(hashtext('kodcode.rollup'));\n"
        + "".join(f"delete from kodcode.{rollup};\n" for rollup in ROLLUPS)
        + "".join(
            _entries(rollup, counted, f"select 1 as sign, * from kodcode.{table}")
            for table, each in COUNTED.items()
            for rollup, counted in each
        ),
    )  # fmt: skip
    _function("rebuild_rollup_after", "trigger", "perform kodcode.rebuild_rollup();\n", "return null;\n")
    for table, each in COUNTED.items():
        for event, (_, rows) in EVENTS.items():
            # A call is never changed by the pipeline. Whoever does, changes the cost of the rows that it answered.
            if table == "llm_calls" and event != "insert":
                body = "if exists (select from gone) then perform kodcode.rebuild_rollup(); end if;\n"
            else:
                body = "".join(_entries(rollup, counted, rows) for rollup, counted in each)
            _function(f"rollup_{table}_{event}", "trigger", body, "return null;\n")


def upgrade() -> None:
    for rollup, (keys, sums) in ROLLUPS.items():
        op.create_table(
            rollup,
            *(
                sa.Column(
                    name,
                    sa.DateTime(timezone=True) if name == "hour" else sa.Text(),
                    nullable=(rollup, name) in NULLABLE,
                )
                for name in keys
            ),
            *(sa.Column(name, sa.Numeric() if name in EXACT else sa.BigInteger(), nullable=False) for name in sums),
            schema="kodcode",
        )
    make_functions()
    for table in COUNTED:
        for event, (tables, _) in EVENTS.items():
            op.execute(
                f"create trigger rollup_{event} after {event} on kodcode.{table} referencing {tables}"
                f" for each statement execute function kodcode.rollup_{table}_{event}()"
            )
        op.execute(
            f"create trigger rollup_truncate after truncate on kodcode.{table}"
            " for each statement execute function kodcode.rebuild_rollup_after()"
        )
    op.execute("select kodcode.rebuild_rollup()")
    _exchange(FORMER, INDEXES)


def downgrade() -> None:
    _exchange(INDEXES, FORMER)
    for table in COUNTED:
        op.execute(f"drop trigger rollup_truncate on kodcode.{table}")
        for event in EVENTS:
            op.execute(f"drop function kodcode.rollup_{table}_{event}() cascade")
    for function in ("rebuild_rollup_after", "rebuild_rollup", "fold_rollup"):
        op.execute(f"drop function kodcode.{function}()")
    for rollup in ROLLUPS:
        op.drop_table(rollup, schema="kodcode")
