"""Run in the trainers' own environment by test_consumers.py: verl's dataset and reward, LLaMA-Factory's loader."""

import asyncio
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch
from llamafactory.data.loader import _load_single_dataset
from llamafactory.data.parser import get_dataset_list
from llamafactory.hparams import DataArguments, ModelArguments
from omegaconf import OmegaConf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Seq2SeqTrainingArguments
from verl import DataProto
from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager
from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn

TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"


def bytes_as_tokens() -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=TEMPLATE)


async def rewards(dataset: RLHFDataset, tokenizer: PreTrainedTokenizerFast, reward: str, answers: list[str]):
    spec = importlib.util.spec_from_file_location("reward", reward)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    manager = NaiveRewardManager(OmegaConf.create({}), tokenizer, module.compute_score)
    found = []
    for answer in answers:
        row = collate_fn([dataset[0]])
        ids = torch.tensor([tokenizer.encode(answer, add_special_tokens=False)])
        tensors = {"responses": ids, "attention_mask": torch.ones_like(ids)}
        others = {name: value for name, value in row.items() if isinstance(value, np.ndarray)}
        found.append((await manager.run_single(DataProto.from_dict(tensors, non_tensors=others)))["reward_score"])
    return found


def main(release: Path, work: Path, reward: str, answers: list[str]) -> dict:
    tokenizer = bytes_as_tokens()
    options = {"cache_dir": str(work / "verl"), "max_prompt_length": 4096, "filter_overlong_prompts_workers": 1}
    files = sorted(str(path) for path in (release / "verl" / "train").iterdir())
    dataset = RLHFDataset(files, tokenizer, OmegaConf.create(options))
    (attributes,) = get_dataset_list(["kodcode_train"], str(release / "sharegpt"))
    arguments = DataArguments(dataset="kodcode_train", dataset_dir=str(release / "sharegpt"))
    training = Seq2SeqTrainingArguments(output_dir=str(work / "out"), use_cpu=True)
    model = ModelArguments(model_name_or_path="none", cache_dir=str(work / "cache"))
    aligned = _load_single_dataset(attributes, model, arguments, training)
    return {
        "rows": len(dataset),
        "prompt": dataset[0]["raw_prompt"],
        "rewards": asyncio.run(rewards(dataset, tokenizer, reward, answers)),
        "aligned": [[row["_prompt"], row["_response"]] for row in aligned],
    }


print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:]), default=list))
