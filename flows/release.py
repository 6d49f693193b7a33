"""A numbered, immutable dataset of what is verified now."""

from __future__ import annotations

from typing import Annotated, Literal

from prefect import flow, runtime
from pydantic import Field

from flows.names import named
from tasks.filters import PresetName, ReleaseFilters
from tasks.options import Blank, FormatName, SubsetName, chosen_subsets
from tasks.release import Released, make_release
from tasks.run import recorded_run


@flow(name="release", flow_run_name=named("release {subsets}"))
async def release(
    subsets: list[SubsetName] = [],
    canned: bool = False,
    filters: ReleaseFilters = ReleaseFilters(),
    formats: list[FormatName] = [],
    prove_all: bool = False,
    preset: Literal["none", PresetName] | Blank = "none",
    number: Annotated[int, Field(ge=0)] | Blank = 0,
) -> Released:
    """Write the dataset with a manifest, in KodCode-V1's layout and others. Nothing new makes no new number.

    Args:
        subsets: Which subsets; all 12 if empty.
        canned: Release the answers of the offline teacher instead of real ones.
        filters: What is left out: pairs that are not believed enough, licences, styles; quotas and a sample.
        formats: What to write beside KodCode-V1 (tasks/formats/README.md); KodCode-V1-SFT if empty.
        prove_all: Execute the proof of every row of these formats before publishing, instead of a sample's.
        preset: Filters of a set of the paper, which fill what `filters` does not say.
        number: Fail where the release does not get this number; any if 0.
    """
    names = chosen_subsets(subsets)
    filters = filters.on(preset)
    parameters = {
        "subsets": names,
        "canned": canned,
        "formats": formats,
        "prove_all": prove_all,
        "number": number or None,
        **filters.asked(),
    }
    async with recorded_run("release", parameters, runtime.flow_run.id):
        return await make_release(names, canned, filters, formats, prove_all, number or None)
