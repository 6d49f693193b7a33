"""The commands that look: psql, why, audit."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree
from sqlalchemy import URL

from flows.cli.context import AsJson, DataDir, backends_to_look
from flows.cli.display import cell, cut, plain, table
from tasks import history
from tasks.store import services

out = Console(highlight=False)


def psql(context: typer.Context, data_dir: DataDir = None) -> None:
    """Open psql on the pipeline's database; further arguments go to psql: kodcode psql -c "select 1"."""
    with backends_to_look(data_dir) as backends:
        url = backends.engine.url
    os.environ |= {"PGOPTIONS": "-c search_path=kodcode,public"}
    if url.password:
        os.environ["PGPASSWORD"] = str(url.password)  # never on the command line, which every user can read
    target = URL.create(
        "postgresql", username=url.username, host=url.host, port=url.port, database=url.database, query=url.query
    ).render_as_string()
    program = str(services.binaries() / "psql")
    os.execv(program, [program, target, *context.args])  # noqa: S606 (psql of the wheel, no shell)


def why(
    row_id: Annotated[str, typer.Argument(metavar="ID", help="Leetcode_00000012, Leetcode_00000012_I or ...:0.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Tell a row's whole history: seed, prompt, question, screening, trials, conversions, responses, releases."""
    with backends_to_look(data_dir) as backends:
        story = history.why(backends.engine, row_id)
    if as_json:
        print(json.dumps(story, default=plain))
        return
    out.print(_tree(story))


def audit(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Prove that nothing was lost: every row accepted, rejected for a reason, failed or pending; or exit with 1."""
    with backends_to_look(data_dir) as backends:
        report = history.audit(backends.engine, backends.artifacts)
    if as_json:
        print(json.dumps({"clean": report.clean} | asdict(report)))
    else:
        out.print(table("Checked", ["rows of", "count"], sorted(report.rows.items())))
        broken = {offender.law for offender in report.offenders}
        for name, law in report.laws.items():
            out.print(Text(f"{'BROKEN' if name in broken else 'holds':7}{law}"), soft_wrap=True)
        if report.offenders:
            out.print(
                table("Offenders", ["law", "id", "problem"], [list(asdict(o).values()) for o in report.offenders])
            )
    if not report.clean:
        raise typer.Exit(1)


def _tree(story: dict[str, Any]) -> Tree:
    question = story["question"]
    tree = Tree(Text(f"{question['question_id']}  {_state(question)}", style="bold"))
    for seed in story["seeds"]:
        licence = seed["licence"] or "unknown licence"
        line = f"seed {seed['seed_id']}  {seed['source']} {seed['revision'] or ''}  {licence}"
        tree.add(_text(line)).add(_text(seed["text"]))
    for source in story["imported_from"]:
        claim = f"  the file says: {source['claim']}" if source["claim"] else ""
        tree.add(_text(f"row {source['row']} of {source['path']}  {source['licence'] or 'unknown licence'}{claim}"))
    asked = tree.add(
        _text(
            f"asked {question['provider']}/{question['model']}, prompt {question['prompt_index']}, "
            f"version {question['prompt_version']}  {_paid(story['asked'])}"
        )
    )
    asked.add(_text(question["text"] or question["detail"] or "no answer yet"))
    if story["collided_with"]:
        collided = story["collided_with"]
        tree.add(
            _text(
                "collided with "
                + " ".join(str(value) for value in collided.values())
                + f", similarity {question['similarity'] or question['benchmark_similarity']}"
            )
        )
    trials = tree.add(_text(f"{len(story['trials'])} trials"))
    for trial in story["trials"]:
        covered = f"  coverage {trial['coverage']:.0f} %" if trial["coverage"] is not None else ""
        trials.add(
            _text(
                f"attempt {trial['attempt']}  {_state(trial)}{covered}  {trial['model']}  "
                f"{_paid([trial['call']])}  {trial['message'] or ''}"
            )
        )
    for triplet in story["triplets"]:
        label = f"  {triplet['difficulty']}  passes {triplet['pass_sequence']}" if triplet["difficulty"] else ""
        branch = tree.add(_text(f"{triplet['triplet_id']}  {triplet['style']}  {_state(triplet)}{label}"))
        for entry in triplet["tries"] or ():
            branch.add(
                _text(f"try {entry.get('attempt')}  {entry['reason'] or 'proven'}  {entry.get('message') or ''}")
            )
        for response in story["responses"]:
            if response["triplet_id"] == triplet["triplet_id"]:
                branch.add(
                    _text(
                        f"response {response['attempt']} of {response['model']}  {_state(response)}  "
                        f"{_paid([response['call']])}  {response['message'] or ''}"
                    )
                )
        for item in story["releases"]:
            if item["triplet_id"] == triplet["triplet_id"]:
                branch.add(_text(f"in release {item['release_id']}  {item['format']}  {item['split']}"))
    return tree


def _state(row: dict[str, Any]) -> str:
    return row["status"] if not row.get("reason") else f"{row['status']}: {row['reason']}"


def _paid(calls: list[dict[str, Any] | None]) -> str:
    known = [call for call in calls if call]
    tokens = sum(call["input_tokens"] + call["output_tokens"] for call in known)
    costs = [call["cost_usd"] for call in known]
    return f"{tokens} tokens, {'price unknown' if None in costs else f'${sum(costs):.4f}'}" if known else ""


def _text(value: str) -> Text:
    return Text(cut(cell(value)))
