"""Training recipes for SFT with the paper's hyper-parameters (arXiv 2503.02951), beside the rows that they train on.

Learning rate 1e-5, cosine, 100 warm-up steps, sequences of 16384 tokens, 128 sequences a step; 2 epochs above 20,000
rows, else 3. The step is reached on 8 devices; on fewer, raise gradient_accumulation_steps. Relative paths: run the
trainer in the recipe's folder.
"""

from __future__ import annotations

from collections.abc import Mapping

LLAMA_FACTORY_FILE = "llama_factory_sft.yaml"
TRL_FILE = "trl_sft.yaml"
MODEL = "Qwen/Qwen2.5-Coder-32B-Instruct"
DEVICES = 8
BATCH = 128
EPOCHS_CHANGE_AT = 20_000

_SHARED: Mapping[str, str] = {
    "learning_rate": "1.0e-5",
    "lr_scheduler_type": "cosine",
    "warmup_steps": "100",
    "per_device_train_batch_size": "1",
    "gradient_accumulation_steps": str(BATCH // DEVICES),
    "gradient_checkpointing": "true",
    "bf16": "true",
}


def epochs(rows: int) -> int:
    """The paper's number of epochs for so many rows."""
    return 2 if rows > EPOCHS_CHANGE_AT else 3


def llama_factory(release: int, dataset: str, rows: int) -> bytes:
    """For `llamafactory-cli train`; `dataset` is a name in the dataset_info.json of the same folder."""
    options = {
        "model_name_or_path": MODEL,
        "stage": "sft",
        "do_train": "true",
        "finetuning_type": "full",
        "template": "qwen",
        "dataset_dir": ".",
        "dataset": dataset,
        "cutoff_len": "16384",
        **_SHARED,
        "num_train_epochs": str(epochs(rows)),
    }
    return _document(release, rows, f"llamafactory-cli train {LLAMA_FACTORY_FILE}", options)


def trl(release: int, folder: str, rows: int) -> bytes:
    """For `trl sft --config`; `folder` holds the training split."""
    options = {
        "model_name_or_path": MODEL,
        "dataset_name": f"./{folder}",
        "dataset_train_split": "train",
        "max_length": "16384",
        "assistant_only_loss": "true",
        **_SHARED,
        "num_train_epochs": str(epochs(rows)),
    }
    return _document(release, rows, f"trl sft --config {TRL_FILE}", options)


def _document(release: int, rows: int, command: str, options: Mapping[str, str]) -> bytes:
    name = f"kodcode-release-{release:06d}"
    lines = [
        f"# {name}: {rows} rows. {command}",
        f"# {BATCH} sequences a step on {DEVICES} devices.",
        *(f"{key}: {value}" for key, value in options.items()),
        f"run_name: {name}",
        f"output_dir: {name}",
    ]
    return ("\n".join(lines) + "\n").encode()
