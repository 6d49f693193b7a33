"""A numbered, immutable dataset of what is verified now."""

from __future__ import annotations

from prefect import flow, runtime

from tasks.options import ReleaseFilters, SubsetName, chosen_subsets
from tasks.release import Released, make_release
from tasks.run import recorded_run


@flow(name="release", flow_run_name="release")
async def release(
    subsets: list[SubsetName] = [], canned: bool = False, filters: ReleaseFilters = ReleaseFilters()
) -> Released:
    """Write the dataset as Parquet (KodCode-V1 and SFT layouts) with a manifest. Nothing new makes no new number.

    Args:
        subsets: Which subsets; all 12 if empty.
        canned: Release the answers of the offline teacher instead of real ones.
        filters: What is left out: pairs that are not believed enough, classes, long answers.
    """
    names = chosen_subsets(subsets)
    parameters = {"subsets": names, "canned": canned, **filters.asked()}
    async with recorded_run("release", parameters, runtime.flow_run.id):
        return await make_release(names, canned, filters)
