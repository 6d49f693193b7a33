"""Benchmarks that came later: what was accepted earlier is compared with all of them, without asking a model."""

from __future__ import annotations

import asyncio

from prefect import flow, runtime

from flows.names import named
from tasks.options import BenchmarkFile, BenchmarkThresholds, SubsetName, chosen_subsets
from tasks.run import recorded_run
from tasks.screen import compare_with_benchmarks, store_benchmarks
from tasks.screening import Policy
from tasks.summary import publish_funnel


@flow(name="decontaminate", flow_run_name=named("decontaminate {subsets}, {benchmarks} added"))
async def decontaminate(
    benchmarks: list[BenchmarkFile] = [],
    subsets: list[SubsetName] = [],
    policy: Policy = "use_with_caution",
    thresholds: BenchmarkThresholds = BenchmarkThresholds(),
) -> dict[str, int]:
    """Check every accepted question, and its solutions, against benchmarks; no model is asked.

    What is found keeps its place and is released in the split use_with_caution, or is rejected where it has no trials.

    Args:
        benchmarks: JSONL or Parquet files that are stored first: HumanEval, MBPP, BigCodeBench, LiveCodeBench, own.
            They lie where the flow runs. Empty: those that are stored already.
        subsets: Which subsets; all 12 if empty.
        policy: use_with_caution marks what is found; reject also rejects questions that have no trials yet.
        thresholds: From where a question counts as contaminated.
    """
    names = chosen_subsets(subsets)
    parameters = {"benchmarks": benchmarks, "subsets": names, "policy": policy, "thresholds": thresholds.asked()}
    async with recorded_run("decontaminate", parameters, runtime.flow_run.id) as run:
        await asyncio.to_thread(store_benchmarks, run.engine, benchmarks)
        found = await compare_with_benchmarks(names, policy, thresholds.asked())
        await publish_funnel("decontaminate", names)
    return found
