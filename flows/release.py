"""A numbered, immutable dataset of what is verified now."""

from __future__ import annotations

from prefect import flow, runtime

from tasks.options import SubsetName, TrustBounds, chosen_subsets
from tasks.release import Released, make_release
from tasks.run import recorded_run


@flow(name="release", flow_run_name="release")
async def release(
    subsets: list[SubsetName] = [], canned: bool = False, bounds: TrustBounds = TrustBounds()
) -> Released:
    """Write the dataset as Parquet (KodCode-V1 and SFT layouts) with a manifest. Nothing new makes no new number.

    Args:
        subsets: Which subsets; all 12 if empty.
        canned: Release the answers of the offline teacher instead of real ones.
        bounds: How far a pair must be believed to be released.
    """
    names = chosen_subsets(subsets)
    parameters = {"subsets": names, "canned": canned, "bounds": bounds.asked()}
    async with recorded_run("release", parameters, runtime.flow_run.id):
        return await make_release(names, canned, bounds)
