"""What the browser of triplets reads: a list of all, and the details of each hundred in a part of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from tasks.report.figure import in_order
from tasks.store import ArtifactStore
from tasks.subsets import SUBSETS

Json = dict[str, Any]
MOST = 10_000
PART = 100  # triplets whose details are inflated together
LISTED = 4_000  # characters of a question that can be searched
SHOWN = 20_000  # characters of a question, solution or test
_SAID = 2_000  # of a message or a seed
_NAMES = 20  # tests that failed, by name
# All solutions of trials together may come to so many characters, and all reasoning and answers; each of them to no
# more and no less than its bounds.
_TOGETHER = 40_000_000
_SOLUTION, _ANSWER = (400, 8_000), (1_000, 12_000)

# Which ones, from an index; then what is shown of them.
_LISTED = """
select t.triplet_id, t.subset, t.style, t.status, coalesce(t.difficulty, i.difficulty) as difficulty, t.trust,
       t.kill_rate, t.coverage, left(coalesce(t.question, q.text), :characters) as question
from (
    select triplet_id from triplets where status in ('accepted', 'rejected')
    order by status, md5(triplet_id) limit :most
) shown
join kodcode.triplets t using (triplet_id)
join kodcode.questions q using (question_id)
left join kodcode.triplets i on i.question_id = t.question_id and i.style = 'instruct'
"""
_COUNTED = """
select (select count(*) from kodcode.trials where question_id in (
           select question_id from kodcode.triplets where triplet_id = any(:ids))) as trials,
       (select count(*) from kodcode.responses where triplet_id = any(:ids)) as responses
"""
# By name: what is read of a batch of triplets, by their keys in the whole history, of which a selection is a part.
_OF_TRIPLETS = {
    "triplets": "select t.*, q.text from kodcode.triplets t join kodcode.questions q using (question_id)"
    " where triplet_id = any(:triplets)",
    "responses": "select triplet_id, attempt, model, kept, verdict, message, tests_passed, tests, output_tokens,"
    " reasoning_tokens, cost_usd, code, reasoning_key from kodcode.v_responses"
    " where triplet_id = any(:triplets) order by model, attempt",
    # By the places of the questions, so that not all rows of all releases are read.
    "releases": "select t.triplet_id, p.release_id, w.format, w.split from kodcode.triplets t"
    " join kodcode.questions q using (question_id)"
    " join kodcode.release_shards s on s.subset = q.subset and q.number between s.first_number and s.last_number"
    " join kodcode.release_parts p using (shard_id) join kodcode.release_shard_rows w using (shard_id)"
    " where t.triplet_id = any(:triplets) and t.triplet_id = any(w.triplet_ids) order by 2, 3, 4",
}
_OF_QUESTIONS = {
    "questions": "select question_id, provider, model, prompt_index, prompt_version, seed_ids, benchmark,"
    " benchmark_item, benchmark_similarity, caution, annotated_category, annotated_difficulty, annotated_clarity,"
    " run_id, created_at from kodcode.questions where question_id = any(:questions)",
    "trials": "select question_id, attempt, passed, verdict, message, model, prompt_version, coverage, trust,"
    " kill_rate, duration_s, output_tokens, cost_usd, outcomes, solution from kodcode.v_trials"
    " where question_id = any(:questions) order by attempt",
    "duplicates": "select duplicate_of as question_id, question_id as copy, reason, similarity"
    " from kodcode.questions where duplicate_of = any(:questions) order by 2",
    "contaminations": "select question_id, measure, benchmark, item_id, value, threshold from kodcode.contaminations"
    " where question_id = any(:questions) order by value desc",
    "styles": "select question_id, triplet_id, status from kodcode.triplets where question_id = any(:questions)"
    " order by style",
}
_SEEDS = "select seed_id, source, revision, licence, text from kodcode.seeds where seed_id = any(:seeds)"


def listed(connection: Connection) -> tuple[Json, int]:
    """The list by columns, accepted triplets before others where there are too many; and how many there are in all."""
    rows = connection.execute(text(_LISTED), {"characters": LISTED, "most": MOST}).mappings().all()
    known = connection.scalar(text("select count(*) from triplets where status in ('accepted', 'rejected')"))
    order = {name: n for n, name in enumerate(SUBSETS)}
    rows = sorted(rows, key=lambda row: (order.get(row["subset"], len(order)), row["subset"], row["triplet_id"]))
    names = {
        "subset": in_order(row["subset"] for row in rows),
        "style": [name for name in ("instruct", "complete", "online_judge") if any(r["style"] == name for r in rows)],
        "difficulty": ["easy", "medium", "hard", "fail"],
        "status": ["accepted", "rejected"],
    }
    columns: Json = {
        name: [values.index(row[name]) if row[name] is not None else -1 for row in rows]
        for name, values in names.items()
    }
    columns |= {
        "id": [row["triplet_id"] for row in rows],
        "text": [row["question"] or "" for row in rows],
        **{name: [_short(row[name]) for row in rows] for name in ("trust", "kill_rate", "coverage")},
    }
    return {"names": names, "part": PART, **columns}, int(known or 0)


@dataclass(frozen=True, slots=True)
class Room:
    """How many characters of each text there is room for, where many share the page."""

    solution: int  # of a trial
    answer: int  # of a response: its reasoning, and its code

    @classmethod
    def among(cls, connection: Connection, ids: Sequence[str]) -> Room:
        """For the trials and responses of these triplets."""
        counted = connection.execute(text(_COUNTED), {"ids": list(ids)}).one()
        return cls(_share(counted.trials, *_SOLUTION), _share(2 * counted.responses, *_ANSWER))


def _share(texts: int, least: int, most: int) -> int:
    return max(least, min(most, _TOGETHER // max(texts, 1)))


def details(connection: Connection, artifacts: ArtifactStore, ids: Sequence[str], room: Room) -> Iterator[Json]:
    """The details of each PART of `ids`, in their order, with the solutions that their trials refer to by number."""
    for start in range(0, len(ids), PART):
        yield _part(connection, artifacts, ids[start : start + PART], room)


def _part(connection: Connection, artifacts: ArtifactStore, ids: Sequence[str], room: Room) -> Json:
    found = {
        name: _by(connection, query, "triplet_id", {"triplets": list(ids)}) for name, query in _OF_TRIPLETS.items()
    }
    triplets = {key: rows[0] for key, rows in found["triplets"].items()}
    questions = sorted({str(row["question_id"]) for row in triplets.values()})
    found |= {
        name: _by(connection, query, "question_id", {"questions": questions}) for name, query in _OF_QUESTIONS.items()
    }
    seed_ids = sorted({seed for rows in found["questions"].values() for seed in rows[0]["seed_ids"]})
    seeds = _by(connection, _SEEDS, "seed_id", {"seeds": seed_ids})
    keys = {row["reasoning_key"] for rows in found["responses"].values() for row in rows} - {None}
    texts = {key: str(content) for key, content in artifacts.get_texts(connection, keys)} if keys else {}
    solutions: dict[str, int] = {}  # each once: trials often agree, and the styles of a question share its trials
    return {
        "triplets": [_detail(triplets[key], found, seeds, texts, solutions, room) for key in ids],
        "solutions": [_cut(solution, room.solution) for solution in solutions],
    }


def _detail(
    row: RowMapping,
    found: dict[str, dict[str, list[RowMapping]]],
    seeds: dict[str, list[RowMapping]],
    texts: dict[str, str],
    solutions: dict[str, int],
    room: Room,
) -> Json:
    key, question_id = str(row["triplet_id"]), str(row["question_id"])
    question = found["questions"][question_id][0]
    return {
        "id": key,
        "reason": row["reason"],
        "filter_reason": row["filter_reason"] or question["caution"],
        "question": _cut(row["question"] or row["text"], SHOWN),
        "solution": _cut(row["solution"], SHOWN),
        "test": _cut(row["test"], SHOWN),
        "chosen": row["chosen_attempt"],
        "passes": row["pass_count"],
        "attempts": row["trial_count"],
        **{name: _short(row[name]) for name in ("trust", "consensus", "kill_rate", "coverage")},
        "stub_rejected": row["stub_rejected"],
        "stable": row["stable"],
        "trials": [_trial(trial, solutions) for trial in found["trials"].get(question_id, [])],
        "responses": [_response(response, texts, room.answer) for response in found["responses"].get(key, [])],
        "tries": [
            {"reason": entry.get("reason"), "message": _cut(entry.get("message"), _SAID)}
            for entry in row["tries"] or ()
        ],
        "seeds": [_seed(seeds[seed][0]) for seed in question["seed_ids"] if seed in seeds],
        "made": {
            "question": f"{question['provider']}/{question['model']}, prompt {question['prompt_index']}, version "
            f"{question['prompt_version']}",
            "conversion": row["model"] and f"{row['provider']}/{row['model']}, version {row['prompt_version']}",
            "run": question["run_id"],
            "at": f"{question['created_at']:%Y-%m-%d %H:%M} UTC",
            "annotator": _annotation(question),
        },
        "nearest": {
            "benchmark": question["benchmark"],
            "item": question["benchmark_item"],
            "cosine": _short(question["benchmark_similarity"]),
        }
        if question["benchmark"]
        else None,
        "contaminations": [_plain(row, "question_id") for row in found["contaminations"].get(question_id, [])],
        "duplicates": [_plain(row, "question_id") for row in found["duplicates"].get(question_id, [])[:_NAMES]],
        "styles": [
            {"id": other["triplet_id"], "status": other["status"]}
            for other in found["styles"].get(question_id, [])
            if other["triplet_id"] != key
        ],
        "releases": [_plain(item, "triplet_id") for item in found["releases"].get(key, [])],
    }


def _trial(row: RowMapping, solutions: dict[str, int]) -> Json:
    outcomes, solution = row["outcomes"] or {}, row["solution"]
    return {
        "solution": None if solution is None else solutions.setdefault(solution, len(solutions)),
        **{name: row[name] for name in ("attempt", "passed", "verdict", "model", "prompt_version", "output_tokens")},
        **{name: _short(row[name]) for name in ("coverage", "trust", "kill_rate", "duration_s", "cost_usd")},
        "message": _cut(row["message"], _SAID),
        "tests": len(outcomes),
        "tests_passed": sum(outcome == "passed" for outcome in outcomes.values()),
        "not_passed": [_cut(name, 200) for name, outcome in outcomes.items() if outcome != "passed"][:_NAMES],
    }


def _response(row: RowMapping, texts: dict[str, str], room: int) -> Json:
    names = ("attempt", "model", "kept", "verdict", "tests_passed", "tests", "output_tokens", "reasoning_tokens")
    return {
        **{name: row[name] for name in names},
        "cost_usd": _short(row["cost_usd"]),
        "message": _cut(row["message"], _SAID),
        "reasoning": _cut(texts.get(row["reasoning_key"]), room),
        "code": _cut(row["code"], room),
    }


def _seed(row: RowMapping) -> Json:
    return {**_plain(row, "text"), "text": _cut(row["text"], _SAID)}


def _annotation(question: RowMapping) -> str | None:
    if question["annotated_category"] is None:
        return None
    return (
        f"{question['annotated_category']}, {question['annotated_difficulty']}, clarity "
        f"{question['annotated_clarity']} of 5"
    )


def _plain(row: RowMapping, without: str) -> Json:
    return {name: _short(value) for name, value in row.items() if name != without}


def _short(value: Any) -> Any:
    """Three decimals are enough to look at; dollars keep more."""
    if value is None or isinstance(value, str | int):
        return value
    return round(float(value), 3 if abs(value) >= 0.1 else 6)


def _cut(value: str | None, characters: int) -> str | None:
    if value is None or len(value) <= characters:
        return value
    return f"{value[:characters]}\n… {len(value) - characters:,} more characters"


def _by(connection: Connection, query: str, key: str, values: dict[str, Any]) -> dict[str, list[RowMapping]]:
    found: dict[str, list[RowMapping]] = defaultdict(list)
    for row in connection.execute(text(query), values).mappings():
        found[str(row[key])].append(row)
    return found
