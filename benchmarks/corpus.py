"""The development corpus as benchmarks read it, and the fixed list of rollouts that throughput is measured on."""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpora" / "chartmimic-dev.jsonl.gz"
ROLLOUTS = Path(__file__).with_name("rollouts.json")


@dataclass(frozen=True, slots=True)
class Rollout:
    """One model output for one reference of the corpus, with the scores that ChartMimic recorded for it."""

    reference: str
    policy: str
    code: str
    chartmimic: dict[str, dict[str, float]]


def read() -> list[dict[str, Any]]:
    """All lines of the corpus. Raises FileNotFoundError with the place where it was looked for."""
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def references() -> dict[str, str]:
    """Golden scripts by name."""
    return {row["reference"]: row["code"] for row in read() if row["kind"] == "reference"}


def rollouts() -> list[Rollout]:
    """Every rollout that has code."""
    return [
        Rollout(row["reference"], row["policy"], row["code"], row["chartmimic"])
        for row in read()
        if row["kind"] == "rollout" and row["code"]
    ]


def measured_rollouts() -> list[Rollout]:
    """The 300 rollouts of `rollouts.json`: drawn by seed among those that run, at least eight a reference."""
    wanted = {(reference, policy) for reference, policy in json.loads(ROLLOUTS.read_text())}
    return [one for one in rollouts() if (one.reference, one.policy) in wanted]


def draw(running: set[tuple[str, str]], *, total: int = 300, group: int = 10, seed: int = 20261123) -> list[list[str]]:
    """Pick `total` rollouts of the `running` ones, `group` to a reference; the list that `rollouts.json` holds."""
    by_reference: dict[str, list[str]] = defaultdict(list)
    for reference, policy in sorted(running):
        by_reference[reference].append(policy)
    names = sorted(name for name, policies in by_reference.items() if len(policies) >= group)
    chance = random.Random(seed)
    chance.shuffle(names)
    return [
        [name, policy]
        for name in names[: total // group]
        for policy in sorted(chance.sample(by_reference[name], group))
    ]
