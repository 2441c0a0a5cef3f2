"""The written list of settings is the one the programs read."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("configuration", ROOT / "docker" / "configuration.py")
assert spec is not None
assert spec.loader is not None
configuration = importlib.util.module_from_spec(spec)
spec.loader.exec_module(configuration)


def test_the_written_settings_are_current() -> None:
    """`python docker/configuration.py` writes both anew."""
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == configuration.env_example()
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == configuration.configuration_page()


def test_every_variable_of_the_compose_files_is_listed_with_its_default() -> None:
    listed = {name: default for entries in configuration.COMPOSE.values() for name, default, _ in entries}
    internal = {"ENV_FILE", "SECRETS"}  # for tests
    used: dict[str, str] = {}
    for path in (ROOT / "docker-compose.yml", *(ROOT / "docker").glob("compose.*.yml")):
        for name, default in re.findall(r"(?<!\$)\$\{(\w+)(?::?[-?]([^}]*))?\}", path.read_text(encoding="utf-8")):
            used.setdefault(name, default)
    assert set(used) - internal == set(listed)
    required = {"REDIS_BIND", "REDIS_URL"}
    assert {n: d for n, d in used.items() if n not in internal | required} == {
        n: d for n, d in listed.items() if n not in required
    }
