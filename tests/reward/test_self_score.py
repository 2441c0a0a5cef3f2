"""Honest charts lose nothing: a chart against itself earns the most that a profile gives."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from chartreward.messages import WorkChunk, WorkItem
from chartreward.models import Limits, Profile, Reference, Status
from chartreward.profiles import load_profiles, profile_problems
from worker.pipeline import Engine

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "chartmimic-dev.jsonl.gz"
BUG_FOR_BUG = {"chartmimic", "chartmimic-strict"}
EVERY = 8  # the fast suite takes every eighth reference


def golden() -> dict[str, str]:
    if not CORPUS.exists():
        return {}
    with gzip.open(CORPUS, "rt", encoding="utf-8") as file:
        rows = map(json.loads, file)
        return {row["reference"]: row["code"] for row in rows if row["kind"] == "reference"}


GOLDEN = golden()
HERE = {  # what no reference of the corpus shows
    "axes inside axes": (
        "import matplotlib.pyplot as plt\nfig, ax = plt.subplots(1, 2)\n"
        "ax[0].plot([1, 3, 2], label='a'); ax[0].legend()\n"
        "b = ax[0].inset_axes([0.5, 0.1, 0.4, 0.3]); b.bar([1, 2], [3, 4], color='red'); b.set_title('zoom')\n"
        "ax[1].bar(['x', 'y'], [3, 4]); ax[1].secondary_yaxis('right').set_ylabel('again')\n"
    ),
    "flat bars in space": (
        "import matplotlib.pyplot as plt\nax = plt.figure().add_subplot(projection='3d')\n"
        "ax.bar([1, 2, 3], [4, 5, 6], zs=7, zdir='y', color='red', label='a'); ax.legend()\n"
        "ax.bar([1, 2], [4, 5], zs=9, zdir='y', color='blue')\n"
    ),
}
CASES = [
    pytest.param(name, marks=() if index % EVERY == 0 else pytest.mark.slow)
    for index, name in enumerate(sorted(GOLDEN))
]


def profiles(engine: Engine) -> list[Profile]:
    return [
        profile
        for profile in load_profiles().values()
        if profile.name not in BUG_FOR_BUG and not profile_problems(profile, engine.signal_names)
    ]


@pytest.mark.skipif(not GOLDEN, reason="../shared/corpora is not here")
@pytest.mark.parametrize("name", CASES)
def test_a_reference_against_itself(engine: Engine, name: str) -> None:
    earns_the_most(engine, name, GOLDEN[name])


@pytest.mark.parametrize("name", HERE)
def test_a_chart_of_ours_against_itself(engine: Engine, name: str) -> None:
    earns_the_most(engine, name, HERE[name])


def earns_the_most(engine: Engine, name: str, code: str) -> None:
    for profile in profiles(engine):
        chunk = WorkChunk(
            items=[WorkItem(key=name, code=code)],
            reference=name,
            profile=profile,
            runtime="mpl38",
            limits=Limits(timeout_s=60),
        )
        ((_, result),) = list(engine.score(chunk, Reference(code=code)))
        assert result.status is Status.OK, result.error
        assert result.reward == pytest.approx(profile.range[1], abs=1e-6), (profile.name, result.signals)
