"""The self-test's attempts are real: each works once the layers that stop it are taken away, and only then."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.jail.conftest import RUNTIME, SETTINGS
from worker.jail import self_test, zygote

UID = 61_183
TABLE = (
    "import json, sys; sys.path.insert(0, sys.argv[1]); import escapes, escapes_kernel as k;"
    "print(json.dumps({n: [sorted(e.layers), e.landlock_since, e.machine] for n, e in k.ALL.items()}))"
)
LIMITS = {"memory_bytes": 1 << 28, "cpu_s": 60, "file_bytes": 1 << 20, "open_files": 256, "stack_bytes": 1 << 23}
LAYERS = {"landlock", "seccomp", "limits", "descriptors"}
# Sets of layers to take away: none, each alone, what overlaps, all.
TAKEN = [
    set(),
    {"landlock"},
    {"seccomp"},
    {"limits"},
    {"descriptors"},
    {"landlock", "seccomp"},
    {"limits", "seccomp"},
    LAYERS,
]


@pytest.fixture(scope="module")
def table() -> dict[str, tuple[set[str], int, bool]]:
    """Of every attempt: the layers that stop it, the Landlock ABI from which that one does, and `machine`."""
    command = [str(RUNTIME.python), "-c", TABLE, str(zygote.SANDBOXED)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    return {name: (set(layers), since, machine) for name, (layers, since, machine) in json.loads(said).items()}


def tried(without: list[set[str]], folder: Path) -> tuple[int, list[set[str]]]:
    """Landlock's ABI, and what worked without each set of layers."""
    uid = UID if os.geteuid() == 0 else None
    work = folder / "work"
    work.mkdir()
    for path in (work, folder, *folder.parents):
        if os.geteuid() == 0 and path.is_relative_to(folder.parents[1]):
            path.chmod(0o755)
    work.chmod(0o777)
    with self_test.traps(SETTINGS, uid) as facts:
        asked: dict[str, Any] = {
            "sandboxed": str(zygote.SANDBOXED),
            "uid": uid,
            "facts": {**facts, "memory_bytes": LIMITS["memory_bytes"], "file_bytes": LIMITS["file_bytes"]},
            "limits": LIMITS,
            "work": str(work),
            "without": [sorted(layers) for layers in without],
        }
        script = str(Path(__file__).with_name("unlocked.py"))
        command = [str(RUNTIME.python), "-P", script, json.dumps(asked)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr[-4000:]
    answer = json.loads(done.stdout)
    return answer["abi"], [set(worked) for worked in answer["worked"]]


def test_each_attempt_works_exactly_when_its_layers_are_gone(
    table: dict[str, tuple[set[str], int, bool]], tmp_path: Path
) -> None:
    abi, worked = tried(TAKEN, tmp_path)
    assert abi > 0
    assert len(table) >= 60
    unlocked = worked[-1]
    stubborn = {name for name in table if name not in unlocked}
    assert {name for name in stubborn if not table[name][2]} == set()  # vacuous on this machine: a bug in the attempt
    for taken, found in zip(TAKEN, worked, strict=True):
        expected = set()
        for name, (layers, since, _) in table.items():
            stopping = layers - ({"landlock"} if abi < since else set())
            if stopping <= taken and name not in stubborn:
                expected.add(name)
        assert found == expected, f"without {sorted(taken)}"


@pytest.mark.skipif(os.geteuid() != 0, reason="there is a user to give up only where the tests run as root")
def test_root_is_given_up(tmp_path: Path) -> None:
    _, (locked, bare) = tried([{"user"}, {"user", "seccomp"}], tmp_path)
    assert "become root" not in locked
    assert "become root" in bare
