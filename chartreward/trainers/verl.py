"""verl: a custom reward function, asynchronous, one sample a call as each rollout ends.

    python -m verl.trainer.main_ppo \\
        reward.custom_reward_function.path=pkg://chartreward.trainers.verl \\
        reward.custom_reward_function.name=compute_score \\
        +reward.custom_reward_function.reward_kwargs.url=http://rewards:8000 \\
        reward.reward_manager.name=naive ...

Dataset rows carry the reference in `reward_model.ground_truth`. Keep the `naive` (or `dapo`) manager: `rate_limited`
scores one at a time by default and turns a slow answer into 0. Calls that arrive together travel together (64 a
request, 8 requests at once for each reward worker), so no limit is needed on verl's side. (verl's old configuration has
the same keys without the leading `reward.`.)

The answer is `score` plus a fixed set of numbers (`normalized`, `executed`, `infra_failure`, each signal), which verl
logs. verl cannot leave a sample out: see `CHARTREWARD_ON_FAILURE` in `chartreward.trainers`, or pass
`reward_kwargs.on_failure`.
"""

from __future__ import annotations

from typing import Any

from chartreward.trainers.recipe import OnFailure, Recipe


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Any = None,
    *,
    url: str | None = None,
    key: str | None = None,
    profile: str | None = None,
    runtime: str | None = None,
    on_failure: OnFailure | None = None,
    **_: Any,
) -> dict[str, float]:
    """Score one response; the keys are the same for every sample of a profile."""
    recipe = Recipe.of(url, key, profile, runtime, on_failure)
    result = await recipe.async_client().score_one((solution_str, ground_truth))
    return {"score": recipe.reward(result), **recipe.metrics(result)}
