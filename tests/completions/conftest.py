"""Real model outputs of the development corpus."""

import gzip
import json
from pathlib import Path

import pytest

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "chartmimic-dev.jsonl.gz"


@pytest.fixture(scope="session")
def dev_rollouts() -> list[str]:
    if not CORPUS.exists():
        pytest.skip(f"no development corpus at {CORPUS}")
    with gzip.open(CORPUS, "rt") as lines:
        records = [json.loads(line) for line in lines]
    return [record["code"] for record in records if record["kind"] == "rollout" and record["code"]]
