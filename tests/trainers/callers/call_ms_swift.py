"""ms-swift: the plugin registers itself in the real `orms`, `compute_rewards_per_func` calls it, a new loop a step."""

import json
import sys
from importlib import import_module
from pathlib import Path

from stand_ins import bare, stub

folder, given = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, folder)
dataset = bare("swift.dataset", Path(folder) / "swift" / "dataset")
stub("swift.infer_engine", "dacite", "datasets", "modelscope", "transformers", "peft", "json_repair", "pandas")

import torch
from swift.dataset.preprocessor.core import RowPreprocessor
from swift.rewards import ORM, AsyncORM, orms
from swift.rl_core.data import GRPOSample
from swift.rl_core.grpo_algorithm import compute_rewards_per_func

dataset.RowPreprocessor = RowPreprocessor  # as swift.dataset's own __init__ has it
import_module("chartreward.trainers.ms_swift")  # what `--external_plugins plugin.py` does

assert issubclass(orms["chartreward"], ORM) and issubclass(orms["chartreward_async"], AsyncORM)
samples = [
    GRPOSample(messages=[{"role": "assistant", "content": text}], extra={"solution": given["label"]})
    for text in given["texts"]
]
rewards = {}
for step, name in enumerate(("chartreward", "chartreward_async", "chartreward_async")):
    function = orms[name](args=None)
    got = compute_rewards_per_func(samples, [function], None, torch.device("cpu"), trainer_state=object())
    rewards[f"{step} {name}"] = got[:, 0].tolist()
print(json.dumps(rewards))
