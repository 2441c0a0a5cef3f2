"""EasyR1: a batch reward function. It gets the whole rollout (thousands of samples) in one call.

    # reward.py
    from chartreward.trainers.easyr1 import REWARD_NAME, REWARD_TYPE, compute_score

    worker.reward.reward_function=./reward.py:compute_score
    worker.reward.reward_function_kwargs='{"url": "http://rewards:8000"}'

The reference is the dataset's answer column (`data.answer_key`), which arrives as `ground_truth`. EasyR1 averages every
key over the batch, so that each signal shows as a metric. It cannot leave a sample out: see `CHARTREWARD_ON_FAILURE` in
`chartreward.trainers`.
"""

from __future__ import annotations

from typing import Any

from chartreward.trainers.recipe import OnFailure, Recipe

REWARD_NAME = "chartreward"
REWARD_TYPE = "batch"


def compute_score(
    reward_inputs: list[dict[str, Any]],
    *,
    url: str | None = None,
    key: str | None = None,
    profile: str | None = None,
    runtime: str | None = None,
    on_failure: OnFailure | None = None,
) -> list[dict[str, float]]:
    """Score `{"response", "response_length", "ground_truth"}` samples: `overall` and the fixed metrics for each."""
    recipe = Recipe.of(url, key, profile, runtime, on_failure)
    results = recipe.client().score([(sample["response"], sample["ground_truth"]) for sample in reward_inputs])
    return [{"overall": recipe.reward(result), **recipe.metrics(result)} for result in results]
