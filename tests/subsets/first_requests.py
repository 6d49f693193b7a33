"""Prints the request hashes of the first prompts of every subset, from 30 seeds: a process that is another machine."""

from __future__ import annotations

import json

from tasks.subsets import SUBSETS, Seed, choose_seeds, propose_request, seed_id


def hashes() -> dict[str, list[str]]:
    found = {}
    for spec in SUBSETS.values():
        seeds = (Seed(f"Text number {n}", f"source {n}") for n in range(30))
        by_id = {seed_id(spec.name, seed.text): seed for seed in seeds}
        found[spec.name] = [
            propose_request(spec, [by_id[key] for key in choose_seeds(spec, set(by_id), i)], i, "p", "m", raw)[0].hash
            for i in range(20)
            for raw in (True, False)
        ]
    return found


if __name__ == "__main__":
    print(json.dumps(hashes()))
