"""Snippets run by the real capture code in both runtimes' own interpreters."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chartreward.description import Axes, ChartDescription, Mark, Text

ROOT = Path(__file__).resolve().parents[2]
PREAMBLE = "import numpy as np\nimport matplotlib.pyplot as plt\n"


class Drawn:
    """What one snippet left: the reply, the checked description, the pixels (height, width, 3)."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.reply: dict[str, Any] = answer["reply"]
        self.hooked: list[str] = answer["hooked"]
        self.status: str = self.reply["status"]
        self.error: dict[str, Any] | None = self.reply["error"]
        raw = np.frombuffer(base64.b64decode(answer["pixels"]), np.uint8)
        self.pixels: NDArray[np.uint8] = raw.reshape(self.reply["height"], self.reply["width"], 3)
        described = self.reply["description"]
        self._description = None if described is None else ChartDescription.model_validate_json(json.dumps(described))

    @property
    def description(self) -> ChartDescription:
        assert self._description is not None, self.error
        return self._description

    @property
    def axes(self) -> list[Axes]:
        return self.description.axes

    def marks(self, kind: str | None = None) -> list[Mark]:
        return [mark for mark in self.description.marks if kind is None or mark.kind == kind]

    def texts(self, role: str | None = None) -> list[Text]:
        return [text for text in self.description.texts if role is None or text.role == role]

    def strings(self, role: str) -> list[str]:
        return [text.string for text in self.texts(role)]


class Forker:
    """One warm process of a runtime."""

    def __init__(self, runtime: str, folder: Path) -> None:
        python = ROOT / ".runtimes" / runtime / "bin" / "python"
        if not python.exists():
            pytest.skip(f"runtime {runtime} is not set up: make setup")
        self.runtime = runtime
        self.process = subprocess.Popen(
            [
                str(python),
                "-P",
                "-s",
                str(Path(__file__).with_name("forker.py")),
                str(ROOT / "worker" / "sandboxed"),
                str(folder),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "stderr.txt").open("wb"),
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"},
        )
        assert self._line() == "warm", (folder / "stderr.txt").read_text()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def __call__(self, code: str, **options: Any) -> Drawn:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"code": PREAMBLE + code, "options": options}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self._line())
        assert answer is not None, "the child ended without an answer"
        return Drawn(answer)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


@pytest.fixture(scope="session", params=["mpl38", pytest.param("current", marks=pytest.mark.slow)])
def draw(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """Run a snippet (numpy as np, matplotlib.pyplot as plt imported) and get what was captured."""
    forker = Forker(request.param, tmp_path_factory.mktemp(f"forker-{request.param}"))
    yield forker
    forker.close()
