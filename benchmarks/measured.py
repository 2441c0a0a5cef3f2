"""The fixed list of rollouts that throughput is measured on, and how it was drawn."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path

from benchmarks import corpus
from benchmarks.corpus import Rollout

ROLLOUTS = Path(__file__).with_name("rollouts.json")


def measured_rollouts() -> list[Rollout]:
    """The 300 rollouts of `rollouts.json`: drawn by seed among those that run, ten a reference."""
    wanted = {(reference, policy) for reference, policy in json.loads(ROLLOUTS.read_text())}
    return [one for one in corpus.rollouts() if (one.reference, one.policy) in wanted]


def draw(running: set[tuple[str, str]], *, total: int = 300, group: int = 10, seed: int = 20261123) -> list[list[str]]:
    """Pick `total` of the `running` (reference, policy) pairs, `group` to a reference: how rollouts.json was made."""
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
