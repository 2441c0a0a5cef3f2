"""Rewards a second against running the same scripts without a jail, a queue or a score: `make bench`.

B0: exec in warm plain interpreters, one a core. B1: a fresh interpreter a script, two at a time. B2: eight cold
executions a sample, two at a time (ChartMimic's evaluators). Ours: `POST /v1/rewards` in batches of 256, nothing but
the references known. All on the 300 rollouts of rollouts.json, in turn and again in turn, because a machine that others
share is not as fast now as in a minute; what counts are the ratios, by the clock and by CPU seconds.

The parts may be run one by one (`--only b0,ours`) into the same file (`--into NAME`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import corpus, plain, served
from benchmarks.plain import Measured, Script

RESULTS = Path(__file__).with_name("results")
OURS = {"ours": "chartsimrl", "fidelity": "fidelity"}
DEFAULT = ("b0", "b1", "b2", "ours", "fidelity", "decile", "single", "scaling", "start", "fair")
RATES = ("b0", "b1", "b2", "ours", "fidelity")  # measured in turn, several times over
# What a ratio is of: part, and the rate of the yardstick it is divided by.
RATIOS = (
    ("ours", "b0"), ("ours", "b1"), ("ours", "b2"), ("fidelity", "b0"),
    ("decile_ours", "decile_b0"), ("decile_ours", "decile_b1"), ("decile_ours", "decile_b2"),
)  # fmt: skip


class Run:
    """The parts of one run, and what they are measured on."""

    def __init__(self, options: argparse.Namespace, found: dict[str, Any]) -> None:
        self.workers: int = options.workers
        self.scripts = [Script(one.reference, one.code) for one in corpus.measured_rollouts()][: options.limit]
        self.colder = self.scripts[:: max(1, len(self.scripts) // options.cold)]
        self.singles = self.scripts[:: max(1, len(self.scripts) // options.singles)]
        self.rounds: int = options.rounds
        self.parts: dict[str, Any] = found

    def measure_rates(self, names: Sequence[str]) -> None:
        """Run parts in turn, `rounds` times, and note their figures."""
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for _ in range(self.rounds):
            for name in names:
                self.measure(name)
                rounds[name].append(self.parts[name])
        for name, figures in rounds.items():
            self.parts[name] = merged(figures)

    def measure(self, part: str) -> None:
        """Run one part and note its figures."""
        if part == "decile":
            self._decile()
            return
        ways: dict[str, Callable[[], dict[str, Any]]] = {
            "b0": lambda: plain.warm(self.scripts, self.workers).figures(),
            "b1": lambda: plain.cold(self.colder, 1).figures(),
            "b2": lambda: plain.cold(self.colder[::4], 8).figures(),
            "ours": lambda: served.throughput(self.scripts, "chartsimrl", self.workers),
            "fidelity": lambda: served.throughput(self.scripts, "fidelity", self.workers),
            "single": lambda: served.latency(self.singles, "chartsimrl"),
            "scaling": self._scaling,
            "start": lambda: served.start_up(self.scripts, self.workers),
            "fair": lambda: served.fairness(self.scripts, self.workers),
        }
        self.parts[part] = ways[part]()

    def _scaling(self) -> dict[str, Any]:
        seconds = Counter[int]()
        for workers in (1, 2) * self.rounds:  # in turn, as the rates are
            seconds[workers] += served.throughput(self.scripts, "chartsimrl", workers)["wall_s"]
        one, two = (self.rounds * len(self.scripts) / seconds[workers] for workers in (1, 2))
        return {"one_per_s": one, "two_per_s": two, "ratio": two / one}

    def _decile(self) -> None:
        """The tenth of the scripts that takes B0 longest: many axes, 3-D, heavy text."""
        each = self.parts["b0"]["each_ms"] if "b0" in self.parts else plain.warm(self.scripts, self.workers).each_ms
        slowest = sorted(range(len(self.scripts)), key=lambda number: -each[number])[: max(1, len(each) // 10)]
        scripts = [self.scripts[number] for number in sorted(slowest)]
        self.parts["decile_b0"] = plain.warm(scripts, self.workers).figures()
        self.parts["decile_b1"] = plain.cold(scripts[::2], 1).figures()
        self.parts["decile_b2"] = plain.cold(scripts[::8], 8).figures()
        self.parts["decile_ours"] = served.throughput(scripts, "chartsimrl", self.workers)


def merged(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one part from those of its rounds: sums of counts and seconds, means of the rest."""
    count, wall, cpu = (sum(one[name] for one in rounds) for name in ("count", "wall_s", "cpu_s"))
    each = [sum(times) / len(rounds) for times in zip(*(one["each_ms"] for one in rounds), strict=True)]
    found = {**Measured(count, wall, cpu, each).figures(), "per_s_by_round": [one["per_s"] for one in rounds]}
    first = rounds[0]
    if "stages" in first:
        found["statuses"] = {name: sum(one["statuses"].get(name, 0) for one in rounds) for name in first["statuses"]}
        found["stages"] = {
            stage: {p: sum(one["stages"][stage][p] for one in rounds) / len(rounds) for p in of}
            for stage, of in first["stages"].items()
        }
        found["cpu_ms_by_role"] = {
            role: sum(one["cpu_ms_by_role"].get(role, 0.0) for one in rounds) / len(rounds)
            for role in first["cpu_ms_by_role"]
        }
    return found


def ratios(parts: dict[str, Any]) -> dict[str, dict[str, float]]:
    """`ours/b0` and so on: by the clock (`wall`) and by CPU seconds (`cpu`)."""
    return {
        f"{ours}/{theirs}": {
            "wall": parts[ours]["per_s"] / parts[theirs]["per_s"],
            "cpu": parts[ours]["per_cpu_s"] / parts[theirs]["per_cpu_s"],
        }
        for ours, theirs in RATIOS
        if ours in parts and theirs in parts
    }


def machine() -> str:
    """Processor, cores, kernel."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    model = next(named, platform.machine())
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def show(figures: dict[str, Any], console: Console) -> None:
    """Print the tables."""
    parts = figures["parts"]
    rates = Table(
        "", "scripts", "a second", "CPU ms each", title=f"{figures['machine']}; {figures['rollouts']} rollouts"
    )
    for name, part in parts.items():
        if "per_s" in part:
            rates.add_row(name, str(part["count"]), f"{part['per_s']:.2f}", f"{1e3 / part['per_cpu_s']:.0f}")
    table = Table("ratio", "by the clock", "by CPU")
    for name, ratio in figures["ratios"].items():
        table.add_row(name, f"{ratio['wall']:.2f}", f"{ratio['cpu']:.2f}")
    served_parts = [name for name in OURS if name in parts]
    stages = Table("stage", *(f"{name} p50 / p99 ms" for name in served_parts))
    for stage in served.STAGES if served_parts else ():
        cells = [parts[name]["stages"][stage] for name in served_parts]
        stages.add_row(stage.removesuffix("_ms"), *(f"{cell['p50']:.1f} / {cell['p99']:.1f}" for cell in cells))
    for one in (rates, table, stages):
        if one.row_count:
            console.print(one)
    for name in served_parts:
        spent = parts[name]["cpu_ms_by_role"]
        console.print(f"{name}: CPU ms a reward", {who: round(ms, 2) for who, ms in spent.items()})
    for name in ("single", "scaling", "start", "fair"):
        if name in parts:
            console.print(name, {key: round(value, 3) for key, value in parts[name].items()})


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and keep the figures in benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(DEFAULT), help="parts, separated by commas")
    parser.add_argument("--into", type=Path, help="file of an earlier part of the same run (made when missing)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--limit", type=int, help="only the first N rollouts (a quick look)")
    parser.add_argument("--cold", type=int, default=60, help="how many scripts B1 is measured on; B2: a quarter of it")
    parser.add_argument("--rounds", type=int, default=2, help="how often B0, B1, B2, ours and fidelity take their turn")
    parser.add_argument("--singles", type=int, default=100, help="how many scripts the latency is measured on")
    options = parser.parse_args(arguments)
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(DEFAULT):
        parser.error(f"unknown parts {', '.join(sorted(unknown))}; there are {', '.join(DEFAULT)}")
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    into: Path = options.into or RESULTS / f"throughput-{when[:16].replace(':', '')}.json"
    before = json.loads(into.read_text()) if into.exists() else {}
    run = Run(options, before.get("parts", {}))
    here = {"machine": machine(), "rollouts": len(run.scripts), "workers": run.workers}
    if differ := [name for name, value in here.items() if before.get(name, value) != value]:
        parser.error(f"{into} was measured on another {', '.join(differ)}")
    figures: dict[str, Any] = {"when": before.get("when", when), **here}
    rates = [part for part in wanted if part in RATES]
    for part in ["rates"] * bool(rates) + [part for part in wanted if part not in RATES]:
        if part == "rates":
            run.measure_rates(rates)
        else:
            run.measure(part)
        figures.update(parts=run.parts, ratios=ratios(run.parts))
        into.parent.mkdir(exist_ok=True)
        into.write_text(json.dumps(figures, indent=1) + "\n")
    show(figures, Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
