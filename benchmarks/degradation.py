"""Does the reward fall as a chart gets worse? Controlled edits (benchmarks/edits.py) at severities 0 to 4.

    nice -n 10 .venv/bin/python -m benchmarks.degradation

For every profile, chart and kind of edit: the share of severity pairs whose rewards are ordered (a heavier edit earns
less, or the same where the profile does not look at what was edited), and the strict share (it earns less).
"""

from __future__ import annotations

import json
from itertools import combinations, pairwise

from benchmarks.edits import CHARTS, EDITS, SEVERITIES, script
from benchmarks.ranking import RESULTS
from chartreward.messages import WorkChunk, WorkItem
from chartreward.models import Limits, Profile, Reference
from chartreward.profiles import load_profiles, profile_problems
from worker.pipeline import Engine
from worker.settings import WorkerSettings

TOLERANCE = 1e-6


def rewards(engine: Engine, profile: Profile, chart: str, edit: str) -> list[float]:
    """Normalised rewards by severity."""
    chunk = WorkChunk(
        items=[WorkItem(key=str(level), code=script(chart, edit, level)) for level in SEVERITIES],
        reference=f"degradation {chart}",
        profile=profile,
        runtime="mpl38",
        limits=Limits(),
    )
    results = [result for _, result in engine.score(chunk, Reference(code=script(chart, "colours", 0)))]
    broken = [result.error for result in results if result.normalized is None or result.status != "ok"]
    if broken:
        raise RuntimeError(f"{chart} {edit}: {broken[0]}")
    return [result.normalized or 0.0 for result in results]


def main() -> None:
    """Print and write the table."""
    settings = WorkerSettings()
    engine = Engine(settings.model_copy(update={"runtimes": {"mpl38": settings.runtimes["mpl38"]}}))
    engine.start()
    found: dict[str, dict[str, list[float]]] = {}
    shares: dict[str, dict[str, float]] = {}
    for profile in load_profiles().values():
        if profile_problems(profile, engine.signal_names):
            continue
        table = {f"{chart}: {edit}": rewards(engine, profile, chart, edit) for chart in CHARTS for edit in EDITS}
        pairs = [pair for row in table.values() for pair in combinations(row, 2)]
        shares[profile.name] = {
            "ordered": sum(light >= heavy - TOLERANCE for light, heavy in pairs) / len(pairs),
            "strict": sum(light > heavy + TOLERANCE for light, heavy in pairs) / len(pairs),
        }
        found[profile.name] = {name: [round(value, 4) for value in row] for name, row in table.items()}
        share = shares[profile.name]
        print(f"{profile.name:20s} ordered {share['ordered']:.3f} strict {share['strict']:.3f}")
        for name, row in table.items():
            if any(heavy > light + TOLERANCE for light, heavy in pairwise(row)):
                print(f"    {name}: {[round(value, 3) for value in row]}")
    engine.close()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "degradation.json").write_text(json.dumps({"shares": shares, "rewards": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
