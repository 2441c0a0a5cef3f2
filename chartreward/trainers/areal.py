"""AReaL: a reward function that its process pool can pickle.

    from areal.workflow.rlvr import RLVRWorkflow
    from chartreward.trainers.areal import chart_reward

    workflow = RLVRWorkflow(reward_fn=chart_reward, ...)

with `CHARTREWARD_URL=http://rewards:8000` in the environment, and the reference in the dataset's column `answer` (or
the one that `CHARTREWARD_LABEL` names). Raise `AsyncRewardWrapper(timeout_seconds=...)` from its 15 s to several
minutes: on its own timeout AReaL makes up a 0 and leaves the call running in a pool worker. A sample that the service
could not score raises unless `CHARTREWARD_ON_FAILURE` is a number.
"""

from __future__ import annotations

import os
from typing import Any

from chartreward.trainers.recipe import Recipe


def chart_reward(
    prompt: Any, completions: Any, prompt_ids: Any = None, completion_ids: Any = None, **data: Any
) -> float:
    """Score one completion against the sample's reference."""
    label = os.environ.get("CHARTREWARD_LABEL", "answer")
    if label not in data:
        raise KeyError(f"the dataset has no column {label!r} with references (columns: {', '.join(sorted(data))})")
    recipe = Recipe.of()
    return recipe.reward(recipe.client().score_one((completions, data[label])))
