"""What the routes of trainers share: labels, requests held below the client's clock, constant sets of numbers."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
import structlog
from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from redis.exceptions import RedisError

from chartreward.errors import LabelError
from chartreward.labels import as_reference
from chartreward.models import MAX_ITEMS, Item, Limits, Profile, Reference, RewardRequest, Status
from chartreward.profiles import find_profile
from service.auth import take_quota
from service.batch import Batch
from service.dispatch import batched, busy
from service.problems import ProblemError, invalid, of_validation
from service.settings import Infrastructure
from service.state import State

log = structlog.get_logger(__name__)

ProfileName = Annotated[str | None, Query(max_length=80, description="profile instead of the configured one")]
OURS = (Status.WORKER_ERROR, Status.DEADLINE, Status.CANCELLED)


class Hints(BaseModel):
    """How to score, in a label that is JSON. Other keys are ignored."""

    model_config = ConfigDict(extra="ignore")

    profile: str | None = None
    runtime: str | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """What a label says: the reference, and (when it is JSON) how to score."""

    reference: Reference
    hints: Hints


def read_label(label: JsonValue, where: list[str | int]) -> Label:
    """Read a label (see `chartreward.labels`).

    Raises ProblemError (422): a label that names no chart is a mistake in the data set, which no retry mends.
    """
    fields: JsonValue = label
    try:
        reference = as_reference(label)
        if isinstance(label, str) and label.lstrip().startswith("{"):
            fields = orjson.loads(label)
        return Label(reference, Hints.model_validate(fields) if isinstance(fields, dict) else Hints())
    except (LabelError, ValidationError, orjson.JSONDecodeError) as error:
        message = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise invalid(f"{_dotted(where)}: {message}", (where, message)) from None


async def score(
    state: State, owner: str, pairs: Sequence[tuple[str, Label]], profile: str | None, hold_s: float
) -> list[dict[str, Any]]:
    """Results of (text, label) pairs in order, held for `hold_s` at most; {} for what is not done by then.

    Items whose labels ask for different settings become batches of their own.
    """
    until = time.time() + hold_s
    groups: dict[tuple[str, str | None, float | None], list[int]] = {}
    for index, (_, label) in enumerate(pairs):
        recipe = profile or label.hints.profile or state.settings.compat_profile
        groups.setdefault((recipe, label.hints.runtime, label.hints.timeout_s), []).append(index)
    rows: list[dict[str, Any]] = [{} for _ in pairs]

    async def one(recipe: str, runtime: str | None, timeout_s: float | None, members: list[int]) -> None:
        try:
            items = [Item(completion=pairs[index][0], reference=pairs[index][1].reference) for index in members]
            wanted = RewardRequest(
                items=items,
                profile=recipe,
                runtime=runtime,
                limits=Limits(timeout_s=timeout_s),
                priority="default",
                deadline_s=hold_s + 5,
            )
        except ValidationError as error:
            raise of_validation(error) from None
        batch = await _hold(state, owner, wanted, until)
        for place, record, _ in batch.results():
            rows[members[place]] = orjson.loads(record.body)

    parts = [(key, some) for key, members in groups.items() for some in batched(members, MAX_ITEMS)]
    await asyncio.gather(*(one(*key, some) for key, some in parts))
    return rows


async def _hold(state: State, owner: str, wanted: RewardRequest, until: float) -> Batch:
    """Submit and wait; while Redis or the workers are away, or the key's quota is used up, try again until `until`.

    Raises ProblemError: 503 when the clock ran out, 429 when the quota left no room until then.
    """
    charged = False
    while True:
        try:
            plan = state.intake.plan(wanted, await state.fleet.facts())
            if not charged:
                await take_quota(state.redis, state.settings, owner, len(plan.keys))
                charged = True
            batch = await state.dispatcher.submit(plan, shed=False)
            await state.dispatcher.finish(batch, until, plan)
            return batch
        except (RedisError, ProblemError) as error:
            left = until - time.time()
            pause = 0.5
            if isinstance(error, ProblemError):
                if error.status < 500 and not (error.status == 429 and error.retryable):
                    raise
                if error.status == 429:
                    pause = float(error.headers["Retry-After"]) + random.random()
                    if pause > left:
                        raise
            if left <= 0:
                raise busy() from error
            log.warning("held", error=str(error))
            await asyncio.sleep(pause)


def recipe_of(state: State, name: str | None) -> Profile:
    """The recipe whose signals name the keys of the answer. Raises ProblemError (422)."""
    try:
        return find_profile(name or state.settings.compat_profile)
    except KeyError as error:
        raise invalid(f"profile: {error.args[0]}", (["profile"], error.args[0])) from None


def failure_of(row: Mapping[str, Any]) -> str | None:
    """Why there is no reward, when the fault is ours or the reference's."""
    if not row:
        return "not finished in time"
    if row["reward"] is not None:
        return None
    error = row.get("error") or {}
    return f"{row['status']}: {error.get('message', '')}"


def numbers(row: Mapping[str, Any], profile: Profile, fallback: Infrastructure) -> dict[str, float]:
    """The same keys for every item of a profile, finite numbers only.

    What has no reward gets `fallback`; with `error` it raises ProblemError instead: 503, or 422 for a bad reference.
    """
    reason = failure_of(row)
    if reason is not None and fallback == "error":
        if row.get("status") == Status.BAD_REFERENCE:
            raise invalid(reason, (["label"], reason))
        raise busy() if not row or row["status"] in OURS[1:] else _ours(reason)
    reward = float(fallback) if reason is not None else float(row["reward"])
    values = {name: _value(name, row.get("signals") or {}) for name in (use.name for use in profile.signals)}
    return {
        "reward": reward,
        "normalized": profile.normalize(reward) if reason is not None else float(row["normalized"]),
        "executed": float(row.get("status") == Status.OK),
        "timed_out": float(row.get("status") == Status.TIMEOUT),
        "infra_error": float(reason is not None),
        **values,
    }


def _ours(reason: str) -> ProblemError:
    return ProblemError(503, "worker_error", reason, retryable=True, retry_after=1)


def _value(name: str, signals: Mapping[str, Any]) -> float:
    """A signal's number; `visual` is reported under its backbone's name."""
    found = signals.get(name) or next((entry for full, entry in signals.items() if full.startswith(f"{name}.")), None)
    return float((found or {}).get("value") or 0.0)


def _dotted(where: list[str | int]) -> str:
    return ".".join(map(str, where))


def json_response(value: Any) -> Response:
    """JSON, without NaN."""
    return Response(orjson.dumps(value), media_type="application/json")
