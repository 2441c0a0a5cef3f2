"""Every code block of the documentation runs here, against the real stack, or is excused by name with the reason."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from chartreward.models import Profile
from tests.docs.documents import ROOT, Block, blocks

pytestmark = pytest.mark.slow

# `document: beginning of the first line` -> why it cannot run here. One that is excused in vain fails the test below.
EXCUSED = {
    "README.md: make run": "sets up the machine and serves; the stack of these tests is what it starts",
    "docs/index.md: make run": "the same",
    "docs/cli.md: $ chartreward weights get resnet18": "downloads; tests/client/test_cli.py has a local server",
    "docs/cli.md: $ chartreward --install-completion": "edits the shell's start-up file; --show-completion is tested",
    "docs/operations.md: $ docker/setup.sh": "needs a Docker engine: make test-compose",
    "docs/trainers.md: from chartreward.trainers.trl": "needs TRL: make test-trainers",
    "docs/trainers.md: $ python -m verl": "needs verl and GPUs; tests/trainers checks the adapter's contract",
    "docs/trainers.md: $ echo 'import chartreward.trainers.ms_swift'": "needs ms-swift: make test-trainers",
    "docs/trainers.md: $ echo 'from chartreward.trainers.easyr1": "needs EasyR1: make test-trainers",
    "docs/trainers.md: @vf.reward": "needs verifiers: make test-trainers",
    "docs/trainers.md: NeMoGymTaskConfig": "needs verifiers: make test-trainers",
    "docs/trainers.md: $ python train.py --rm-type": "slime's own script; tests/service/test_trainers.py speaks to /rm",
    "docs/trainers.md: $ python -m openrlhf": "needs OpenRLHF; tests/service/test_trainers.py speaks its protocol",
}
# What the reader of a fragment has at hand.
PRELUDES = {
    "docs/trainers.md: from chartreward.client": (
        "reference = 'import matplotlib.pyplot as plt\\nplt.plot([1, 2])'\nrollouts = [(reference, reference)] * 2"
    ),
}
RUN = ("python", "bash", "console", "json")
UNSTABLE = {"timing", "id", "created", "weights", "engine", "request_id"}


def matching(table: dict[str, Any], block: Block) -> list[str]:
    """The names in a table that mean this block."""
    return [name for name in table if block.name.startswith(name)]


def test_every_excuse_is_needed() -> None:
    for table in (EXCUSED, PRELUDES):
        for name in table:
            assert any(block.name.startswith(name) for block in blocks() if block.language in RUN), name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where blocks run: the examples, and an evaluation of two lines."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\n"
    rows = [{"id": name, "completion": f"```python\n{code}```", "reference": code} for name in ("a", "b")]
    for name in ("evaluation.jsonl", "data.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def run(command: list[str], folder: Path, url: str) -> str:
    """Standard output of a command that must succeed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("CHARTREWARD_")}
    env |= {"PATH": f"{Path(sys.executable).parent}:{env['PATH']}", "CHARTREWARD_URL": url, "NO_PROXY": "*"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def commands_of(text: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines of output shown below it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and found[-1][0].endswith("\\"):
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        elif found and line.strip():
            found[-1][1].append(line)
    return found


def agrees(shown: Any, actual: Any, where: str = "answer") -> None:
    """What a document shows is in what the service answers; `...` and unstable fields aside."""
    if isinstance(shown, dict):
        assert isinstance(actual, dict), where
        for name, value in shown.items():
            assert name in actual, f"{where}.{name}"
            if name not in UNSTABLE or (name == "id" and not str(value).startswith("b_")):
                agrees(value, actual[name], f"{where}.{name}")
    elif isinstance(shown, list):
        assert isinstance(actual, list) and len(actual) >= len(shown), where
        for index, value in enumerate(shown):
            agrees(value, actual[index], f"{where}[{index}]")
    elif isinstance(shown, float | int) and not isinstance(shown, bool):
        assert isinstance(actual, float | int) and math.isclose(shown, actual, abs_tol=0.002), f"{where}: {actual}"
    elif isinstance(shown, str) and shown.endswith("..."):
        assert str(actual).startswith(shown[:-3]), f"{where}: {actual}"
    else:
        assert shown == actual, f"{where}: {actual}"


def check_json(block: Block, url: str, folder: Path) -> None:
    """A request is sent, a recipe scored, an answer compared with that of the curl block before it."""
    shown = json.loads(block.text)
    if "results" in shown or "counts" in shown:
        before = [other for other in blocks() if other.document == block.document and other.line < block.line]
        asked = next(other for other in reversed(before) if other.language == "bash" and "curl" in other.text)
        answer = run(["bash", "-euo", "pipefail", "-c", moved(asked.text, url)], folder, url)
        agrees(shown, json.loads(answer))
    elif "items" in shown:
        answer = httpx.post(f"{url}/v1/rewards?wait=60", json=shown, timeout=90)
        assert answer.status_code == 200 and answer.json()["status"] == "completed", answer.text
        assert all(result["reward"] is not None for result in answer.json()["results"])
    elif "signals" in shown:
        code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])"
        recipe = Profile.model_validate(shown).model_dump(mode="json")
        body = {"items": [{"code": code, "reference": {"code": code}}], "profile": recipe}
        answer = httpx.post(f"{url}/v1/rewards?wait=60", json=body, timeout=90)
        assert answer.status_code == 200 and answer.json()["results"][0]["reward"] is not None, answer.text
    else:
        pytest.fail(f"{block.name} is neither a request, nor an answer, nor a profile: excuse it")


def moved(text: str, url: str) -> str:
    """A block that speaks to the stack of these tests."""
    return re.sub(r"http://(127\.0\.0\.1|localhost|rewards):8000", url, text)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "block", [block for block in blocks() if block.language in RUN], ids=lambda block: f"{block.document}:{block.line}"
)
def test_block_runs(block: Block, folder: Path, base_url: str) -> None:
    if matching(EXCUSED, block):
        return
    text = moved(block.text, base_url)
    if block.language == "json":
        check_json(block, base_url, folder)
    elif block.language == "python":
        prelude = "\n".join(PRELUDES[name] for name in matching(PRELUDES, block))
        run([sys.executable, "-c", f"{prelude}\n{text}"], folder, base_url)
    elif block.language == "bash":
        run(["bash", "-euo", "pipefail", "-c", text], folder, base_url)
    else:
        for command, shown in commands_of(text):
            output = re.sub(r"\d+", "N", run(["bash", "-euo", "pipefail", "-c", command], folder, base_url))
            for line in shown:
                assert re.sub(r"\d+", "N", line.strip()) in output
