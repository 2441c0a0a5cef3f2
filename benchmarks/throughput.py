"""Rewards a second against running the same scripts without a jail, a queue or a score. `make bench`.

B0: exec in warm plain interpreters, one a core. B1: a fresh interpreter a script, two at a time. B2: eight cold
executions a sample, two at a time (ChartMimic's evaluators). Ours: `POST /v1/rewards` in batches of 256, nothing but
the references cached. All in one run, on the 300 rollouts of rollouts.json; figures that matter are the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks import corpus
from benchmarks.measured import measured_rollouts

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = ROOT / ".runtimes" / "mpl38" / "bin" / "python"
RESULTS = Path(__file__).with_name("results")
BATCH = 256


@dataclass(frozen=True, slots=True)
class Script:
    """Code to run, and the reference to score it against."""

    reference: str
    code: str


def plain_environment(home: str) -> dict[str, str]:
    """Environment of the unjailed scripts: one BLAS thread, as in the jail."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {"MPLBACKEND": "Agg", "HOME": home, "PATH": os.defpath, "TZ": "UTC", "LC_ALL": "C.UTF-8", **threads}


def side_by_side(rollouts: Sequence[Script], width: int, lane: Callable[[Queue[Script]], None]) -> float:
    """Feed `rollouts` to `width` lanes; seconds until all are done."""
    queue: Queue[Script] = Queue()
    for one in rollouts:
        queue.put(one)
    start = time.perf_counter()
    with ThreadPoolExecutor(width) as pool:
        for done in [pool.submit(lane, queue) for _ in range(width)]:
            done.result()
    return time.perf_counter() - start


def warm_seconds(rollouts: Sequence[Script], width: int) -> tuple[float, list[float]]:
    """B0. Returns wall seconds (interpreters already warm) and each script's milliseconds."""
    each: list[float] = []
    with tempfile.TemporaryDirectory() as home:
        idle: Queue[subprocess.Popen[str]] = Queue()
        for _ in range(width):
            process = subprocess.Popen(
                [RUNTIME, "-I", Path(__file__).with_name("warm_exec.py")],
                cwd=tempfile.mkdtemp(dir=home),
                env=plain_environment(home),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            ask(process, "pass")
            idle.put(process)

        def lane(queue: Queue[Script]) -> None:
            process = idle.get()
            for one in drain(queue):
                each.append(ask(process, one.code)["ms"])
            process.kill()

        return side_by_side(rollouts, width, lane), each


def drain(queue: Queue[Script]) -> list[Script] | Any:
    """Take from `queue` until it is empty."""
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return


def ask(process: subprocess.Popen[str], code: str) -> dict[str, Any]:
    """Run one script in a warm interpreter. Raises RuntimeError when it does not answer in a minute."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps({"code": code}) + "\n")
    process.stdin.flush()
    if not select.select([process.stdout], [], [], 60)[0]:
        raise RuntimeError("a warm interpreter did not answer within 60 s")
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def cold_seconds(rollouts: Sequence[Script], width: int, executions: int) -> float:
    """B1 (`executions` = 1) and B2 (8): a fresh `python script.py` each time."""
    with tempfile.TemporaryDirectory() as home:

        def lane(queue: Queue[Script]) -> None:
            folder = Path(tempfile.mkdtemp(dir=home))
            script = folder / "script.py"
            for one in drain(queue):
                script.write_text(one.code)
                for _ in range(executions):
                    subprocess.run(
                        [RUNTIME, script],
                        cwd=folder,
                        env=plain_environment(home),
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        timeout=120,
                        check=False,
                    )

        return side_by_side(rollouts, width, lane)


class Stack:
    """An embedded stack of its own, empty caches, stopped on exit."""

    def __init__(self, workers: int, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [ROOT / ".venv/bin/chartreward", "serve", "--port", str(port), "--workers", str(workers)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.http = httpx.Client(base_url=self.url, timeout=900)
        while True:
            try:
                if self.http.get("/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if self.process.poll() is not None or time.perf_counter() - started > 120:
                raise RuntimeError("the embedded stack did not become ready: run `chartreward serve` to see why")
            time.sleep(0.05)
        self.ready_s = time.perf_counter() - started

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.process.terminate()
        self.process.wait(60)

    def post(self, rollouts: Sequence[Script], golden: dict[str, str], profile: str) -> list[dict[str, Any]]:
        """Score one batch and wait for it; the results."""
        body = {
            "items": [{"code": one.code, "reference": one.reference} for one in rollouts],
            "references": {name: {"code": golden[name]} for name in {one.reference for one in rollouts}},
            "profile": profile,
            "runtime": "mpl38",
            "deadline_s": 900,
        }
        answer = self.http.post("/v1/rewards", json=body, headers={"Prefer": "wait=900"})
        answer.raise_for_status()
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def know(self, golden: dict[str, str], profile: str) -> None:
        """Have every reference rendered and its features cached, as after the first step of a run."""
        for _ in range(3):  # several workers: each should meet each reference
            trivial = f"pass  # {time.time()}"
            self.post([Script(name, trivial) for name in golden], golden, profile)


def ours(rollouts: Sequence[Script], profile: str, workers: int, port: int) -> dict[str, Any]:
    """Throughput of the service on `rollouts`, and how each result ended."""
    golden = {name: code for name, code in corpus.references().items() if name in {r.reference for r in rollouts}}
    with Stack(workers, port) as stack:
        stack.know(golden, profile)
        start = time.perf_counter()
        results = [
            result
            for first in range(0, len(rollouts), BATCH)
            for result in stack.post(rollouts[first : first + BATCH], golden, profile)
        ]
        seconds = time.perf_counter() - start
        alone = []
        for one in rollouts[::10]:
            fresh = Script(one.reference, f"{one.code}\n# again")
            begun = time.perf_counter()
            stack.post([fresh], golden, profile)
            alone.append((time.perf_counter() - begun) * 1e3)
    statuses: dict[str, int] = {}
    for result in results:
        statuses[result["status"]] = statuses.get(result["status"], 0) + 1
    stages = {
        stage: statistics.median(result["timing"][stage] for result in results)
        for stage in ("exec_ms", "draw_ms", "score_ms")
    }
    return {
        "seconds": seconds,
        "per_s": len(rollouts) / seconds,
        "statuses": statuses,
        "stages_p50": stages,
        "single_p50_ms": statistics.median(alone),
        "single_p99_ms": sorted(alone)[-1],
        "ready_s": stack.ready_s,
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run every yardstick once; the figures as written to JSON."""
    rollouts = [Script(one.reference, one.code) for one in measured_rollouts() if one.code][: options.limit]
    some = rollouts[:: max(1, len(rollouts) // options.cold)]
    b0, each = warm_seconds(rollouts, options.workers)
    b1 = cold_seconds(some, 2, 1)
    b2 = cold_seconds(some[::4], 2, 8)
    rates = {"B0": len(rollouts) / b0, "B1": len(some) / b1, "B2": len(some[::4]) / b2}
    measured = {
        profile: ours(rollouts, profile, options.workers, options.port + step)
        for step, profile in enumerate(options.profiles)
    }
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": f"{platform.platform()}, {os.cpu_count()} cores",
        "rollouts": len(rollouts),
        "cold_samples": {"B1": len(some), "B2": len(some[::4])},
        "baselines_per_s": rates,
        "warm_script_p50_ms": statistics.median(each),
        "ours": measured,
        "ratios": {
            profile: {name: figures["per_s"] / rate for name, rate in rates.items()}
            for profile, figures in measured.items()
        },
    }


def show(figures: dict[str, Any]) -> None:
    """Print the table of ratios."""
    table = Table("profile", "rewards/s", "/ B0", "/ B1", "/ B2", "single p50 / warm p50", title=figures["machine"])
    for profile, mine in figures["ours"].items():
        ratios = figures["ratios"][profile]
        table.add_row(
            profile,
            f"{mine['per_s']:.2f}",
            *(f"{ratios[name]:.2f}" for name in ("B0", "B1", "B2")),
            f"{mine['single_p50_ms'] / figures['warm_script_p50_ms']:.2f}",
        )
    Console().print(table)
    Console().print({name: round(rate, 2) for name, rate in figures["baselines_per_s"].items()})


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and keep the figures in benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", nargs="+", default=["chartsimrl", "fidelity"])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--limit", type=int, default=None, help="only the first N rollouts (a quick look)")
    parser.add_argument("--cold", type=int, default=60, help="how many scripts B1 is measured on; B2: a quarter of it")
    parser.add_argument("--port", type=int, default=18200)
    figures = measure(parser.parse_args(arguments))
    show(figures)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"throughput-{figures['when'][:16].replace(':', '')}.json").write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
