"""Documents hold together: links, anchors, pictures, languages, the habits that CONTRIBUTING promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.documents import ROOT, anchors, blocks, documents, links

LANGUAGES = {"", "bash", "console", "python", "json", "text", "toml", "yaml", "diff"}


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in links(path):
        found = (path.parent / target).resolve() if target else path
        assert found.is_relative_to(ROOT) and found.exists(), f"{path.name} links to {target}"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{path.name} links to {target}#{anchor}; it has {sorted(anchors(found))}"


def test_blocks_say_what_they_are() -> None:
    for block in blocks():
        assert block.language in LANGUAGES, block.name


def test_the_documents_about_targets_name_real_ones() -> None:
    """Every `make TARGET` that a document mentions exists, and CONTRIBUTING lists the main ones."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for path in documents():
        for name in re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8")):
            assert name in targets, f"{path.name}: make {name}"


def test_files_named_in_contributing_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name in re.findall(r"`([\w./-]+/[\w./-]*)`", text):
        if "NAME" not in name and not name.startswith("site/"):
            assert (ROOT / name).exists(), name


def test_every_exit_status_is_documented() -> None:
    from chartreward.cli_errors import ExitStatus

    table = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").partition("## Exit status")[2]
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert listed == {*map(int, ExitStatus), 130}


def test_every_command_is_documented() -> None:
    from typer.main import get_command

    from chartreward.cli import main

    table = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    commands = getattr(get_command(main), "commands", {})
    assert len(commands) >= 9
    for name in commands:
        assert re.search(rf"^\| `{name}\b", table, re.MULTILINE), name


def test_hooks_and_templates_are_well_formed() -> None:
    """pre-commit accepts its configuration, every hook's command exists, and GitHub's forms have what they need."""
    config = ROOT / ".pre-commit-config.yaml"
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-config", config], check=True, capture_output=True)
    for hook in yaml.safe_load(config.read_text())["repos"][0]["hooks"]:
        command = hook["entry"].split()
        assert command[0] == ".venv/bin/python"
        for argument in command[3:]:
            assert not argument.endswith(".py") or (ROOT / argument).exists()
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) >= 4
    for form in forms:
        content = yaml.safe_load(form.read_text(encoding="utf-8"))
        if form.name != "config.yml":
            assert content["name"] and content["description"]
            for element in content["body"]:
                assert element["type"] in {"markdown", "textarea", "input", "dropdown", "checkboxes"}
                assert element["type"] == "markdown" or (element["id"] and element["attributes"]["label"])
    assert "CHANGELOG" in (ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8")
