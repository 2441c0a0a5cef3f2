"""Where a job's time goes: `python -m benchmarks.stages [--profile P] [--limit N] [--flame FILE.svg] [--digests FILE]`.

Stages of the child are clocked in a plain fork of the same code (child_stages.py), stages of the worker in an engine in
this process. Every stage has milliseconds by the clock (p50, p99) and of CPU (mean, share of the job's). `--flame`
samples both and draws a flame graph; `--digests` writes one sha256 a script over the description and the pixels, to
compare two commits: pictures must not change.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import corpus
from benchmarks.flame import draw
from benchmarks.plain import RUNTIME
from benchmarks.sampling import Sampler, Stages
from benchmarks.served import percentile
from chartreward.messages import WorkChunk, WorkItem
from chartreward.models import Limits, Reference
from chartreward.profiles import find_profile, needs_of
from worker import integrity
from worker.jail import verdict
from worker.jail.job import Job
from worker.jail.settings import JailSettings, Libraries
from worker.jail.workdir import WorkFolder
from worker.jail.zygote import environment as zygote_environment
from worker.jails import libraries_for
from worker.pipeline import Engine
from worker.settings import WorkerSettings
from worker.vision import FeatureExtractor

Row = dict[str, list[float]]


def in_children(
    codes: Sequence[str], options: dict[str, Any], flame: bool
) -> tuple[list[Row], Counter[str], list[str]]:
    """Stage rows, stacks and digests of the scripts, each in a fork of a warm interpreter."""
    rows, stacks, digests = [], Counter[str](), []
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as stack:
        forkers: dict[Libraries, subprocess.Popen[bytes]] = {}
        for code in codes:
            libraries = libraries_for(code)
            if libraries not in forkers:
                forkers[libraries] = stack.enter_context(_forker(libraries, Path(home)))
            answers, questions = forkers[libraries].stdout, forkers[libraries].stdin
            assert questions is not None and answers is not None
            questions.write(json.dumps({"code": code, "options": options, "flame": flame}).encode() + b"\n")
            questions.flush()
            answer = json.loads(answers.readline())
            inside = sum(cpu for _, cpu in answer["stages"].values())
            row: Row = answer["stages"]
            row["fork, exit, page copies"] = [0.0, answer["fork_cpu_ms"] + answer["cpu_ms"] - inside]
            rows.append(row)
            stacks.update(answer["stacks"])
            digests.append(answer["digest"])
    return rows, stacks, digests


def _forker(libraries: Libraries, home: Path) -> subprocess.Popen[bytes]:
    """A warm interpreter that forks for each script."""
    return subprocess.Popen(
        [RUNTIME, "-P", "-s", Path(__file__).with_name("child_stages.py"), libraries],
        cwd=home,
        env=zygote_environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def in_the_worker(rollouts: Sequence[corpus.Rollout], profile: str, flame: bool) -> tuple[list[Row], Counter[str]]:
    """Stage rows and stacks of an engine in this process, references known."""
    stages = Stages()
    for owner, name, stage in (
        (Job, "run", "wait for the child, transfer, reap"),
        (Job, "_hand_over", "fork and lock-down"),
        (WorkFolder, "new_work", "work folder"),
        (WorkFolder, "clear_work", "work folder"),
        (WorkFolder, "leftovers", "work folder"),
        (verdict, "judge", "parse and validate"),
        (integrity, "check", "integrity"),
        (integrity, "is_blank", "blank?"),
        (FeatureExtractor, "extract", "features"),
        (Engine, "_compare", "compare"),
        (Engine, "_render", "rest of the render"),
        (Engine, "_finish", "result"),
    ):
        stages.wrap(owner, name, stage)
    golden = corpus.references()
    engine = Engine(WorkerSettings())
    engine.start()
    rows, stacks = [], Counter[str]()
    chosen = find_profile(profile)

    def score(code: str, name: str) -> None:
        item = WorkItem(key="0" * 64, code=code)
        chunk = WorkChunk(items=[item], reference=name, profile=chosen, runtime="mpl38", limits=Limits())
        for _ in engine.score(chunk, Reference(code=golden[name])):
            pass

    try:
        for name in sorted({one.reference for one in rollouts}):
            score("pass", name)
        for one in rollouts:
            stages.take()
            if flame:
                with Sampler("worker") as sampler:
                    score(one.code, one.reference)
                stacks.update(sampler.stacks)
            else:
                score(one.code, one.reference)
            rows.append(stages.take())
    finally:
        engine.close()
    return rows, stacks


def show(title: str, rows: Sequence[Row], console: Console) -> float:
    """Print the stages; CPU milliseconds a job."""
    wall, cpu = defaultdict[str, list[float]](list), Counter[str]()
    for row in rows:
        for stage, (seconds, used) in row.items():
            wall[stage].append(seconds)
            cpu[stage] += used  # type: ignore[assignment]  # a Counter of floats
    total = sum(cpu.values())
    table = Table(f"{title} ({len(rows)} scripts)", "p50 ms", "p99 ms", "CPU ms a job", "share")
    for stage, used in cpu.most_common():
        values = [*wall[stage], *[0.0] * (len(rows) - len(wall[stage]))]
        numbers = (percentile(values, 50), percentile(values, 99), used / len(rows))
        table.add_row(stage, *(f"{number:.2f}" for number in numbers), f"{used / total:.0%}")
    console.print(table)
    return total / len(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="chartsimrl")
    parser.add_argument("--limit", type=int, default=100, help="how many of the 300 rollouts, spread over them")
    parser.add_argument("--flame", type=Path, help="write a flame graph (SVG, and folded stacks beside it)")
    parser.add_argument("--digests", type=Path, help="write the sha256 of every script's description and pixels")
    parser.add_argument("--side", choices=("child", "worker", "both"), default="both")
    options = parser.parse_args(arguments)
    every = corpus.measured_rollouts()
    rollouts = every[:: max(1, len(every) // options.limit)][: options.limit]
    flame = options.flame is not None
    settings, needs = JailSettings(), needs_of(find_profile(options.profile))
    wanted = {"dpi": settings.dpi, "max_pixels": settings.max_pixels, "max_figures": settings.max_figures}
    stacks, total, console = Counter[str](), 0.0, Console()
    if options.side != "worker":
        rows, found, digests = in_children([one.code for one in rollouts], {**wanted, **needs.model_dump()}, flame)
        total += show("child", rows, console)
        stacks.update(found)
        if options.digests:
            named = zip(rollouts, digests, strict=True)
            text = "".join(f"{digest} {one.reference} {one.policy}\n" for one, digest in named)
            options.digests.write_text(text, encoding="utf-8")
    if options.side != "child":
        rows, found = in_the_worker(rollouts, options.profile, flame)
        total += show("worker", rows, console)
        stacks.update(found)
    console.print(f"{total:.1f} ms of CPU a job, {os.cpu_count()} cores, profile {options.profile}")
    if flame:
        options.flame.with_suffix(".folded").write_text(
            "".join(f"{stack} {weight}\n" for stack, weight in sorted(stacks.items())), encoding="utf-8"
        )
        options.flame.write_text(draw(stacks), encoding="utf-8")


if __name__ == "__main__":
    main()
