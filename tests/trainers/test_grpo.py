"""A real GRPO run and real data sets, in an environment of their own (trl, transformers, datasets, a CPU torch)."""

import json
import math
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from packages import TRL, environment

from chartreward.embedded import Stack

ROOT = Path(__file__).parents[2]
CODE = "import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [1, 2])\nplt.title('{}')\n"
STEPS, KILLED_AFTER = 12, 6
METRICS = {f"chart/{name}" for name in ("attributes", "visual", "normalized", "executed", "infra_failure")}
pytestmark = [pytest.mark.trainers, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def trl() -> Path:
    return environment("trl", TRL)


def run(python: Path, *arguments: object, url: str) -> str:
    """Run Python with these arguments as a trainer's machine would: this package and nothing else of the repository."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "CHARTREWARD_URL": url}
    done = subprocess.run(
        list(map(str, (python, *arguments))), env=env, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def cli(python: Path, *arguments: object, url: str) -> str:
    return run(python, "-c", "from chartreward.cli import main; main()", *arguments, url=url)


def a_worker(pool: int) -> psutil.Process:
    """One of the pool's worker processes."""
    for child in psutil.Process(pool).children():
        with suppress(psutil.Error):  # one that ended meanwhile
            if "--one" in child.cmdline():
                return child
    raise AssertionError("the pool has no worker")


def test_a_real_run_survives_a_killed_worker(trl: Path, tmp_path: Path) -> None:
    """TRL on a CPU; one of two workers is killed half-way. Every step is logged, no rollout goes unscored."""
    log = tmp_path / "log.jsonl"
    with Stack(workers=2, env={"CHARTREWARD_LOG_LEVEL": "warning"}) as stack:
        script = ROOT / "examples" / "trainers" / "grpo_tiny.py"
        command = [trl, script, "--url", stack.url, "--steps", STEPS, "--log", log, "--folder", tmp_path / "out"]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
        training = subprocess.Popen(
            list(map(str, command)), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert training.stdout is not None
        said, killed = [], False
        for line in training.stdout:
            said.append(line)
            if f'"step": {KILLED_AFTER},' in line:
                a_worker(stack.processes["workers"].pid).kill()
                killed = True
        assert training.wait(timeout=120) == 0, "".join(said[-40:])
    assert killed, "".join(said[-40:])
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert all(set(row) > METRICS and all(math.isfinite(value) for value in row.values()) for row in rows)
    assert {row["chart/infra_failure"] for row in rows} == {0.0}
    assert max(row["reward"] for row in rows) > 0


def test_register_a_saved_dataset(trl: Path, base_url: str, tmp_path: Path) -> None:
    """`datasets.save_to_disk`, with scripts and with pictures; the ids come back as a column of it."""
    make = f"""
import sys
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pictures
codes = [{CODE!r}.format(n % 3) for n in range(40)]
Dataset.from_dict({{"prompt": ["draw"] * 40, "reference": codes}}).save_to_disk(sys.argv[1] + "/scripts")
pictures = [Pictures.new("RGB", (40, 30), (n % 2 * 255, 0, 0)) for n in range(6)]
features = Features({{"id": Value("int64"), "image": Image()}})
Dataset.from_dict({{"id": range(6), "image": pictures}}, features=features).save_to_disk(sys.argv[1] + "/pictures")
"""
    read = """
import json, sys
from datasets import load_from_disk
data = load_from_disk(sys.argv[1])
print(json.dumps({"columns": data.column_names, "ids": data["reference_id"][:]}))
"""
    run(trl, "-c", make, tmp_path, url=base_url)
    said = cli(trl, "references", "register", tmp_path / "scripts", url=base_url)
    assert "40 references registered (3 different)" in said
    scripts = json.loads(run(trl, "-c", read, tmp_path / "scripts.registered", url=base_url))
    assert scripts["columns"] == ["prompt", "reference", "reference_id"]
    assert len(set(scripts["ids"])) == 3 and scripts["ids"][0] == scripts["ids"][3] != scripts["ids"][1]
    cli(trl, "references", "register", tmp_path / "pictures", "--column", "image", url=base_url)
    pictures = json.loads(run(trl, "-c", read, tmp_path / "pictures.registered", url=base_url))
    assert len(set(pictures["ids"])) == 2 and all(name.startswith("ref_") for name in pictures["ids"])


def test_submit_to_parquet(trl: Path, base_url: str, tmp_path: Path) -> None:
    """Read back by pyarrow; a second run scores nothing that is there."""
    rows = [{"id": str(n), "code": CODE.format(n) + "1 / 0\n" * (n == 1), "label": CODE.format(n)} for n in range(3)]
    data, output = tmp_path / "data.jsonl", tmp_path / "results.parquet"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = "import sys, json, pyarrow.parquet as p; print(json.dumps(p.read_table(sys.argv[1]).to_pylist()))"
    cli(trl, "submit", data, "-o", output, url=base_url)
    first = json.loads(run(trl, "-c", read, output, url=base_url))
    assert [(row["id"], row["status"], row["reward"]) for row in first] == [
        ("0", "ok", 2.0),
        ("1", "runtime_error", 0.0),
        ("2", "ok", 2.0),
    ]
    assert first[0]["signal.attributes"] == 1.0 and first[1]["signal.attributes"] is None
    assert "ZeroDivisionError" in first[1]["error"]
    cli(trl, "submit", data, "-o", output, url=base_url)  # with the timing of the first run: nothing was scored again
    assert json.loads(run(trl, "-c", read, output, url=base_url)) == first
