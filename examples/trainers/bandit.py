"""Does the reward teach? REINFORCE over a softmax policy that picks among real rollouts, without any language model.

    python examples/trainers/bandit.py --url http://127.0.0.1:8000 --out docs/images/bandit.png

For each of a few references of the development corpus the policy holds one logit for each rollout that real models wrote
for it. Each step it samples rollouts, has them scored, and moves its logits by the advantage over the group's mean, as
GRPO does. The mean reward of what it samples must rise, and so must GPT-4o's rating of it, which it never sees.
"""

import argparse
import gzip
import json
import random
from math import exp
from pathlib import Path

from chartreward.client import RewardClient

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "chartmimic-dev.jsonl.gz"


def groups(path: Path, references: int, rollouts: int, seed: int) -> list[tuple[str, list[dict]]]:
    """(reference code, rated rollouts) for a random choice of references."""
    codes, written = {}, {}
    with gzip.open(path, "rt") as lines:
        for record in map(json.loads, lines):
            if record["kind"] == "reference":
                codes[record["reference"]] = record["code"]
            elif record["code"] and record["gpt4o"]:
                written.setdefault(record["reference"], []).append(record)
    rng = random.Random(seed)
    names = rng.sample(sorted(name for name in codes if len(written.get(name, [])) >= rollouts), references)
    return [(codes[name], rng.sample(written[name], rollouts)) for name in names]


def softmax(logits: list[float]) -> list[float]:
    top = max(logits)
    weights = [exp(logit - top) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def train(client: RewardClient, chosen: list[tuple[str, list[dict]]], steps: int, samples: int, rate: float, seed: int):
    """Yield (mean reward, mean GPT-4o rating) of the rollouts that each step sampled."""
    rng = random.Random(seed)
    logits = [[0.0] * len(rollouts) for _, rollouts in chosen]
    for _ in range(steps):
        drawn = [rng.choices(range(len(row)), softmax(row), k=samples) for row in logits]
        items = [
            {"code": rollouts[pick]["code"], "reference": code}
            for (code, rollouts), picks in zip(chosen, drawn, strict=True)
            for pick in picks
        ]
        rewards = [result.normalized for result in client.score(items)]
        if None in rewards:
            raise SystemExit("the service could not score everything")
        ratings = [
            rollouts[pick]["gpt4o"]["gpt4v_score"]
            for (_, rollouts), picks in zip(chosen, drawn, strict=True)
            for pick in picks
        ]
        yield sum(rewards) / len(rewards), sum(ratings) / len(ratings)
        for number, picks in enumerate(drawn):
            group = rewards[number * samples : (number + 1) * samples]
            mean = sum(group) / samples
            chances = softmax(logits[number])
            for pick, reward in zip(picks, group, strict=True):
                for other in range(len(chances)):
                    gradient = (other == pick) - chances[other]  # of log softmax
                    logits[number][other] += rate * (reward - mean) * gradient


def plot(curve: list[tuple[float, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    steps = range(1, len(curve) + 1)
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    axes.plot(steps, [reward for reward, _ in curve], label="ChartReward (what the policy is trained on)")
    axes.plot(steps, [rating for _, rating in curve], label="GPT-4o's rating (which it never sees)", linestyle="--")
    axes.set(xlabel="step", ylabel="mean over the sampled rollouts", ylim=(0, 1))
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--references", type=int, default=12)
    parser.add_argument("--rollouts", type=int, default=12)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", type=Path, help="write the curve as [[reward, rating], ...]")
    given = parser.parse_args()
    chosen = groups(given.corpus, given.references, given.rollouts, given.seed)
    curve = []
    with RewardClient(given.url) as client:
        client.wait_for_ready()
        for step, point in enumerate(train(client, chosen, given.steps, given.samples, given.rate, given.seed), 1):
            curve.append(point)
            if step % 10 == 0 or step == 1:
                print(f"step {step:3}: mean reward {point[0]:.3f}, GPT-4o's rating {point[1]:.3f}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(curve))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        plot(curve, given.out)


if __name__ == "__main__":
    main()
