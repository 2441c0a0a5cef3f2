"""Fill docs/rewards.md's measured tables and worked examples, and draw the examples' pictures.

    .venv/bin/python docs/rewards_tables.py          # after the benchmarks; needs the mpl38 runtime

Tables come from benchmarks/results/*.json, profiles from their JSON, worked examples from the engine on
examples/charts. What stands between `<!-- NAME -->` and `<!-- /NAME -->` is replaced.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chartreward.messages import WorkChunk, WorkItem
from chartreward.models import ItemResult, Limits, Profile, Reference, SignalResult
from chartreward.profiles import load_profiles, profile_problems
from worker.pipeline import Engine
from worker.reward import combine
from worker.settings import WorkerSettings

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "rewards.md"
PICTURES = ROOT / "docs" / "images" / "rewards"
RESULTS = ROOT / "benchmarks" / "results"
CHARTS = ROOT / "examples" / "charts"
ASSUMED = 0.9  # value of signals that need weights or a judge which are not here
EXAMPLE = CHARTS / "sales.py"
WRONG = {  # what the attempt gets wrong: one bar, the line's colour, a title, the grid, the legend
    "4.8, 6.3]": "4.8, 4.0]",
    '"#2a9d55"': '"#8e44ad"',
    "Revenue by quarter": "Quarterly revenue",
    "right.grid(alpha=0.3)\n": "",
    "left.legend()\n": "",
}

DRAW = """
import json, sys
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
given = json.load(sys.stdin)
fig, axes = plt.subplots(1, 3, figsize=(10, 2.6), dpi=100, width_ratios=[1.35, 1.35, 1])
for ax, name, title in zip(axes, given["pictures"], ("Reference", "Attempt")):
    ax.imshow(plt.imread(name)); ax.set_title(title, fontsize=9); ax.axis("off")
ax = axes[2]
names = [row["signal"] for row in given["rows"]][::-1]
most = [row["weight"] for row in given["rows"]][::-1]
got = [row["part"] for row in given["rows"]][::-1]
ax.barh(names, most, color="#e4e7eb")
ax.barh(names, got, color="#2f6f9f")
for index, (value, whole) in enumerate(zip(got, most)):
    ax.text(whole, index, f" {value:.3f} of {whole:.2f}", va="center", fontsize=7)
ax.set_xlim(0, max(most) * 1.45)
ax.tick_params(labelsize=7)
ax.set_title(given["title"], fontsize=9)
ax.spines[["top", "right"]].set_visible(False)
fig.tight_layout()
fig.savefig(given["out"])
"""


def score(engine: Engine, profile: Profile, pictures: dict[str, bytes]) -> ItemResult:
    """The example's attempt against its reference."""
    reference = attempt = EXAMPLE.read_text()
    for right, wrong in WRONG.items():
        assert right in attempt, right
        attempt = attempt.replace(right, wrong)
    chunk = WorkChunk(
        items=[WorkItem(key="example", code=attempt)],
        reference="example",
        profile=profile,
        runtime="mpl38",
        limits=Limits(timeout_s=30),
        returns=["render"],
    )
    engine.renders = pictures.__setitem__
    ((_, result),) = list(engine.score(chunk, Reference(code=reference)))
    if result.reward is None:
        raise RuntimeError(f"{profile.ref}: {result.error}")
    return result


def rows_of(profile: Profile, signals: Mapping[str, SignalResult]) -> list[dict[str, Any]]:
    """Signal, value, weight and their product."""
    rows = []
    for use in profile.signals:
        found = next((value for name, value in signals.items() if name.startswith(use.name)), None)
        value = ASSUMED if found is None or found.value is None else found.value
        weight = (found.weight if found is not None else use.weight) or use.weight
        rows.append({"signal": use.name, "value": value, "weight": weight, "part": value * weight})
    return rows


def worked(profile: Profile, result: ItemResult | None) -> tuple[str, list[dict[str, Any]]]:
    """The example's arithmetic in words, and its rows."""
    if result is None:
        assumed = {use.name: SignalResult(value=ASSUMED) for use in profile.signals}
        rows = rows_of(profile, assumed)
        reward = combine(profile, assumed, 500).value
        note = f", were every signal {ASSUMED} (its parts are not configured here)"
    else:
        rows, reward, note = rows_of(profile, result.signals), result.reward or 0.0, ""
    kept = [row for row in rows if row["weight"]]
    terms = " + ".join(f"{row['weight']:.2f}·{row['value']:.3f} {row['signal']}" for row in kept)
    start = profile.offset + sum(gate.bonus for gate in profile.gates)
    if start:
        terms = f"{start:g} (offset and open gates) + {terms}"
    low, high = profile.range
    return f"Example{note}: {terms} = **{reward:.3f}** of {low:g} to {high:g}.", kept


def profiles_section(engine: Engine) -> str:
    """Every profile: formula, source, worked example, picture."""
    parts = []
    PICTURES.mkdir(parents=True, exist_ok=True)
    seen: dict[str, bytes] = {}
    results = {
        name: score(engine, profile, seen)
        for name, profile in load_profiles().items()
        if not profile_problems(profile, engine.signal_names)
    }
    any_result = next(iter(results.values()))
    names = []
    for label, picture in (("reference", any_result.reference_render), ("attempt", any_result.render)):
        assert picture is not None and picture.url is not None
        path = ROOT / ".cache" / f"example-{label}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(seen[picture.url.rpartition("/")[2].removesuffix(".png")])
        names.append(str(path))
    for name, profile in load_profiles().items():
        text, rows = worked(profile, results.get(name))
        out = PICTURES / f"{name}.png"
        given = {"pictures": names, "rows": rows, "title": f"{profile.ref}: what each signal gave", "out": str(out)}
        python = ROOT / ".runtimes" / "mpl38" / "bin" / "python"
        subprocess.run([python, "-c", DRAW], input=json.dumps(given), text=True, check=True)
        low, high = profile.range
        parts.append(
            f"### `{name}`\n{profile.title}. Range {low:g} to {high:g}; a failure earns {profile.failure_reward:g}.\n\n"
            f"- Formula: {profile.formula}.\n- Source: {profile.citation}\n- {text}\n\n"
            f"![{name}: reference, attempt and what each signal gave](images/rewards/{name}.png)\n"
        )
    return "\n".join(parts)


def read(name: str) -> Any:
    """One results file."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def ranking() -> str:
    """Agreement with the ratings, best first."""
    found = sorted(read("ranking").items(), key=lambda entry: -entry[1]["kendall"])
    rows = [f"| {n} | {v['kendall']:.3f} | {v['spearman']:.3f} | {v['pairwise@10']:.3f} |" for n, v in found]
    return "\n".join(["| | Kendall | Spearman | pairs |", "|---|---|---|---|", *rows])


def exploits() -> str:
    """How many pay, by profile, and the largest gain."""
    gains = read("exploits")["gains"]
    rows = []
    for profile in next(iter(gains.values())):
        column = {name: row[profile] for name, row in gains.items()}
        worst = max(column, key=column.__getitem__)
        paying = sum(gain > 0.01 for gain in column.values())
        rows.append(f"| {profile} | {paying} of {len(column)} | {column[worst]:+.3f} ({worst}) |")
    return "\n".join(["| profile | exploits that pay | largest gain |", "|---|---|---|", *rows])


def degradation() -> str:
    """Shares of ordered pairs."""
    shares = read("degradation")["shares"]
    rows = [f"| {name} | {row['ordered']:.3f} | {row['strict']:.3f} |" for name, row in shares.items()]
    return "\n".join(["| profile | ordered | strict |", "|---|---|---|", *rows])


def cost() -> str:
    """Milliseconds a pair, by signal."""
    rows = [f"| {name} | {row['p50']:.2f} | {row['p99']:.2f} |" for name, row in read("cost").items()]
    return "\n".join(["| signal | p50 | p99 |", "|---|---|---|", *rows])


def parity() -> str:
    """Agreement and the classes of mismatch."""
    found = read("parity")
    total = [f"| {name} | {found['agreed'][name]} | {found['total'][name]} |" for name in found["total"]]
    classes = sorted(found["classes"].items(), key=lambda entry: -entry[1])
    outside = f"Outside the classes below that have a cause, {found['outside_quirks']:.2%} agree."
    table = [f"| {name} | {count} |" for name, count in classes]
    head = ["| metric | agree | of |", "|---|---|---|"]
    return "\n".join([*head, *total, "", outside, "", "| mismatch | values |", "|---|---|", *table])


def main() -> None:
    """Rewrite the page."""
    settings = WorkerSettings()
    engine = Engine(settings.model_copy(update={"runtimes": {"mpl38": settings.runtimes["mpl38"]}}))
    engine.start()
    try:
        sections = {"profiles": profiles_section(engine)}
    finally:
        engine.close()
    sections |= {
        "ranking": ranking(),
        "exploits": exploits(),
        "degradation": degradation(),
        "cost": cost(),
        "parity": parity(),
    }
    page = PAGE.read_text()
    for name, text in sections.items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        page, count = marks.subn(lambda match, text=text: f"{match[1]}{text}\n{match[2]}", page)
        if count != 1:
            raise SystemExit(f"docs/rewards.md has {count} sections {name!r}")
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
