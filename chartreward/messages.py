"""What travels between the service and the workers over Redis: JSON only."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from chartreward.models import Limits, Profile, Returnable


class Needs(BaseModel):
    """What one execution must collect beyond the picture and its plain description.

    Part of the render cache key: a render made without an extra pass does not serve a profile that needs it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls: bool = Field(default=False, description="outermost plotting calls, by file and function, with colours")
    text_lines: bool = Field(default=False, description="drawn text lines after tick removal (one extra text pass)")
    partial: bool = Field(default=False, description="on an exception, still draw what is there")


class WorkItem(BaseModel):
    """One piece of generated code; `key` is its content address (see `chartreward.keys`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    code: str


class WorkChunk(BaseModel):
    """One RQ job: a few items that share reference, profile, runtime and limits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: list[WorkItem]
    reference: str = Field(description="content id of the reference; its bytes lie in Redis")
    profile: Profile
    runtime: str
    limits: Limits
    returns: list[Returnable] = Field(default_factory=list)
    trace: str | None = Field(default=None, description="`traceparent` of the request, when it is traced")


class WorkerInfo(BaseModel):
    """What a worker announces with every heartbeat; the service validates requests against it."""

    name: str
    state: str = Field(description="starting, idle, busy, draining, refused")
    pid: int
    host: str
    engine: str
    level: str = Field(description="full, or `reduced: <why>`")
    runtimes: dict[str, str] = Field(description="name -> version line, e.g. mpl38 -> matplotlib 3.8.4, numpy 1.26.4")
    backbones: dict[str, str] = Field(description="name -> sha256 of its weights")
    default_backbone: str
    signals: list[str]
    jobs_done: int = 0
    rss_mb: float = 0.0
    zygote_rss_mb: float = 0.0
    started: float
    seen: float
