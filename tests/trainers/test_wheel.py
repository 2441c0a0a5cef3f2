"""The wheel in an empty environment: the client, the command and every adapter, with light dependencies alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from packages import pip

ROOT = Path(__file__).parents[2]
LIGHT = {
    "annotated-doc", "annotated-types", "anyio", "certifi", "chartreward", "click", "h11", "httpcore", "httpx", "idna",
    "markdown-it-py", "mdurl", "pip", "pydantic", "pydantic-core", "pygments", "rich", "setuptools", "shellingham",
    "sniffio", "typer", "typing-extensions", "typing-inspection",
}  # fmt: skip
CODE = "import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [1, 2])\nplt.title('wheel')\n"
PROBE = f"""
import importlib, json, pkgutil, sys
from importlib.metadata import distributions
import chartreward, chartreward.client, chartreward.trainers
names = [module.name for module in pkgutil.iter_modules(chartreward.trainers.__path__)]
for name in names:
    importlib.import_module("chartreward.trainers." + name)
with chartreward.client.RewardClient(sys.argv[1]) as client:
    (result,) = client.score([({CODE!r}, {CODE!r})])
print(json.dumps({{
    "file": chartreward.__file__,
    "adapters": names,
    "installed": [one.metadata["Name"].lower().replace("_", "-") for one in distributions()],
    "reward": result.reward,
}}))
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_wheel(base_url: str, tmp_path: Path) -> None:
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path / "dist"), str(ROOT))
    (wheel,) = (tmp_path / "dist").glob("chartreward-*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "empty")], check=True)
    python = tmp_path / "empty" / "bin" / "python"
    pip(str(python), "install", "-c", str(ROOT / "requirements" / "engine.txt"), str(wheel))

    def run(*command: object) -> str:
        done = subprocess.run(
            list(map(str, command)),
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    found = json.loads(run(python, "-c", PROBE, base_url).splitlines()[-1])
    assert found["file"].startswith(str(tmp_path)) and found["reward"] == 2.0
    assert set(found["adapters"]) >= {"trl", "verl", "ms_swift", "easyr1", "areal", "verifiers", "recipe"}
    assert set(found["installed"]) <= LIGHT
    command = python.with_name("chartreward")
    assert "submit" in run(command, "--help")
    (tmp_path / "data.jsonl").write_text(json.dumps({"code": CODE, "label": CODE}) + "\n")
    run(command, "submit", "data.jsonl", "-o", "results.jsonl", "--url", base_url)
    assert json.loads((tmp_path / "results.jsonl").read_text())["reward"] == 2.0
