"""`chartreward submit` and `references register`, against the real stack."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chartreward.cli import main
from chartreward.models import ItemResult

CODE = "import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [1, 2])\nplt.title('submit')\n"
EVIL = "<script>alert(1)</script>"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def results_of(path: Path) -> list[ItemResult]:
    return [ItemResult.model_validate_json(line) for line in path.read_text().splitlines()]


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    rows = [
        {"id": "same", "completion": f"```python\n{CODE}```", "label": CODE},
        {
            "id": EVIL,
            "completion": [{"role": "assistant", "content": f"{CODE}raise ValueError('{EVIL}')"}],
            "label": CODE,
        },
        {"id": "none", "completion": None, "label": CODE},
    ]
    path = tmp_path / "evaluation.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_submit_resumes_and_reports(base_url: str, evaluation: Path, tmp_path: Path) -> None:
    output, page = tmp_path / "out" / "results.jsonl", tmp_path / "report.html"
    shown = run("submit", evaluation, "-o", output, "--url", base_url, "--report", page)
    results = results_of(output)
    assert [result.id for result in results] == ["same", EVIL, "none"]
    assert [result.status for result in results] == ["ok", "runtime_error", "no_code"]
    assert [result.reward for result in results] == [2.0, 0.0, 0.0]
    assert "3 items" in shown and "runtime_error" in shown
    assert not list(output.parent.glob("*.partial"))
    html = page.read_text()
    assert EVIL not in html and "&lt;script&gt;" in html
    assert html.index("no_code") < html.index("(ok)"), "worst first"
    assert html.count("data:image/png;base64,") >= 2
    assert "http://" not in html and "https://" not in html, "self-contained"

    # A run that was interrupted: two results kept, one of them torn. Only what is missing is scored.
    first, second, _ = output.read_text().splitlines()
    output.unlink()
    output.with_name("results.jsonl.partial").write_text(
        first.replace("2.0", "1.25", 1) + "\n" + second[: len(second) // 2]
    )
    run("submit", evaluation, "-o", output, "--url", base_url)
    assert [result.reward for result in results_of(output)] == [1.25, 0.0, 0.0]
    # A line that changed is scored again, and so is everything under another profile.
    evaluation.write_text(evaluation.read_text().replace("submit", "another", 1))
    run("submit", evaluation, "-o", output, "--url", base_url)
    changed = results_of(output)
    assert changed[0].reward is not None and 1.25 != changed[0].reward < 2.0
    run("submit", evaluation, "-o", output, "--url", base_url, "--profile", "fidelity")
    assert {result.profile.partition("@")[0] for result in results_of(output)} == {"fidelity"}


def test_parquet_without_pyarrow_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "data.jsonl").write_text("no JSON, and never read\n")
    result = CliRunner().invoke(main, ["submit", str(tmp_path / "data.jsonl"), "-o", str(tmp_path / "out.parquet")])
    assert result.exit_code == 1 and "pip install pyarrow" in result.output


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", ":1: no JSON"),
        ('{"label": "x"}', "no field completion"),
        ('{"code": "x"}', "no field reference"),
        ("3", "not a JSON object"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "bad.jsonl").write_text(line + "\n")
    result = CliRunner().invoke(main, ["submit", str(tmp_path / "bad.jsonl"), "-o", str(tmp_path / "out.jsonl")])
    assert result.exit_code == 1 and message in result.output


def test_register_a_file_and_score_by_id(base_url: str, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text(
        "".join(json.dumps({"prompt": "draw", "reference": code}) + "\n" for code in (CODE, CODE + "#", CODE))
    )
    run("references", "register", data, "--url", base_url)
    rows = [json.loads(line) for line in (tmp_path / "data.registered.jsonl").read_text().splitlines()]
    ids = [row["reference_id"] for row in rows]
    assert ids[0] == ids[2] != ids[1] and rows[0]["prompt"] == "draw"
    # An interrupted registration goes on where it stopped, by content and in spite of a torn line.
    kept = tmp_path / "data.registered.jsonl.partial"
    kept.write_text(f"{ids[1]}\tref_earlier\n{ids[0]}\tref_to")
    run("references", "register", data, "--url", base_url)
    rows = [json.loads(line) for line in (tmp_path / "data.registered.jsonl").read_text().splitlines()]
    assert [row["reference_id"] for row in rows] == [ids[0], "ref_earlier", ids[0]] and not kept.exists()
    (tmp_path / "e.jsonl").write_text(json.dumps({"code": CODE, "label": ids[0]}) + "\n")
    run("submit", tmp_path / "e.jsonl", "-o", tmp_path / "r.jsonl", "--url", base_url)
    assert results_of(tmp_path / "r.jsonl")[0].reward == 2.0


def test_register_a_folder(base_url: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.py").write_text(CODE)
    (tmp_path / "notes.txt").write_text("no chart")
    run("references", "register", tmp_path, "--url", base_url)
    rows = [json.loads(line) for line in (tmp_path / "references.jsonl").read_text().splitlines()]
    assert [row["file"] for row in rows] == ["deep/a.py"] and rows[0]["reference_id"].startswith("ref_")


def test_a_bad_reference_is_named(base_url: str, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text(json.dumps({"label": CODE}) + "\n" + json.dumps({"label": "two words"}) + "\n")
    result = CliRunner().invoke(main, ["references", "register", str(data), "--url", base_url])
    assert result.exit_code == 1 and "record 2: label 'two words'" in result.output
