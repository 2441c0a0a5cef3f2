"""What lies in Redis and how it changes: key names, the stored form of a result.

Service and workers share this module; each brings its own Redis client. Every change that could lose or double an
item happens inside one script (`chartreward.scripts`), so that a process may die between any two commands.

- `cr:fly:<key>`: one piece of work under way: the RQ job that owns it, and the batches that wait (with deadlines).
- `cr:res:<key>`: its result, once known. `cr:out:<batch>`: the stream of keys that finished for a batch.
- `cr:turns:<lane>`: the RQ queues that have jobs, in turn: each batch has a queue of its own and the lanes
  (runtime and priority) go round, so a small batch does not wait for a large one.
- `cr:ref:<id>`, `cr:png:<sha>`, `cr:batch:<id>`: references, renders, batches. Each kind stays below a cap.
- `cr:hand:<worker>`: the job a worker holds, until it is done or taken back.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from chartreward.messages import WorkChunk
from chartreward.models import ItemResult, Priority, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

JOB_FUNCTION = "worker.runner.score_chunk"
PRIORITIES: tuple[Priority, ...] = ("high", "default", "low")

INFLIGHT = "cr:inflight"  # sorted set: key -> time it was queued
WORKERS = "cr:workers"  # set of worker names, dead ones included until their job is taken back
FLEET = "cr:fleet"  # the last WorkerInfo announced: requests are validated against it while all workers restart
COUNTERS = "cr:counters"  # hash: what /metrics shows, counted where it happens
BELL = "cr:bell"  # one token a queued job wakes an idle worker
DONE_CHANNEL = "cr:done"  # id of a batch of which an item finished; "id why" when there is more to it than one item
CANARY = "cr:canary"  # when the last canary came through, and what it took
KINDS = {"res": "results", "png": "renders", "ref": "references", "batch": "batches"}  # what the store holds
# Keys without a time to live; each is bounded by what is under way, by the fleet, or in itself.
LASTING = (INFLIGHT, WORKERS, COUNTERS, "cr:turns:", "cr:hand:", "rq:queues", "rq:workers")
MIB = 1024 * 1024
HEARTBEAT_TTL_S = 6
RESULT_TTL_S = 3600  # results, batches and their streams; a setting of both sides
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
SECRETS = Path("/run/secrets")  # where containers find settings as files, say chartreward_redis_password


def with_password(url: str, password: str | None) -> str:
    """A Redis URL with a password from elsewhere (a secret file); one that the URL already has stays."""
    parts = urlsplit(url)
    if not password or parts.password:
        return url
    netloc = f"{parts.username or ''}:{quote(password.strip(), safe='')}@{parts.netloc.rpartition('@')[2]}"
    return parts._replace(netloc=netloc).geturl()


def result_key(key: str) -> str:
    """Where the result of a piece of work lies."""
    return f"cr:res:{key}"


def reference_key(content_id: str) -> str:
    """Where the content of a reference lies (JSON of `Reference`)."""
    return f"cr:ref:{content_id}"


def render_key(sha256: str) -> str:
    """Where the PNG of a render lies."""
    return f"cr:png:{sha256}"


def batch_key(batch: str) -> str:
    """Where the record of a batch lies."""
    return f"cr:batch:{batch}"


def closed_key(batch: str) -> str:
    """Why a batch was closed before its end: `cancelled` or `deadline`."""
    return f"cr:closed:{batch}"


def stream_key(batch: str) -> str:
    """The stream of a batch: {k: key, s: status} for each finished piece of work, and r: its record if not cached."""
    return f"cr:out:{batch}"


def recent_key(owner: str) -> str:
    """A sorted set of the last batches of an API key: id -> when it was created."""
    return f"cr:batches:{owner}"


def worker_key(name: str) -> str:
    """A worker's announcement (JSON of `WorkerInfo`); it expires when the heartbeat stops."""
    return f"cr:worker:{name}"


def lane(runtime: str, priority: str) -> str:
    """Jobs of one runtime and priority; a worker takes from the lanes of its runtimes."""
    return f"{runtime}:{priority}"


def lanes(runtimes: Iterable[str]) -> list[str]:
    """The lanes of some runtimes, most urgent first."""
    names = list(runtimes)
    return [lane(runtime, priority) for priority in PRIORITIES for runtime in names]


def turns_key(lane_: str) -> str:
    """The queues of a lane that have jobs, in turn."""
    return f"cr:turns:{lane_}"


def queue_name(lane_: str, batch: str) -> str:
    """The RQ queue of a batch in a lane."""
    return f"{lane_}:{batch}"


# --- the stored form of a result ----------------------------------------------------------------

CACHED_TIMING = b'{"queue_ms":0.0,"exec_ms":0.0,"draw_ms":0.0,"score_ms":0.0,"cached":true}'


class Record(NamedTuple):
    """A result as it is stored: without its place in a batch, so that many batches share it unparsed."""

    status: str
    timing: bytes
    body: bytes  # JSON object of everything but id, index, timing

    def pack(self) -> bytes:
        """Status, timing and body, a line each (JSON holds no raw newline)."""
        return b"\n".join((self.status.encode(), self.timing, self.body))

    @staticmethod
    def unpack(raw: bytes) -> Record:
        """The inverse of `pack`."""
        status, timing, body = raw.split(b"\n", 2)
        return Record(status.decode(), timing, body)

    @staticmethod
    def of(result: ItemResult) -> Record:
        """Take a result apart."""
        body = result.model_dump_json(exclude={"id", "index", "timing"}).encode()
        return Record(result.status.value, result.timing.model_dump_json().encode(), body)

    def place(self, item_id: str | None, index: int, *, cached: bool) -> bytes:
        """The JSON of this result as item `index` of a batch."""
        name = json.dumps(item_id).encode()
        timing = CACHED_TIMING if cached else self.timing
        return b'{"id":%b,"index":%d,"timing":%b,%b' % (name, index, timing, self.body[1:])


def is_cacheable(status: Status) -> bool:
    """Whether equal work may reuse the result. What a busy machine may have caused is not reused."""
    return status not in (Status.WORKER_ERROR, Status.CANCELLED, Status.DEADLINE, Status.TIMEOUT)


def job_fields(job_id: str, chunk: WorkChunk, queue: str, queued: float) -> list[Any]:
    """The RQ job of a chunk as field, value, ... of its hash; `queued` is when its items were first queued."""
    from rq.job import Job, JobStatus
    from rq.serializers import JSONSerializer

    job = Job(job_id, connection=_Offline(), serializer=JSONSerializer)  # type: ignore[arg-type]
    job._func_name, job._args = JOB_FUNCTION, [chunk.model_dump_json()]
    job._instance, job._kwargs = None, {}
    job.origin, job.description = queue, f"{len(chunk.items)} items against {chunk.reference}"
    job.created_at = job.enqueued_at = datetime.fromtimestamp(queued, UTC)
    job._status, job.timeout = JobStatus.QUEUED, -1
    fields: list[Any] = []
    for name, value in job.to_dict(include_meta=False, include_result=False).items():
        fields += (name, value)
    return fields


class _Offline:
    """Stands for a connection where RQ only formats a job."""
