"""Run in the consumers' own environment by test_consumers.py: loads files as trainers do and tells what it saw."""

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
from datasets import load_dataset
from trl.data_utils import extract_prompt, is_conversational

LOADERS = {".parquet": "parquet", ".jsonl": "json"}


def rows(folder: Path, cache: str):
    files = sorted(str(path) for path in folder.iterdir())
    return load_dataset(LOADERS[Path(files[0]).suffix], data_files=files, cache_dir=cache, split="train")


def has_rows(split: Path) -> bool:
    """Whether a folder is a split that `datasets`, which refuses to load nothing, can load."""
    return any(
        pq.read_metadata(path).num_rows if path.suffix == ".parquet" else path.stat().st_size
        for path in split.glob("part-*")
    )


def main(release: Path, cache: str) -> None:
    seen = {
        f"{format.name}/{split.name}": rows(split, cache).to_list()
        for format in sorted(release.iterdir())
        if format.is_dir()
        for split in sorted(format.iterdir())
        if split.is_dir() and has_rows(split)
    }
    for name in ("messages/train", "messages-jsonl/train", "dpo/train"):
        assert all(is_conversational(row) for row in seen[name]), name
    for row in seen["dpo/train"]:
        whole = {name: row["prompt"] + row[name] for name in ("chosen", "rejected")}
        assert extract_prompt(whole) == {name: row[name] for name in ("prompt", "chosen", "rejected")}
    info = json.loads((release / "sharegpt" / "dataset_info.json").read_text())
    for entry in info.values():
        assert rows(release / "sharegpt" / entry["file_name"], cache).column_names[0] == entry["columns"]["messages"]
    print(json.dumps(seen))


main(Path(sys.argv[1]), sys.argv[2])
