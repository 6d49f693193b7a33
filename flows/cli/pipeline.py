"""The commands that make data: demo, run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from flows.cli.conduct import Left, complain, conducted, prefect_ui, rows_left
from flows.cli.context import AsJson, DataDir, console, note, opened, settings_for
from flows.cli.display import cost, funnel_table, table
from flows.cli.errors import UsageError
from flows.cli.options import Benchmarks, Select, SelectChoice, Subsets, TrialTimeout
from tasks.history import funnel
from tasks.llm import PriceTable
from tasks.llm.offline import bank_size
from tasks.options import Style, Teacher, chosen_subsets, solve_budgets
from tasks.screening import DEMO_BENCHMARK
from tasks.settings import Settings
from tasks.subsets import SUBSETS


class ProviderChoice(StrEnum):
    openai = "openai"
    anthropic = "anthropic"
    offline = "offline"


class ModeChoice(StrEnum):
    online = "online"
    batch = "batch"
    auto = "auto"


class StyleChoice(StrEnum):
    complete = "complete"
    online_judge = "online_judge"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run leaves: numbers, files, and where to look."""

    subsets: dict[str, Any]
    release: dict[str, Any] | None  # none where nothing is verified yet
    prefect_ui: str

    def as_json(self) -> str:
        rows = {name: asdict(row) for name, row in self.subsets.items()}
        return json.dumps({"subsets": rows, "release": self.release, "prefect_ui": self.prefect_ui})


def demo(
    questions_per_subset: Annotated[
        int, typer.Option(min=1, help="Questions that the canned teacher is asked for in each of the 12 subsets.")
    ] = 3,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a small dataset with the real pipeline and a canned teacher: no key, no network, about a minute."""
    known = {name: bank_size(name) for name in SUBSETS}
    if questions_per_subset > min(known.values()):
        raise UsageError(
            f"The canned teacher knows {min(known.values())} questions a subset, not {questions_per_subset}. For "
            "more, use a real one: OPENAI_API_KEY=... kodcode run --subset leetcode --questions 100."
        )
    # The canned endless loops need not run for long; five attempts let some questions turn out hard.
    os.environ.setdefault("KODCODE_TRIAL_TIMEOUT_S", "5")
    settings = settings_for(data_dir, demo=True, provider="offline")
    if not as_json:
        console.print(
            "The teacher of this demo is [bold]canned[/bold]: its questions, solutions, conversions and reasoning "
            "were written beforehand and lie in tasks/llm/offline/bank. All else is real: the servers, the flows, the "
            "screening, every execution in the sandbox.\n",
            soft_wrap=True,
        )
    started = time.monotonic()
    outcome, left = carry_out(
        settings,
        list(SUBSETS),
        "nightly",
        questions=questions_per_subset,
        attempts=5,
        teacher=Teacher(provider="offline"),
        benchmarks=[str(DEMO_BENCHMARK)],
    )
    if as_json:
        print(outcome.as_json())
    else:
        _show(outcome, settings, time.monotonic() - started)
        console.print(
            "\nWith a real teacher:\n"
            "  OPENAI_API_KEY=... ./kodcode run --subset leetcode --questions 100\n"
            "  ./kodcode run --subset leetcode --questions 100 --base-url http://localhost:8000/v1 --model MODEL "
            "--price 0\n"
            "  ANTHROPIC_API_KEY=... ./kodcode run --provider anthropic --model MODEL --subset leetcode\n",
            soft_wrap=True,
        )
    complain(left)


def run(
    subset: Subsets = [],
    questions: Annotated[
        int | None, typer.Option(min=1, help="Questions each subset shall hold from this teacher.", show_default="100")
    ] = None,
    target_verified: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Instead of --questions: propose until each subset holds so many verified questions, or the budget "
            "or what the teacher makes of the seeds ends.",
        ),
    ] = None,
    attempts: Annotated[int, typer.Option(min=1, max=10, help="Solution-and-test attempts a question, at most.")] = 3,
    initial: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10,
            show_default="all",
            help="Attempts of every question; more go where none passed or the difficulty is uncertain.",
        ),
    ] = None,
    solver: Annotated[
        list[str],
        typer.Option(help="Model that solves; may be repeated, cheapest first: the next takes over what is unsolved."),
    ] = [],
    solve_budget: Annotated[
        list[str],
        typer.Option(help="SUBSET=ATTEMPTS or SUBSET=$USD: what a subset's attempts may come to; may be repeated."),
    ] = [],
    responses: Annotated[int, typer.Option(min=1, max=100, help="Reasoning responses a triplet.")] = 3,
    style: Annotated[
        list[StyleChoice], typer.Option(help="Styles to convert to; may be repeated. Both where none is named.")
    ] = [],
    provider: Annotated[
        ProviderChoice | None, typer.Option(help="Whose API is spoken.", show_default="openai")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The teacher: questions, solutions, tests, conversions.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Of an OpenAI-compatible server, including /v1.")] = None,
    base_model: Annotated[
        list[str],
        typer.Option(
            help="MODEL or MODEL=TEMPLATE (chatml, llama3 ...): completes chat templates for Prefill and Filter; may "
            "be repeated, then they take turns.",
            show_default="the teacher",
        ),
    ] = [],
    annotator: Annotated[
        str | None,
        typer.Option(
            help="Judges category, difficulty and clarity of every proposed question and rejects the bad.",
            show_default="the teacher, in Filter only",
        ),
    ] = None,
    reasoning_model: Annotated[
        str | None, typer.Option(help="Writes the reasoning responses.", show_default="the teacher")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Requests in flight.", show_default="32")
    ] = None,
    mode: Annotated[
        ModeChoice | None,
        typer.Option(
            help="online; batch: by the provider's batch API, cheaper and within a day; auto: batches where many "
            "requests are ready together, and online what they leave over.",
            show_default="online",
        ),
    ] = None,
    price: Annotated[
        list[str],
        typer.Option(
            help="[MODEL=]INPUT:OUTPUT in dollars per million tokens, for a model whose price is not known; 0 for a "
            "server of your own; may be repeated."
        ),
    ] = [],
    budget: Annotated[
        list[str],
        typer.Option(
            help="Dollars that this run may spend at most, or day=USD (UTC, all runs), STAGE=USD, SUBSET=USD; may be "
            "repeated."
        ),
    ] = [],
    seeds: Annotated[
        str | None,
        typer.Option(help="JSONL, Parquet or CSV file, s3:// or hf:// address; needs exactly one --subset."),
    ] = None,
    benchmark: Benchmarks = [],
    select: Select = SelectChoice.trust,
    timeout: TrialTimeout = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Answer from the ledger only; stop where an answer is missing.")
    ] = False,
    forecast: Annotated[
        bool, typer.Option("--forecast", help="Only say what the run would still ask and cost.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Run the pipeline with a real teacher, or continue it: what is stored is not asked and not paid again.

    Keys come from OPENAI_API_KEY or ANTHROPIC_API_KEY. Exit status 3 says that some rows failed for reasons of
    infrastructure and wait for the next run, 4 that a budget was reached: all answers are kept, and the same command
    with a higher --budget continues.
    """
    names = chosen_subsets(subset)
    if seeds and len(names) != 1:
        raise UsageError("--seeds belongs to one subset: name it with --subset.")
    if questions is not None and target_verified is not None:
        raise UsageError("--questions and --target-verified say two things about how many: give one of them.")
    if forecast and target_verified is not None:
        raise UsageError("--forecast goes by --questions: what --target-verified takes shows on the way.")
    questions = questions or 100
    if timeout is not None:
        os.environ["KODCODE_TRIAL_TIMEOUT_S"] = str(timeout)
    settings = settings_for(data_dir)
    teacher = Teacher(
        provider=provider.value if provider else None,
        model=model,
        base_url=base_url,
        base_model=",".join(base_model) or None,
        annotator=annotator,
        reasoner=reasoning_model,
        max_concurrency=concurrency,
        prices=price,
        budget=budget,
        replay=replay,
        mode=mode.value if mode else None,
    )
    styles: list[Style] = [choice.value for choice in style] or ["complete", "online_judge"]
    if forecast:
        _forecast(settings, teacher, as_json, names, questions, attempts, styles, responses)
        return
    if not as_json and not benchmark:
        note("No --benchmark is given: questions are not compared with benchmark problems.")
    started = time.monotonic()
    outcome, left = carry_out(
        settings,
        names,
        "nightly",
        questions=questions,
        target_verified=target_verified,
        attempts=attempts,
        initial=initial,
        models=solver,
        budgets=solve_budgets(solve_budget),
        responses=responses,
        styles=styles,
        teacher=teacher,
        seeds=seeds,
        benchmarks=[str(path) for path in benchmark],
        select=select.value,
    )
    if as_json:
        print(outcome.as_json())
    else:
        _show(outcome, settings, time.monotonic() - started)
    complain(left)


def _forecast(settings: Settings, teacher: Teacher, as_json: bool, *plan: Any) -> None:
    from tasks.forecast import Plan, forecast  # noqa: PLC0415 - slow to import, and Prefect with it

    prices = PriceTable.load(settings.prices, teacher.prices)
    with opened(settings) as backends:
        found = forecast(backends.engine, Plan(*plan), teacher.resolved(settings), prices)
    if as_json:
        print(json.dumps(found.as_json()))
        return
    rows = [
        (one["stage"], one["model"], one["calls"], one["input_tokens"], one["output_tokens"], cost(one["usd"]))
        for one in found.as_json()["stages"]
    ]
    console.print(table("", ("stage", "model", "calls", "input tokens", "output tokens", "cost"), rows))
    console.print(found.sentence(), soft_wrap=True, markup=False)


def carry_out(settings: Settings, names: Sequence[str], flow: str, **parameters: Any) -> tuple[Outcome, Left]:
    """Run a flow that ends in a release, and gather what it left; and how many rows failed."""
    teacher = parameters.get("teacher", Teacher()).resolved(settings)
    canned = parameters.get("canned", teacher.provider == "offline")
    with conducted(settings, flow, canned, names, **parameters) as (backends, released):
        made = {"path": released.path, "rows": released.rows} if released else None
        outcome = Outcome(funnel(backends.engine, names), made, prefect_ui(backends))
        return outcome, rows_left(backends)


def _show(outcome: Outcome, settings: Settings, seconds: float) -> None:
    console.print(funnel_table(outcome.subsets))
    folder = f"--data-dir {settings.data_dir} "
    made = outcome.release or {"rows": 0, "path": "none yet"}
    console.print(
        f"\n{made['rows']} verified triplets in {seconds:.0f} s\n"
        f"  Parquet     {made['path']}\n"
        f"  Prefect UI  {outcome.prefect_ui}\n"
        f'  SQL         ./kodcode sql {folder}"select * from v_trials limit 5"\n'
        f"  psql        ./kodcode psql {folder.rstrip()}\n"
        f"  one row     ./kodcode why {folder}{next(iter(outcome.subsets))}_00000000\n"
        f"  stop        ./kodcode down {folder.rstrip()}",
        soft_wrap=True,
        markup=False,
    )
