"""Real code through the running service: does every item end, does the reward rise with recorded quality, is a chart
its own maximum? `python -m benchmarks.sanity --url http://127.0.0.1:8000` after `make run`.

quartiles: 300 random rollouts of the dev corpus; status counts, mean reward by quartile of ChartMimic's recorded mean.
gallery: 100 scripts of the matplotlib sdist's galleries/examples scored against themselves, twice.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks import corpus

CACHE = Path(__file__).resolve().parents[1] / ".cache"
SDIST = "matplotlib==3.8.4"
INTERACTIVE = ("event_handling", "user_interfaces", "widgets", "animation", "pyplots/pyplot_mathtext")


def post(
    http: httpx.Client, items: list[dict[str, Any]], references: dict[str, Any], profile: str
) -> list[dict[str, Any]]:
    """Score one batch and wait for all of it."""
    body = {"items": items, "references": references, "profile": profile, "runtime": "mpl38", "deadline_s": 1800}
    answer = http.post("/v1/rewards", json=body, headers={"Prefer": "wait=1800"})
    answer.raise_for_status()
    results: list[dict[str, Any]] = answer.json()["results"]
    assert len(results) == len(items), f"{len(items)} items, {len(results)} results"
    return results


def quartiles(http: httpx.Client, profile: str, count: int, seed: int) -> bool:
    """Print status counts and mean reward by recorded quartile; True when the means rise and nothing is lost."""
    golden = {name: {"code": code} for name, code in corpus.references().items()}
    rollouts = [rollout for rollout in corpus.rollouts() if rollout.code and rollout.chartmimic]
    chosen = random.Random(seed).sample(rollouts, count)
    items = [{"code": rollout.code, "reference": rollout.reference} for rollout in chosen]
    results = post(http, items, {rollout.reference: golden[rollout.reference] for rollout in chosen}, profile)
    print(dict(Counter(result["status"] for result in results)))
    recorded = [statistics.mean(metric["f1"] for metric in rollout.chartmimic.values()) for rollout in chosen]
    order = sorted(range(count), key=lambda place: recorded[place])
    means = []
    for quarter in range(4):
        places = order[quarter * count // 4 : (quarter + 1) * count // 4]
        means.append(statistics.mean(results[place]["reward"] for place in places))
        low, high = recorded[places[0]], recorded[places[-1]]
        print(f"recorded {low:.3f} to {high:.3f}: mean reward {means[-1]:.4f}")
    return means == sorted(means)


def gallery_scripts(count: int, seed: int) -> dict[str, str]:
    """Scripts of the sdist's galleries/examples, drawn by seed; interactive ones left out."""
    archive = CACHE / f"{SDIST.replace('==', '-')}.tar.gz"
    if not archive.exists():
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "matplotlib"]
        subprocess.run([*command, "-d", CACHE, SDIST], check=True)
    with tarfile.open(archive) as tar:
        scripts = {
            member.name.split("/", 3)[3]: extracted.read().decode()
            for member in tar.getmembers()
            if "/galleries/examples/" in member.name and member.name.endswith(".py")
            if (extracted := tar.extractfile(member)) is not None
        }
    names = sorted(name for name in scripts if not name.startswith(INTERACTIVE))
    return {name: scripts[name] for name in random.Random(seed).sample(names, count)}


def gallery(http: httpx.Client, profile: str, count: int, seed: int) -> bool:
    """Print which scripts run and whether each scores its own maximum; True when all that run do, twice the same."""
    scripts = gallery_scripts(count, seed)
    items = [{"id": name, "code": code, "reference": name} for name, code in scripts.items()]
    references = {name: {"code": code} for name, code in scripts.items()}
    once = post(http, items, references, profile)
    again = post(http, [{**item, "code": item["code"] + "\n"} for item in items], references, profile)
    print(dict(Counter(result["status"] for result in once)))
    ran = [result for result in once if result["status"] == "ok" and not result["blank"]]
    short = [(result["id"], result["reward"]) for result in ran if 1 - result["normalized"] > 1e-6]
    changed = [a["id"] for a, b in zip(once, again, strict=True) if a["reward"] != b["reward"]]
    print(f"{len(ran)} ran; below the maximum: {short or 'none'}; different when run again: {changed or 'none'}")
    for result in once:
        if result["status"] not in ("ok", "bad_reference"):
            print(" ", result["id"], result["status"], result["error"] and result["error"]["message"][:100])
        elif result["status"] == "bad_reference":
            print(" ", result["id"], result["error"]["message"][:140])
    return not short and not changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both; 0 when both hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--profile", default="chartsimrl")
    parser.add_argument("--rollouts", type=int, default=300)
    parser.add_argument("--scripts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    with httpx.Client(base_url=options.url, timeout=1900) as http:
        rising = quartiles(http, options.profile, options.rollouts, options.seed)
        maximal = gallery(http, options.profile, options.scripts, options.seed)
    return 0 if rising and maximal else 1


if __name__ == "__main__":
    sys.exit(main())
