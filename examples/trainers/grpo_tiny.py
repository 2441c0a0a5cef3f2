"""A real GRPO run on a CPU: TRL, a tiny randomly initialised causal LM made on the spot, and a running ChartReward.

    pip install trl torch chartreward
    chartreward serve --port 8000 &
    python examples/trainers/grpo_tiny.py --url http://127.0.0.1:8000 --steps 40

The language is small enough to learn in a minute: each token is a line of a chart script. At first the model writes lines
in random order, most of which do not run; the reward teaches it to import first, to draw the right kind of chart with the
right numbers, and to label it. Rewards, signals and the mean over the run are printed and written to --log (JSON lines).
"""

import argparse
import json
import time
from pathlib import Path

from datasets import Dataset
from tokenizers import Tokenizer, decoders, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback, set_seed
from trl import GRPOConfig, GRPOTrainer

from chartreward.client import RewardClient
from chartreward.trainers.trl import async_chart_reward, chart_reward

IMPORT = "import matplotlib.pyplot as plt\n"
BARS = "plt.bar(['Q1', 'Q2', 'Q3'], [4, 7, 5], color='teal')\n"
LINE = "plt.plot([1, 2, 3, 4], [3, 1, 4, 2], color='crimson')\n"
REFERENCES = {
    "<bars>": IMPORT + BARS + "plt.title('Sales')\nplt.ylabel('million')\n",
    "<line>": IMPORT + LINE + "plt.title('Load')\nplt.xlabel('hour')\n",
}
LINES = [
    IMPORT,
    BARS,
    LINE,
    "plt.title('Sales')\n",
    "plt.title('Load')\n",
    "plt.ylabel('million')\n",
    "plt.xlabel('hour')\n",
    "plt.bar(['a', 'b'], [1, 2], color='black')\n",
    "plt.pie([1, 2, 3])\n",
    "plt.legend_of_zelda()\n",
    "Here is the chart.\n",
]


def make_model() -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """A two-layer Llama with random weights over a vocabulary of script lines."""
    words = ["<pad>", "<eos>", *REFERENCES, *LINES]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<pad>"))
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    return LlamaForCausalLM(config), fast


class Log(TrainerCallback):
    """Prints and keeps what TRL logs each step: rewards, and the signals that ChartReward's function logs."""

    def __init__(self, path: Path | None) -> None:
        self.rows: list[dict] = []
        self.path = path
        self.start = time.monotonic()

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if not logs or "reward" not in logs:
            return
        row = {"step": state.global_step, "seconds": round(time.monotonic() - self.start, 1)}
        row |= {
            key: round(float(value), 4) for key, value in logs.items() if key == "reward" or key.startswith("chart/")
        }
        self.rows.append(row)
        print(json.dumps(row), flush=True)
        if self.path:
            self.path.write_text("".join(json.dumps(row) + "\n" for row in self.rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--synchronous", action="store_true", help="use the plain reward function")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--folder", default="/tmp/grpo_tiny", help="TRL's output directory")
    given = parser.parse_args()
    set_seed(7)
    with RewardClient(given.url, key=given.key) as client:
        client.wait_for_ready()
        # Each reference is registered once; the dataset carries ids.
        rows = [{"prompt": prompt, "reference": client.register(code)} for prompt, code in REFERENCES.items()]
    model, tokenizer = make_model()
    log = Log(given.log)
    trainer = GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=(chart_reward if given.synchronous else async_chart_reward)(given.url, key=given.key),
        train_dataset=Dataset.from_list(rows * 64),
        args=GRPOConfig(
            output_dir=given.folder,
            per_device_train_batch_size=32,
            num_generations=16,
            max_completion_length=5,
            max_steps=given.steps,
            learning_rate=5e-3,
            lr_scheduler_type="constant",
            beta=0.0,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            bf16=False,
            disable_tqdm=True,
        ),
        callbacks=[log],
    )
    trainer.train()
    rewards = [row["reward"] for row in log.rows]
    tenth = max(1, len(rewards) // 10)
    print(f"steps logged: {len(rewards)} of {given.steps}")
    print(
        f"mean reward: first {tenth}: {sum(rewards[:tenth]) / tenth:.3f}, last {tenth}: {sum(rewards[-tenth:]) / tenth:.3f}"
    )


if __name__ == "__main__":
    main()
