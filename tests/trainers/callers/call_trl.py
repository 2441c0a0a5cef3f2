"""TRL: `GRPOTrainer._calculate_rewards` of a real trainer calls both kinds of function. Runs where TRL is installed."""

import json
import math
import sys
from pathlib import Path

given = json.loads(sys.argv[1])
sys.path.insert(0, str(Path(__file__).parents[3] / "examples" / "trainers"))

from datasets import Dataset
from grpo_tiny import make_model
from PIL import Image
from trl import GRPOConfig, GRPOTrainer

from chartreward.trainers.trl import async_chart_reward, chart_reward

model, tokenizer = make_model()
trainer = GRPOTrainer(
    model=model,
    processing_class=tokenizer,
    reward_funcs=[chart_reward(name="plain"), async_chart_reward(name="async")],
    train_dataset=Dataset.from_list([{"prompt": "<bars>", "reference": given["label"]}]),
    args=GRPOConfig(output_dir=given["folder"], num_generations=2, report_to="none", use_cpu=True, bf16=False),
)
texts = given["texts"]
picture = Image.new("RGB", (4, 4))
inputs = [{"prompt": "<bars>", "image": picture, "reference": given["label"]} for _ in texts]
kinds = {"text": texts, "messages": [[{"role": "assistant", "content": text}] for text in texts]}
found = {}
for name, completions in kinds.items():
    rewards = trainer._calculate_rewards(inputs, ["<bars>"] * len(texts), completions, [[1]] * len(texts))
    found[name] = [[None if math.isnan(value) else value for value in row] for row in rewards.tolist()]
logged = getattr(trainer, "_pending_metrics", None) or {**trainer._metrics["train"]}
print(json.dumps({"rewards": found, "logged": {key: list(map(float, value)) for key, value in logged.items()}}))
