"""Run in the consumers' own environment by test_consumers.py: loads a release's folder by what its card says."""

import json
import sys

from datasets import get_dataset_config_names, load_dataset

folder, cache = sys.argv[1:]
seen = {}
for name in get_dataset_config_names(folder):
    splits = load_dataset(folder, name, cache_dir=cache)
    seen[name] = {split: len(rows) for split, rows in splits.items()}
default = load_dataset(folder, cache_dir=cache, split="train").column_names
print(json.dumps({"configs": seen, "default": default}))
