"""verl: `load_reward_manager` loads the function as configured, `NaiveRewardManager.run_single` calls it."""

import asyncio
import json
import os
import sys

from stand_ins import stub

folder, given = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, folder)
stub("ray", "tensordict", "omegaconf", "transformers", "codetiming", "dill", "tqdm", "hydra", "peft", "pandas")

import numpy as np
import torch
from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager
from verl.trainer.ppo.reward import load_reward_manager


class Config(dict):
    __getattr__ = dict.__getitem__


class Tokenizer:
    def decode(self, ids, skip_special_tokens):
        return given["texts"][int(ids[0])]


class Row:
    """What `run_single` reads of a DataProto: one sample."""

    def __init__(self, number):
        self.batch = {"responses": torch.tensor([number, 0, 0]), "attention_mask": torch.tensor([1, 1, 0, 0])}
        self.non_tensor_batch = {
            "data_source": "charts",
            "reward_model": {"ground_truth": given["label"]},
            "extra_info": {"index": np.int64(number)},
            "__num_turns__": np.int32(2),
        }

    def __getitem__(self, item):
        return self


config = Config(
    reward=Config(
        custom_reward_function=Config(
            path="pkg://chartreward.trainers.verl",
            name="compute_score",
            reward_kwargs={"url": os.environ["CHARTREWARD_URL"], **given["kwargs"]},
        ),
        reward_manager=Config(source="register", name="naive"),
    )
)


async def main():
    manager = load_reward_manager(config, Tokenizer())
    assert type(manager) is NaiveRewardManager and manager.is_async_reward_score
    return await asyncio.gather(*(manager.run_single(Row(number)) for number in range(len(given["texts"]))))


results = asyncio.run(main())
infos = [result["reward_extra_info"] for result in results]
# AgentLoopWorker._postprocess takes the first sample's keys for all.
extra = {key: np.array([info[key] for info in infos]).tolist() for key in infos[0]}
print(json.dumps({"rewards": [result["reward_score"] for result in results], "extra": extra}))
