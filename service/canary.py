"""The canary: a small chart that goes through queue, jail, features and score every few seconds."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import orjson
import structlog
from redis.exceptions import RedisError

from chartreward import ledger, scripts
from chartreward.models import Item, Reference, RewardRequest, Status
from service.problems import ProblemError
from service.state import State

log = structlog.get_logger(__name__)

CODE = """import matplotlib.pyplot as plt
fig, ax = plt.subplots(figsize=(2, 1.5))
ax.bar(["a", "b", "c"], [1, 3, 2], color="#336699")
ax.set_title("canary")
"""
LOCK = "cr:canary:lock"
DEADLINE_S = 30.0
START_PERIOD_S = 0.3
PRUNED = 256  # of the oldest items under way, looked at every round


async def run(state: State) -> None:
    """Fly canaries until cancelled. Several processes share the work."""
    while True:
        period = state.settings.canary_s
        try:
            if not state.fleet.serving:
                await state.fleet.refresh(force=True)
                period = START_PERIOD_S
            elif await state.redis.set(LOCK, "1", nx=True, px=int(period * 900)):
                await state.redis.eval(scripts.PRUNE, 0, PRUNED)
                period -= min(period - START_PERIOD_S, await _fly(state))
        except (RedisError, ProblemError, OSError) as error:
            log.warning("no canary", error=str(error))
            period = 1.0
        await asyncio.sleep(period)


async def _fly(state: State) -> float:
    """One canary; returns the seconds it took."""
    started = time.monotonic()
    facts = await state.fleet.facts()
    item = Item(code=f"{CODE}# {uuid4().hex}\n", reference=Reference(code=CODE))
    request = RewardRequest(items=[item], priority="high", deadline_s=DEADLINE_S)
    plan = state.intake.plan(request, facts)
    batch = await state.dispatcher.submit(plan, shed=False)
    await state.dispatcher.finish(batch, plan.deadline, plan)
    took = time.monotonic() - started
    (_, record, _) = next(batch.results())
    if record.status == Status.OK:
        seen = {"at": time.time(), "ms": round(took * 1000, 1)}
        await state.redis.set(ledger.CANARY, orjson.dumps(seen), ex=3600)
    else:
        log.warning("canary lost", status=record.status, took_s=round(took, 1))
    return took
