"""Does a reward order a reference's rollouts as GPT-4o's ratings do?

    nice -n 10 .venv/bin/python -m benchmarks.ranking            # after benchmarks.renders and benchmarks.signal_table
    nice -n 10 .venv/bin/python -m benchmarks.ranking --fit      # also fit `fidelity`'s weights, cross-validated

For every reference its rated rollouts are one group. Reported are the means over references of Kendall's tau-b and
Spearman's rho, and the share of pairs ordered rightly among pairs whose ratings differ by at least 10 of 100 (ties of
the reward count one half). Rollouts that fail carry the profile's failure reward.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import kendalltau, spearmanr

from benchmarks.signal_table import BACKBONE, table_path
from chartreward.models import Profile, SignalResult, Status
from chartreward.profiles import load_profiles
from worker.reward import SignalMissingError, blank, combine, failure

RESULTS = Path(__file__).parent / "results"
Row = dict[str, Any]
Floats = NDArray[np.float64]


def rows() -> list[Row]:
    """The rated rollouts of the signal table."""
    return [row for row in json.loads(table_path().read_text()) if row["rating"] is not None]


def by_reference(table: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows grouped by reference."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in table:
        groups[row["reference"]].append(row)
    return dict(groups)


def agreement(groups: dict[str, list[Row]], score: Callable[[Row], float]) -> dict[str, float]:
    """Mean within-reference Kendall and Spearman, pairwise accuracy at >= 0.10, and the number of references used."""
    taus, rhos, right, pairs = [], [], 0.0, 0
    for group in groups.values():
        ratings = np.array([row["rating"] for row in group])
        scores = np.round([score(row) for row in group], 9)
        if len(group) < 2 or np.ptp(ratings) == 0:
            continue
        constant = np.ptp(scores) == 0
        taus.append(0.0 if constant else float(kendalltau(scores, ratings).statistic))
        rhos.append(0.0 if constant else float(spearmanr(scores, ratings).statistic))
        apart = ratings[:, None] - ratings[None, :]
        better = apart >= 0.10 - 1e-9
        ordered = np.sign(scores[:, None] - scores[None, :])
        right += float(((ordered[better] + 1) / 2).sum())
        pairs += int(better.sum())
    return {
        "kendall": float(np.mean(taus)),
        "spearman": float(np.mean(rhos)),
        "pairwise@10": right / max(pairs, 1),
        "references": len(taus),
    }


def signal_score(name: str) -> Callable[[Row], float]:
    """A signal alone, failures and blank figures at 0."""

    def score(row: Row) -> float:
        if not row["values"] or row["blank"]:
            return -0.001
        return float(row["values"].get(name) or 0.0)

    return score


def profile_score(profile: Profile, names: dict[str, str]) -> Callable[[Row], float]:
    """A profile's normalised reward from the table's signal values; `names` maps its signals to the table's columns."""

    def score(row: Row) -> float:
        values = row["values"]
        known = row["status"] != "missing" and all(names[use.name] in values for use in profile.signals)
        partial = profile.partial_figures and row["status"] == "runtime_error"
        if not known or (row["status"] != "ok" and not partial):
            status = Status.RUNTIME_ERROR if row["status"] == "missing" else Status(row["status"])
            return failure(profile, status).normalized
        treatment = blank(profile) if row["blank"] else None
        if treatment is not None:
            return treatment.normalized
        signals = {use.name: SignalResult(value=values[names[use.name]]) for use in profile.signals}
        try:
            return combine(profile, signals, 0).normalized
        except SignalMissingError:
            return 0.0

    return score


def columns_of(profile: Profile, available: set[str]) -> dict[str, str] | None:
    """The table column of every signal of a profile; None when one was not computed."""
    from benchmarks.signal_table import signal_calls

    found = {}
    for use in profile.signals:
        name = f"visual.{BACKBONE}" if use.name == "visual" else use.name
        column = next((label for label, call in signal_calls().items() if call == (name, dict(use.options))), None)
        if column is None or column not in available:
            return None
        found[use.name] = column
    return found


# --- fidelity's weights -----------------------------------------------------------------------


def design(table: Sequence[Row], names: Sequence[str]) -> tuple[Floats, Floats]:
    """(signals, ratings), both centred within every reference: only the order inside a group matters."""
    groups = by_reference([row for row in table if row["values"] and not row["blank"]])
    xs, ys = [], []
    for group in groups.values():
        x = np.array([[float(row["values"].get(name) or 0.0) for name in names] for row in group])
        y = np.array([row["rating"] for row in group])
        xs.append(x - x.mean(axis=0))
        ys.append(y - y.mean())
    return np.concatenate(xs), np.concatenate(ys)


def fit(table: Sequence[Row], names: Sequence[str]) -> Floats:
    """Non-negative least-squares weights that sum to 1."""
    weights, _ = nnls(*design(table, names))
    return np.asarray(weights / weights.sum())


def cross_validated(table: Sequence[Row], names: Sequence[str], folds: int = 10) -> tuple[dict[str, float], Floats]:
    """Agreement of scores whose weights never saw their reference, and the spread of the weights over the folds."""
    references = sorted({row["reference"] for row in table})
    order = np.random.default_rng(0).permutation(len(references))
    fold_of = {references[index]: place % folds for place, index in enumerate(order)}
    weights = [fit([row for row in table if fold_of[row["reference"]] != fold], names) for fold in range(folds)]

    def score(row: Row) -> float:
        if not row["values"] or row["blank"]:
            return -0.001
        mine = weights[fold_of[row["reference"]]]
        return float(sum(w * (row["values"].get(name) or 0.0) for w, name in zip(mine, names, strict=True)))

    return agreement(by_reference(table), score), np.array(weights)


def report(table: list[Row]) -> dict[str, dict[str, float]]:
    """Agreement of every signal and profile."""
    groups = by_reference(table)
    available = {name for row in table for name in row["values"]}
    found = {
        "recorded ChartMimic mean": agreement(groups, lambda row: float(np.mean(list(row["recorded"].values())))),
    }
    for name in sorted(available):
        found[f"signal {name}"] = agreement(groups, signal_score(name))
    for name, profile in load_profiles().items():
        names = columns_of(profile, available)
        if names is not None:
            found[f"profile {name}"] = agreement(groups, profile_score(profile, names))
    return found


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", nargs="*", metavar="SIGNAL")
    arguments = parser.parse_args()
    table = rows()
    found = report(table)
    for name, values in found.items():
        print(f"{name:44s} {values['kendall']:.3f} {values['spearman']:.3f} {values['pairwise@10']:.3f}")
    if arguments.fit is not None:
        available = {name for row in table for name in row["values"]}
        columns = columns_of(load_profiles()["fidelity"], available) or {}
        names = arguments.fit or list(columns.values())
        held_out, weights = cross_validated(table, names)
        found["fidelity, weights fitted on other references"] = held_out
        print("cross-validated", {key: round(value, 3) for key, value in held_out.items()})
        for name, column in zip(names, weights.T, strict=True):
            print(f"  {name:36s} {column.mean():.3f} ± {column.std():.3f}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ranking.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
