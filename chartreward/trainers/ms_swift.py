"""ms-swift (SWIFT): outcome reward models `chartreward` and `chartreward_async`.

    # plugin.py
    import chartreward.trainers.ms_swift

    swift rlhf --rlhf_type grpo --external_plugins plugin.py --reward_funcs chartreward_async ...

with `CHARTREWARD_URL=http://rewards:8000` in the environment. The dataset needs a column `solution` (or the one that
`CHARTREWARD_LABEL` names) with the references: SWIFT discards the assistant reply of the data. Do not pass this file
itself as the plugin: its folder holds modules named like trainers.

SWIFT runs asynchronous rewards in a new event loop every step; the client does not mind. SWIFT counts `None` as 0, so a
sample that the service could not score ends the run unless `CHARTREWARD_ON_FAILURE` is a number.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from chartreward.trainers.recipe import Recipe

if TYPE_CHECKING:

    class ORM:
        """What SWIFT's base classes are to us: nothing."""

        def __init__(self, args: Any = None, **kwargs: Any) -> None: ...

    AsyncORM = ORM
    orms: dict[str, type] = {}
else:
    try:
        from swift.rewards import ORM, AsyncORM, orms
    except ModuleNotFoundError as error:
        if error.name != "swift":  # it is there, and broken
            raise
        ORM, AsyncORM, orms = object, object, {}


def _items(completions: list[str], columns: dict[str, Any]) -> list[tuple[str, Any]]:
    label = os.environ.get("CHARTREWARD_LABEL", "solution")
    if label not in columns:
        raise KeyError(f"the dataset has no column {label!r} with references (columns: {', '.join(sorted(columns))})")
    return list(zip(completions, columns[label], strict=True))


class ChartReward(ORM):
    """Scores a batch of completions; blocks until all are done."""

    def __call__(self, completions: list[str], **columns: Any) -> list[float]:
        """Return one reward a completion."""
        recipe = Recipe.of()
        return [recipe.reward(result) for result in recipe.client().score(_items(completions, columns))]


class AsyncChartReward(AsyncORM):
    """The same beside other asynchronous rewards."""

    async def __call__(self, completions: list[str], **columns: Any) -> list[float]:
        """Return one reward a completion."""
        recipe = Recipe.of()
        return [recipe.reward(result) for result in await recipe.async_client().score(_items(completions, columns))]


orms["chartreward"] = ChartReward
orms["chartreward_async"] = AsyncChartReward
