"""A numbered, immutable dataset of what is verified now."""

from __future__ import annotations

from typing import Annotated

from prefect import flow, runtime
from pydantic import Field

from tasks.options import SubsetName, chosen_subsets
from tasks.release import Released, make_release
from tasks.run import recorded_run
from tasks.selection import Filters

Tokens = Annotated[int, Field(ge=1)]


@flow(name="release", flow_run_name="release")
async def release(
    subsets: list[SubsetName] = [],
    canned: bool = False,
    classes: bool = True,
    max_response_tokens: Tokens | None = None,
) -> Released:
    """Write the dataset as Parquet (KodCode-V1 and SFT layouts) with a manifest. Nothing new makes no new number.

    Args:
        subsets: Which subsets; all 12 if empty.
        canned: Release the answers of the offline teacher instead of real ones.
        classes: Whether triplets whose test builds a class are among them.
        max_response_tokens: Leave out reasoning answers that took more tokens, reasoning included.
    """
    names = chosen_subsets(subsets)
    filters = Filters(classes, max_response_tokens)
    parameters = {"subsets": names, "canned": canned, **filters.stated()}
    async with recorded_run("release", parameters, runtime.flow_run.id):
        return await make_release(names, canned, filters)
