"""Full load for a while, and what may not grow: `python -m tests.service.soak --seconds 1800 --warm-up 240`.

Real engine, real jail. Mixed statuses and profiles, new and known work, batches, streams, cancels, trainers' routes.
Memory is sampled under load and compared between the first and the last fifth of the time after the warm-up;
descriptors, files and keys are counted at rest. Prints a JSON line a sample and a summary; exits 1 when something grew
or a result was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis

from chartreward import ledger
from chartreward.embedded import Stack

ROOT = Path(__file__).parents[2]
CHARTS = ROOT / "examples" / "charts"
PROFILES = ("chartsimrl", "fidelity", "chartmimic", "plot2code-text")  # none needs weights that must be fetched
CLIENTS = 4
# What the code must end as; a machine too busy for the clocks may also answer these, and says so in the counts.
BUSY = ("timeout", "deadline")
CODES = {
    "ok": "import matplotlib.pyplot as plt\nplt.figure(figsize=(4, 3))\nplt.bar(['a', 'b'], [1, %d])\nplt.title('t')\n",
    "runtime_error": "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nraise ValueError(%d)\n",
    "syntax_error": "def f(:\n    return %d\n",
    "no_figure": "x = %d\n",
    "forbidden": "import socket\nsocket.create_connection(('192.0.2.1', %d %% 60000 + 1))\n",
    "output_limit": "print('x' * 100_000_000, %d)\n",
    "no_code": "",
}
# What lives and what is cached is bounded; here so tightly that all of it is level when the warm-up ends.
ENV = {
    "CHARTREWARD_RENDER_CACHE_MB": "8",
    "CHARTREWARD_REFERENCE_CACHE_MB": "16",
    "CHARTREWARD_LOG_LEVEL": "warning",
    "CHARTREWARD_RESULT_TTL_S": "60",
    "CHARTREWARD_DEADLINE_S": "60",
    "CHARTREWARD_REFERENCE_TTL_S": "90",
    "CHARTREWARD_RENDER_TTL_S": "30",
}


@dataclass
class Load:
    """Clients that keep the service busy until told to stop."""

    url: str
    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        for number in range(CLIENTS):
            thread = threading.Thread(target=self._client, args=(random.Random(f"{self.seed} {number}"),), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(180)

    def _client(self, chance: random.Random) -> None:
        known: list[dict[str, Any]] = []
        with httpx.Client(base_url=self.url, timeout=180) as client:
            while not self._over.is_set():
                try:
                    self._request(client, chance, known)
                except (httpx.HTTPError, KeyError, ValueError) as error:
                    self.wrong.append(f"{type(error).__name__}: {error}")
                    self._over.wait(1)

    def _request(self, client: httpx.Client, chance: random.Random, known: list[dict[str, Any]]) -> None:
        kind = chance.choice(("batch", "batch", "batch", "known", "stream", "cancel", "get_reward", "rm"))
        if kind in ("get_reward", "rm"):
            self._trainer(client, chance, kind)
            return
        body = chance.choice(known) if kind == "known" and known else _body(chance)
        if kind == "stream":
            with client.stream("POST", "/v1/rewards", json=body, headers={"Accept": "application/x-ndjson"}) as answer:
                self._check([json.loads(line) for line in answer.iter_lines()], len(body["items"]))
            return
        done = client.post("/v1/rewards", params={"wait": 0 if kind == "cancel" else 120}, json=body).json()
        if kind == "cancel":
            self.counts["batches cancelled"] += 1
            client.delete(f"/v1/rewards/{done['id']}")
            return
        self._check(done["results"], len(body["items"]))
        known.append(body)
        del known[:-8]

    def _trainer(self, client: httpx.Client, chance: random.Random, kind: str) -> None:
        fenced = f"```python\n{CODES['ok'] % chance.randrange(10**6)}\n```"
        label = CODES["ok"] % 7
        if kind == "rm":
            number = client.post("/rm", json={"prompt": "", "response": fenced, "label": label}).json()
        else:
            number = client.post("/get_reward", json={"query": [fenced], "labels": [label]}).json()["rewards"][0]
        self.counts[f"{kind} {'above 0' if number > 0 else 'zero'}"] += 1
        if not number > 0:
            self.wrong.append(f"{kind}: {number}")

    def _check(self, results: list[dict[str, Any]], count: int) -> None:
        if len(results) != count or {result["index"] for result in results} != set(range(count)):
            self.wrong.append(f"{len(results)} results of {count}")
        for result in results:
            expected, status = result["id"].partition(" ")[0], result["status"]
            self.counts[status] += 1
            if status not in (expected, *BUSY) or (expected == "ok" == status and not result["reward"] > 0):
                self.wrong.append(f"{expected}: {status} {result['reward']} {result['error']}")


def _body(chance: random.Random) -> dict[str, Any]:
    names = [*CODES, "ok", "ok", "ok", "ok"]
    items = []
    for number in range(chance.choice((4, 8, 16, 24))):
        name = chance.choice(names)
        code = CODES[name] % chance.randrange(10**6) if "%d" in CODES[name] else CODES[name]
        text = {"completion": "I cannot draw that."} if name == "no_code" else {"code": code}
        items.append({"id": f"{name} {number}", "reference": "r", **text})
    if chance.random() < 0.1:
        items.append({"id": "timeout 0", "code": f"while True: pass\n# {chance.random()}", "reference": "r"})
    reference = {"code": CODES["ok"] % chance.randrange(40)}
    body: dict[str, Any] = {"items": items, "references": {"r": reference}, "profile": chance.choice(PROFILES)}
    body["runtime"] = chance.choice(("mpl38", "mpl38", "mpl38", "current"))
    body["return"] = chance.choice(([], [], ["render"], ["description", "evidence"]))
    body["limits"] = {"timeout_s": 10.0 if len(items) < 25 and items[-1]["id"] != "timeout 0" else 3.0}
    return body


def memory(stack: Stack) -> dict[str, float]:
    """Resident MB of API, workers, zygotes, Redis."""
    found: defaultdict[str, float] = defaultdict(float)
    for role, process in _processes(stack):
        try:
            found[role] += process.memory_info().rss / 1e6
        except psutil.Error:
            continue
    return dict(found)


def _processes(stack: Stack) -> list[tuple[str, psutil.Process]]:
    """The lasting processes with their role; jobs come and go below the zygotes."""
    found = [(name, psutil.Process(process.pid)) for name, process in stack.processes.items() if name != "workers"]
    for worker in psutil.Process(stack.processes["workers"].pid).children():
        found.append(("worker", worker))
        found += [("zygote", zygote) for zygote in worker.children()]
    return found


def at_rest(stack: Stack, folder: Path, client: redis.Redis) -> dict[str, Any]:
    """What must not leak: processes, descriptors, files; and keys that would stay for ever."""
    deadline = time.monotonic() + 120
    while client.zcard(ledger.INFLIGHT) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)  # idle connections of the clients close
    processes = _processes(stack)
    names = [key.decode() for key in client.scan_iter(count=1000)]
    lasting = [name for name in names if not name.startswith(ledger.LASTING) and client.ttl(name) == -1]
    return {
        # A zygote is replaced after 500 jobs, by design; the others last.
        "pids": sorted(process.pid for role, process in processes if role != "zygote"),
        "zygotes": sum(role == "zygote" for role, _ in processes),
        "fds": {f"{role} {process.pid}": process.num_fds() for role, process in processes},
        "files": sum(1 for _ in folder.rglob("*")),
        "lasting": lasting,
    }


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What leaked between two looks."""
    found = [f"key without a time to live: {name}" for name in after["lasting"]]
    if before["pids"] != after["pids"]:
        found.append(f"processes were replaced: {before['pids']} -> {after['pids']}")
    if after["zygotes"] != before["zygotes"]:
        found.append(f"zygotes: {before['zygotes']} -> {after['zygotes']}")
    for name, count in after["fds"].items():
        if count > before["fds"].get(name, count) + 4:
            found.append(f"descriptors of {name}: {before['fds'][name]} -> {count}")
    if after["files"] > before["files"] + 8:
        found.append(f"files: {before['files']} -> {after['files']}")
    return found


def growth(
    samples: list[dict[str, float]], percent: float, slack_mb: float
) -> tuple[dict[str, list[float]], list[str]]:
    """Median MB of the first and the last fifth a role, and which grew by more than both bounds."""
    fifth = max(1, len(samples) // 5)
    levels, found = {}, []
    for role in samples[0]:
        first, last = (
            statistics.median(sample.get(role, 0.0) for sample in part) for part in (samples[:fifth], samples[-fifth:])
        )
        levels[role] = [round(first, 1), round(last, 1)]
        if last - first > max(slack_mb, first * percent / 100):
            found.append(f"memory of {role}: {first:.1f} -> {last:.1f} MB")
    return levels, found


def soak(seconds: float, warm_up: float, *, workers: int = 2, percent: float = 5.0, slack_mb: float = 0.0) -> list[str]:
    """Run; returns what was wrong, nothing at best."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    jobs = folder / "jobs"
    jobs.mkdir()
    env = {**ENV, "TMPDIR": str(jobs)}
    with Stack(workers=workers, env=env, folder=folder / "stack") as stack:
        client = redis.Redis.from_url(stack.redis_url or "")
        with Load(stack.url, seed=1) as warm:
            time.sleep(warm_up)
        before = at_rest(stack, jobs, client)
        samples: list[dict[str, float]] = []
        started = time.monotonic()
        with Load(stack.url, seed=2) as load:
            while time.monotonic() - started < seconds:
                samples.append(memory(stack))
                sample = {name: round(value, 1) for name, value in samples[-1].items()}
                _say({"s": round(time.monotonic() - started), "items": load.counts.total(), **sample})
                time.sleep(min(5.0, seconds / 30))
        after = at_rest(stack, jobs, client)
        used = client.info("memory")
        client.close()
    levels, found = growth(samples, percent, slack_mb)
    found += compare(before, after) + warm.wrong[:10] + load.wrong[:10]
    rate = load.counts.total() / seconds
    redis_mb = {name: round(used[f"used_memory_{name}"] / 1e6, 1) for name in ("rss", "peak", "dataset")}
    _say({"levels_mb": levels, "counts": load.counts, "items_per_s": round(rate, 1), "redis": redis_mb, "wrong": found})
    return found


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Parse the command line and soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--warm-up", type=float, default=240)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    return 1 if soak(options.seconds, options.warm_up, workers=options.workers) else 0


if __name__ == "__main__":
    sys.exit(main())
