"""Every attack of hostile.py: a named status, nobody else harmed, the slot clean for the next job."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.jail.conftest import BENIGN, Sibling
from tests.jail.hostile import ATTACKS, CASES, PRELUDE, Attack
from worker.jail import Jail, Outcome

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the attacks use x86_64 call numbers")


@pytest.fixture(scope="module", autouse=True)
def sibling(benign: Outcome) -> Iterator[Sibling]:
    assert benign.pixels is not None
    with Sibling(benign.pixels.tobytes()) as one:
        yield one
    assert one.drawn >= 1
    assert one.wrong == []


def world(jail: Jail) -> dict[str, object]:
    """What an attack must leave as it was."""
    assert jail._zygote is not None
    assert jail._folder is not None
    me = psutil.Process()
    return {
        "zygote": jail._zygote.pid,
        "descriptors": len([one for one in Path("/proc/self/fd").iterdir() if "chartreward" not in str(one)]),
        "children": sorted(child.pid for child in psutil.Process(jail._zygote.pid).children(recursive=True)),
        "nice": me.nice(),
        "affinity": me.cpu_affinity(),
        # Other workers of this machine keep their own folders there.
        "shm": sorted(
            path.name for path in Path("/dev/shm").iterdir() if not path.name.startswith(("chartreward-", "sem."))
        ),
        "left": jail._folder.leftovers(),
        "config": sorted(str(path) for path in jail._folder.config.rglob("*")),
        "runtime": Path(os.__file__).stat().st_mtime_ns,
    }


# Seconds each, and told by the others' way of ending: the fast suite leaves them out.
LONG = {"39 zip-bomb import", "37 C stack overflow", "05 numpy filling", "04 string doubling", "09 artists without end"}


def test_every_case_of_the_table_is_attacked() -> None:
    assert {int(attack.name[:2]) for attack in ATTACKS} == set(CASES) == set(range(1, len(CASES) + 1))
    assert len(CASES) >= 60
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert {attack.name for attack in ATTACKS} >= LONG


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(attack, id=attack.name, marks=[pytest.mark.slow] if attack.name in LONG else [])
        for attack in ATTACKS
    ],
)
def test_attack_gets_a_status_and_nothing_else(attack: Attack, jail: Jail, benign: Outcome) -> None:
    before = world(jail)
    if int(attack.name[:2]) % 2:  # its process waits for it, or for the chart after it, where its limits are its own
        jail.make_ready()
    outcome = jail.run(PRELUDE + attack.code, timeout_s=attack.timeout_s, memory_mb=attack.memory_mb)
    said = f"{outcome.status}: {outcome.error} (denied {outcome.denied})"
    assert "ESCAPED" not in said
    assert outcome.status.value in attack.statuses, said
    if attack.denied:
        assert attack.denied in (outcome.denied or ""), said
    if outcome.status == "forbidden":
        assert outcome.denied, said
    assert (outcome.pixels is not None) == (outcome.status == "ok")
    after = world(jail)
    before.pop("descriptors"), after.pop("descriptors")  # the sibling's thread opens and closes some; see the soak
    assert after == before
    again = jail.run(BENIGN)
    assert again.pixels is not None, again.error
    assert benign.pixels is not None
    assert again.pixels.tobytes() == benign.pixels.tobytes()
    assert again.description == benign.description
