"""docker/setup.sh, the first command that anybody runs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def setup(folder: Path) -> str:
    """What it prints, with everything it makes in a folder."""
    environment = {**os.environ, "ENV_FILE": str(folder / "env"), "SECRETS": str(folder / "secrets")}
    command = [ROOT / "docker" / "setup.sh"]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def test_it_makes_secrets_that_only_their_owner_reaches_and_keeps_what_is_there(tmp_path: Path) -> None:
    said = setup(tmp_path)
    key = said.rpartition(" ")[2].strip()
    made = {path.name: path.read_text(encoding="ascii") for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == {"redis_password", "grafana_password", "api_keys"}
    assert made["redis_password"] != made["grafana_password"]
    assert {len(made[name]) for name in ("redis_password", "grafana_password")} == {48}
    assert json.loads(made["api_keys"]) == {"default": hashlib.sha256(key.encode()).hexdigest()}
    assert key not in "".join(made.values())
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "env").read_bytes() == (ROOT / ".env.example").read_bytes()
    (tmp_path / "env").write_text("API_PORT=8001\n", encoding="ascii")
    assert setup(tmp_path) == ""
    assert {path.name: path.read_text(encoding="ascii") for path in (tmp_path / "secrets").iterdir()} == made
    assert (tmp_path / "env").read_text(encoding="ascii") == "API_PORT=8001\n"
