"""One trainer step, 128 prompts x 8 rollouts, through the client: seconds a step, and how long the GPUs wait for them.

    python -m benchmarks.trainer_step --generation-s 30 --generation-s 120

Two ways to use the service. Blocking (TRL, ms-swift, EasyR1): generate everything, then score everything; the GPUs wait
for the whole of `step_s`, a share of step_s / (generation_s + step_s). Streaming (verl, AReaL, slime): each rollout is
scored as it is finished; measured with rollouts that finish evenly over `generation_s`, the GPUs wait from the last one
to its reward. Rollouts are real outputs of the development corpus, each made unique, so that no cache answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from benchmarks import corpus
from chartreward.client import AsyncRewardClient, RewardClient
from chartreward.embedded import Stack
from chartreward.models import ItemResult

Item = dict[str, str]


def step(prompts: int, rollouts: int, ids: dict[str, str], seed: int) -> list[Item]:
    """A generation batch: `rollouts` outputs for each of `prompts` references, none scored before."""
    by_reference: dict[str, list[str]] = defaultdict(list)
    for one in corpus.rollouts():
        by_reference[one.reference].append(one.code)
    rng = random.Random(seed)
    names = (rng.sample(sorted(ids), len(ids)) * (prompts // len(ids) + 1))[:prompts]  # there are 102
    return [
        {"code": f"{rng.choice(by_reference[name])}\n# {uuid4().hex}\n", "reference": ids[name]}
        for name in names
        for _ in range(rollouts)
    ]


def blocking(url: str, items: list[Item]) -> dict[str, Any]:
    """Score everything at once: seconds, and how the items ended."""
    with RewardClient(url) as client:
        started = time.perf_counter()
        results = client.score(items)
        return {"step_s": time.perf_counter() - started, "statuses": _statuses(results)}


def streaming(url: str, items: list[Item], generation_s: float) -> dict[str, Any]:
    """Score each as it is finished, evenly over `generation_s`: seconds from the last one to the last reward."""

    async def finished(client: AsyncRewardClient, number: int, item: Item) -> ItemResult:
        await asyncio.sleep(generation_s * (number + 1) / len(items))
        return await client.score_one(item)

    async def main() -> dict[str, Any]:
        async with AsyncRewardClient(url) as client:
            started = time.perf_counter()
            results = await asyncio.gather(*(finished(client, n, item) for n, item in enumerate(items)))
            waited = max(0.0, time.perf_counter() - started - generation_s)
            return {"waited_s": waited, "statuses": _statuses(results)}

    return asyncio.run(main())


def _statuses(results: list[ItemResult]) -> dict[str, int]:
    return dict(Counter(result.status.value for result in results))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run, on a stack of its own."""
    with Stack(workers=options.workers, env={"CHARTREWARD_LOG_LEVEL": "warning"}) as stack:
        golden = corpus.references()
        with RewardClient(stack.url) as client:
            ids = {name: client.register(code) for name, code in golden.items()}
            client.score([{"code": code, "reference": ids[name]} for name, code in golden.items()])  # references drawn
        batch = step(options.prompts, options.rollouts, ids, options.seed)
        found: dict[str, Any] = {
            "items": len(batch),
            "workers": options.workers,
            "blocking": blocking(stack.url, batch),
        }
        step_s = found["blocking"]["step_s"]
        found["per_s"] = len(batch) / step_s
        for generation_s in options.generation_s:
            fresh = step(options.prompts, options.rollouts, ids, options.seed)
            one = streaming(stack.url, fresh, generation_s)
            found[f"generation {generation_s:g} s"] = {
                "idle_blocking": step_s / (generation_s + step_s),
                "idle_streaming": one["waited_s"] / (generation_s + one["waited_s"]),
                **one,
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--rollouts", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--generation-s", type=float, action="append", help="may be given several times; default 120")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    options.generation_s = options.generation_s or [120.0]
    found = measure(options)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    console = Console()
    console.print(
        f"{found['items']} rollouts, {found['workers']} workers: {found['blocking']['step_s']:.1f} s a step, "
        f"{found['per_s']:.1f} rewards/s; {found['blocking']['statuses']}",
        highlight=False,
    )
    table = Table("generation", "GPUs wait, blocking", "GPUs wait, streaming")
    for generation_s in options.generation_s:
        one = found[f"generation {generation_s:g} s"]
        blocked = f"{found['blocking']['step_s']:.1f} s, {one['idle_blocking']:.0%}"
        table.add_row(f"{generation_s:g} s", blocked, f"{one['waited_s']:.1f} s, {one['idle_streaming']:.0%}")
    console.print(table)


if __name__ == "__main__":
    main()
