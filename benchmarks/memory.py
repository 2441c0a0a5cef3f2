"""Memory of each process of a stack after mixed work: `python -m benchmarks.memory [--jobs 200] [--workers 1]`.

Half of the jobs use `chartsimrl`, half `fidelity`. RSS counts shared pages in every process that maps them; PSS divides
them. `peak` is the highest RSS since the process started (VmHWM), start-up included.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import httpx
import psutil

from benchmarks import corpus
from benchmarks.served import role
from chartreward.embedded import Stack

PROFILES = ("chartsimrl", "fidelity")


def sizes(process: psutil.Process) -> dict[str, float]:
    """RSS, PSS, private (unshared) and peak memory in MB (10**6 bytes)."""
    info = process.memory_full_info()
    with open(f"/proc/{process.pid}/status", encoding="ascii") as lines:  # noqa: PTH123 - a kernel file
        peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return {
        name: round(value / 1e6, 1)
        for name, value in (("rss", info.rss), ("pss", info.pss), ("private", info.uss), ("peak", peak))
    }


def measure(jobs: int, workers: int) -> list[dict[str, object]]:
    """One row a process, largest first."""
    rollouts = corpus.measured_rollouts()
    some = rollouts[:: max(1, len(rollouts) // jobs)][:jobs]
    golden = corpus.references()
    with Stack(workers=workers, env={"CHARTREWARD_LOG_LEVEL": "warning"}) as stack:
        for profile, share in zip(PROFILES, (some[::2], some[1::2]), strict=True):
            body = {
                "items": [{"code": one.code, "reference": one.reference} for one in share],
                "references": {name: {"code": golden[name]} for name in {one.reference for one in share}},
                "profile": profile,
                "deadline_s": 3000,
            }
            httpx.post(f"{stack.url}/v1/rewards?wait=3000", json=body, timeout=3000).raise_for_status()
        found = []
        for top in stack.processes.values():
            parent = psutil.Process(top.pid)
            found += [{"process": role(one), **sizes(one)} for one in (parent, *parent.children(recursive=True))]
    return sorted(found, key=lambda row: -float(str(row["rss"])))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON object a process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    for row in measure(options.jobs, options.workers):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
