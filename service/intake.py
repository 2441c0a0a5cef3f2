"""From a request to a plan: references resolved, code extracted, every item named by its content."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import uuid4

from chartreward import __version__, tracing
from chartreward.completions import extract_code
from chartreward.keys import REFERENCE_PREFIX, WorkKeys, reference_id
from chartreward.ledger import Record
from chartreward.messages import WorkChunk, WorkerInfo, WorkItem
from chartreward.models import ItemError, ItemResult, Limits, Priority, Profile, Reference, RewardRequest, Status
from chartreward.profiles import find_profile, profile_problems
from service.fleet import identity
from service.images import ImageError, check_image
from service.problems import invalid
from service.settings import ServiceSettings


@dataclass(slots=True)
class Work:
    """One distinct piece of work of a batch."""

    code: str
    reference: str


@dataclass(slots=True)
class Plan:
    """A batch, ready to be submitted. `keys[i]` is None where `local[i]` answers item i already."""

    batch: str
    ids: list[str | None]
    keys: list[str | None]
    local: dict[int, Record]
    work: dict[str, Work]
    references: dict[str, Reference]  # content to store
    known_references: list[tuple[str, list[str | int]]]  # ids that must exist, and where they were named
    profile: Profile
    runtime: str
    limits: Limits
    returns: list[str]
    priority: Priority
    created: float
    deadline: float
    fields: dict[str, object] = field(default_factory=dict)

    def chunks(self, keys: list[str], most: int, workers: int) -> Iterator[WorkChunk]:
        """Group work by reference into jobs of at most `most` items, the last ones smaller: workers end together."""
        trace = tracing.carrier()
        left = len(keys)
        groups: dict[str, list[str]] = {}
        for key in keys:
            groups.setdefault(self.work[key].reference, []).append(key)
        for reference, members in groups.items():
            start = 0
            while start < len(members):
                share = -(-left // max(1, 2 * workers))
                taken = members[start : start + min(most, share)]
                start, left = start + len(taken), left - len(taken)
                items = [WorkItem(key=key, code=self.work[key].code) for key in taken]
                yield WorkChunk(
                    items=items,
                    reference=reference,
                    profile=self.profile,
                    runtime=self.runtime,
                    limits=self.limits,
                    returns=list(self.returns),
                    trace=trace,
                )


class Intake:
    """Checks requests against what the service allows and the workers can do."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings

    def plan(self, request: RewardRequest, facts: WorkerInfo, batch: str | None = None) -> Plan:
        """Plan a batch. Raises ProblemError (422) naming the field."""
        profile = self.profile(request.profile, facts)
        runtime = self.runtime(request.runtime, facts)
        self._check_limits(request.limits)
        now = time.time()
        plan = Plan(
            batch=batch or f"b_{uuid4().hex}",
            ids=[item.id for item in request.items],
            keys=[],
            local={},
            work={},
            references={},
            known_references=[],
            profile=profile,
            runtime=runtime,
            limits=request.limits,
            returns=sorted(set(request.returns)),
            priority=request.priority,
            created=now,
            deadline=now + (request.deadline_s or self.settings.deadline_s),
        )
        named = {name: self._reference(plan, ref, ["references", name]) for name, ref in request.references.items()}
        names = WorkKeys(
            profile=profile, runtime=runtime, limits=request.limits, returns=plan.returns, fleet=identity(facts)
        )
        for index, item in enumerate(request.items):
            where: list[str | int] = ["items", index, "reference"]
            if isinstance(item.reference, str):
                reference = named.get(item.reference)
                if reference is None:
                    raise _unknown_name(item.reference, where)
            else:
                reference = self._reference(plan, item.reference, where)
            code = item.code if item.completion is None else extract_code(item.completion)
            if code is None or not code.strip():
                plan.local[index] = _no_code(profile, runtime, reference)
                plan.keys.append(None)
                continue
            key = names.key(code, reference)
            plan.work[key] = Work(code, reference)
            plan.keys.append(key)
        return plan

    def profile(self, given: str | Profile, facts: WorkerInfo) -> Profile:
        """The recipe of a request, checked against the workers' signals."""
        if isinstance(given, str):
            try:
                profile = find_profile(given)
            except KeyError as error:
                raise invalid(f"profile: {error.args[0]}", (["profile"], error.args[0])) from None
        else:
            profile = given
        problems = profile_problems(profile, facts.signals)
        if problems:
            first = problems[0]
            where = ".".join(map(str, ["profile", *first["loc"]]))
            entries = [(["profile", *problem["loc"]], problem["msg"]) for problem in problems]
            raise invalid(f"{where}: {first['msg']}", *entries)
        return profile

    def runtime(self, given: str | None, facts: WorkerInfo) -> str:
        """The runtime of a request."""
        name = given or self.settings.default_runtime or next(iter(facts.runtimes))
        if name not in facts.runtimes:
            message = f"unknown runtime {name!r}; available: {', '.join(facts.runtimes)}"
            raise invalid(f"runtime: {message}", (["runtime"], message))
        return name

    def _check_limits(self, limits: Limits) -> None:
        caps = (("timeout_s", self.settings.max_timeout_s), ("memory_mb", self.settings.max_memory_mb))
        for name, cap in caps:
            value = getattr(limits, name)
            if value is not None and value > cap:
                message = f"at most {cap:g} here"
                raise invalid(f"limits.{name}: {message}", (["limits", name], message))

    def check_reference(self, reference: Reference, where: list[str | int]) -> str:
        """The content id of a reference; pictures are checked by their header. Raises ProblemError (422)."""
        if reference.image is not None:
            try:
                check_image(reference.image, self.settings.max_image_pixels)
            except ImageError as error:
                loc = [*where, "image"]
                raise invalid(f"{'.'.join(map(str, loc))}: {error}", (loc, str(error))) from None
        return reference_id(reference)

    def _reference(self, plan: Plan, reference: Reference, where: list[str | int]) -> str:
        content_id = self.check_reference(reference, where)
        if reference.id is not None:
            plan.known_references.append((content_id, where))
        else:
            plan.references[content_id] = reference
        return content_id


def _unknown_name(name: str, where: list[str | int]) -> Exception:
    hint = f'; a registered one is given as {{"id": "{name}"}}' if name.startswith(REFERENCE_PREFIX) else ""
    message = f"{name[:80]!r} is not a key of `references`{hint}"
    return invalid(f"{'.'.join(map(str, where))}: {message}", (where, message))


def _no_code(profile: Profile, runtime: str, reference: str) -> Record:
    """The result of a completion without code: known without a worker."""
    reward = profile.failure(Status.NO_CODE)
    return Record.of(
        ItemResult(
            status=Status.NO_CODE,
            reward=reward,
            normalized=profile.normalize(reward),
            error=ItemError(type="NoCode", message="no Python code was found in the completion"),
            profile=profile.ref,
            runtime=runtime,
            engine=__version__,
            reference=reference,
        )
    )
