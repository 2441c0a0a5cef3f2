"""The guard against slower rewards, on made-up histories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.guard import main, regressions
from benchmarks.throughput import ratios


def made_up(wall: float, cpu: float = 1.0, name: str = "ours/b0") -> dict[str, dict[str, float]]:
    return {name: {"wall": wall, "cpu": cpu}}


def test_a_ratio_within_the_slack_passes_and_one_below_it_does_not() -> None:
    past = [made_up(1.0), made_up(1.1), made_up(0.9)]
    assert regressions(made_up(0.91), past) == []
    assert regressions(made_up(2.0), past) == []
    assert regressions(made_up(0.89), past) == ["ours/b0 by wall: 0.89; 1.00 before"]
    assert regressions(made_up(1.0, cpu=0.5), past) == ["ours/b0 by cpu: 0.50; 1.00 before"]
    assert regressions(made_up(0.96), past, slack=0.03) == ["ours/b0 by wall: 0.96; 1.00 before"]


def test_one_lucky_run_is_no_yardstick_and_old_runs_are_forgotten() -> None:
    assert regressions(made_up(0.95), [made_up(1.0), made_up(3.0), made_up(1.0)]) == []
    old, recent = [made_up(2.0)] * 20, [made_up(1.0)] * 5
    assert regressions(made_up(0.95), old + recent) == []
    assert regressions(made_up(0.95), recent + old) != []


def test_a_ratio_that_is_no_longer_measured_is_told_and_a_new_one_is_not() -> None:
    past = [made_up(1.0)]
    assert regressions(made_up(1.0, name="fidelity/b0") | made_up(1.0), past) == []
    assert regressions({}, past) == [
        "ours/b0 by wall: not measured; 1.00 before",
        "ours/b0 by cpu: not measured; 1.00 before",
    ]
    assert regressions(made_up(0.1), []) == []


def test_ratios_divide_rates() -> None:
    parts = {
        "b0": {"per_s": 10.0, "per_cpu_s": 5.0},
        "ours": {"per_s": 12.0, "per_cpu_s": 4.0},
        "single": {"ratio_p50": 1.2},
    }
    assert ratios(parts) == {"ours/b0": {"wall": 1.2, "cpu": 0.8}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A history: two runs, one on fewer rollouts, one of an older format."""
    rows: list[dict[str, Any]] = [
        {"when": "2026-01-01", "rollouts": 300, "parts": {"ours": {}}, "ratios": made_up(1.0)},
        {"when": "2026-01-02", "rollouts": 300, "parts": {"ours": {}}, "ratios": made_up(1.0)},
        {"when": "2026-01-03", "rollouts": 20, "parts": {"ours": {}}, "ratios": made_up(9.0)},
        {"when": "2026-01-04", "rollouts": 300, "ratios": {"chartsimrl": {"B0": 9.0}}},
    ]
    for number, row in enumerate(rows):
        (tmp_path / f"throughput-{number}.json").write_text(json.dumps(row))
    return tmp_path


@pytest.mark.parametrize(("value", "status"), [(0.95, 0), (0.5, 1)])
def test_the_command_compares_a_file_with_the_history(
    folder: Path, value: float, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "throughput-new.json"
    file.write_text(
        json.dumps({"when": "2026-01-05", "rollouts": 300, "parts": {"ours": {}}, "ratios": made_up(value)})
    )
    assert main([str(file), "--history", str(folder)]) == status
    told = capsys.readouterr().out
    assert told == ("no regression against 2 earlier runs\n" if status == 0 else "ours/b0 by wall: 0.50; 1.00 before\n")
