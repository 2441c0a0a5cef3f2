"""What lies in Redis and how it changes: key names, the Lua scripts, the stored form of a result.

Service and workers share this module; each brings its own Redis client. Every change that could lose or double an
item happens inside one script, so that a process may die between any two commands.

- `cr:fly:<key>`: one piece of work under way: the RQ job that owns it, and the batches that wait (with deadlines).
- `cr:res:<key>`: its result, once known. `cr:out:<batch>`: the stream of keys that finished for a batch.
- `cr:turns:<lane>`: the RQ queues that have jobs, in turn: each batch has a queue of its own and the lanes
  (runtime and priority) go round, so a small batch does not wait for a large one.
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
DONE_CHANNEL = "cr:done"  # batch ids with news
CANARY = "cr:canary"  # when the last canary came through, and what it took
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
    """The stream of a batch: an entry {k: key} for each finished piece of work, {k, r} when it is not cached."""
    return f"cr:out:{batch}"


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


# --- scripts ------------------------------------------------------------------------------------
# Not for Redis Cluster: keys are built inside. All times are seconds since the epoch.

_ENQUEUE = """
local function enqueue(lane, queue, job, ttl, front, next, fields)
  redis.call('HSET', 'rq:job:' .. job, unpack(fields))
  redis.call('EXPIRE', 'rq:job:' .. job, ttl)
  local list = 'rq:queue:' .. queue
  local waiting = redis.call('EXISTS', list)
  redis.call(front and 'LPUSH' or 'RPUSH', list, job)
  redis.call('EXPIRE', list, ttl)
  redis.call('SADD', 'rq:queues', list)
  if waiting == 0 then redis.call(next and 'LPUSH' or 'RPUSH', 'cr:turns:' .. lane, queue) end
  redis.call('LPUSH', 'cr:bell', '1')
  redis.call('LTRIM', 'cr:bell', 0, 255)
  redis.call('EXPIRE', 'cr:bell', 60)
end
local function slice(from, count)
  local part = {}
  for i = from, from + count - 1 do part[#part + 1] = ARGV[i] end
  return part
end
"""

# ARGV: result ttl, keys... -> the results (or false), each kept for another ttl
LOOKUP = """
local found = {}
for i = 2, #ARGV do
  local key = 'cr:res:' .. ARGV[i]
  local value = redis.call('GET', key)
  if value then redis.call('EXPIRE', key, ARGV[1]) end
  found[#found + 1] = value or false
end
return found
"""

# ARGV: batch, its deadline, now, lane, queue, job, ttl, stream ttl, number of keys, keys..., RQ job fields
# and values... -> number of keys that are new; a known result is delivered, work under way is joined
SUBMIT = (
    _ENQUEUE
    + """
local batch, deadline, now, lane, queue, job = unpack(slice(1, 6))
local ttl, stream_ttl, count = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local fresh, delivered = 0, 0
for i = 10, 9 + count do
  local key = ARGV[i]
  local fly = 'cr:fly:' .. key
  if redis.call('EXISTS', 'cr:res:' .. key) == 1 then
    redis.call('EXPIRE', 'cr:res:' .. key, stream_ttl)
    redis.call('XADD', 'cr:out:' .. batch, '*', 'k', key)
    redis.call('EXPIRE', 'cr:out:' .. batch, stream_ttl)
    delivered = delivered + 1
  elseif redis.call('EXISTS', fly) == 1 then
    redis.call('HSET', fly, 'b:' .. batch, deadline)
    if redis.call('TTL', fly) < ttl then redis.call('EXPIRE', fly, ttl) end
    local owner = 'rq:job:' .. redis.call('HGET', fly, 'job')
    if redis.call('TTL', owner) < ttl then redis.call('EXPIRE', owner, ttl) end
  else
    redis.call('HSET', fly, 'job', job, 'b:' .. batch, deadline)
    redis.call('EXPIRE', fly, ttl)
    redis.call('ZADD', 'cr:inflight', now, key)
    fresh = fresh + 1
  end
end
if fresh > 0 then enqueue(lane, queue, job, ttl, false, false, slice(10 + count, #ARGV - 9 - count)) end
if delivered > 0 then redis.call('PUBLISH', 'cr:done', batch) end
return fresh
"""
)

# ARGV: worker, time as RQ writes it, lanes... -> {job, queue, lane} now in the worker's hand, or nil
TAKE = """
for i = 3, #ARGV do
  local turns = 'cr:turns:' .. ARGV[i]
  local queue = redis.call('LPOP', turns)
  while queue do
    local list = 'rq:queue:' .. queue
    local job = redis.call('LPOP', list)
    if redis.call('EXISTS', list) == 1 then redis.call('RPUSH', turns, queue)
    else redis.call('SREM', 'rq:queues', list) end
    if job and redis.call('EXISTS', 'rq:job:' .. job) == 1 then
      redis.call('HSET', 'cr:hand:' .. ARGV[1], 'job', job, 'queue', queue, 'lane', ARGV[i])
      redis.call('HSET', 'rq:job:' .. job, 'status', 'started', 'started_at', ARGV[2], 'worker_name', ARGV[1])
      return {job, queue, ARGV[i]}
    end
    queue = redis.call('LPOP', turns)
  end
end
return nil
"""

# ARGV: job, now, keys... -> for each key: 1 when somebody still waits for it from this job
BEGIN = """
local wanted = {}
for i = 3, #ARGV do
  local fly, alive = 'cr:fly:' .. ARGV[i], 0
  if redis.call('HGET', fly, 'job') == ARGV[1] then
    local fields = redis.call('HGETALL', fly)
    for f = 1, #fields, 2 do
      if fields[f] ~= 'job' and tonumber(fields[f + 1]) > tonumber(ARGV[2]) then alive = 1 end
    end
    if alive == 0 then
      redis.call('DEL', fly)
      redis.call('ZREM', 'cr:inflight', ARGV[i])
      redis.call('HINCRBY', 'cr:counters', 'expired_total', 1)
    end
  end
  wanted[#wanted + 1] = alive
end
return wanted
"""

# ARGV: key, result, result ttl (0: not cached), stream ttl, status, lanes that go first...
# -> {batches told (0: somebody else finished it or nobody waits), jobs waiting in those lanes}
FINISH = """
local key, record, ttl, stream_ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local fields = redis.call('HGETALL', 'cr:fly:' .. key)
local told = 0
if #fields > 0 then
  redis.call('DEL', 'cr:fly:' .. key)
  redis.call('ZREM', 'cr:inflight', key)
  if ttl > 0 then redis.call('SET', 'cr:res:' .. key, record, 'EX', ttl) end
  for f = 1, #fields, 2 do
    if fields[f] ~= 'job' then
      local batch = string.sub(fields[f], 3)
      local out = 'cr:out:' .. batch
      if ttl > 0 then redis.call('XADD', out, '*', 'k', key)
      else redis.call('XADD', out, '*', 'k', key, 'r', record) end
      redis.call('EXPIRE', out, stream_ttl)
      redis.call('PUBLISH', 'cr:done', batch)
      told = told + 1
    end
  end
  redis.call('HINCRBY', 'cr:counters', 'outcome:' .. ARGV[5], 1)
end
local urgent = 0
for i = 6, #ARGV do urgent = urgent + redis.call('LLEN', 'cr:turns:' .. ARGV[i]) end
return {told, urgent}
"""

# ARGV: worker, job. The job is over; its hash goes.
RELEASE = """
redis.call('DEL', 'rq:job:' .. ARGV[2])
if redis.call('HGET', 'cr:hand:' .. ARGV[1], 'job') == ARGV[2] then redis.call('DEL', 'cr:hand:' .. ARGV[1]) end
return 1
"""

# ARGV: old job, new job, lane, queue, ttl, death (0, 1), explained (0, 1), largest number of unexplained deaths,
#       largest number of explained deaths, number of keys, keys..., RQ job fields and values...
# Move keys that the old job still owns to a new job at the front of its queue. A death counts against the keys; a key
# that has killed its share of workers is not queued again. -> {keys moved, 1 when the new job is condemned}
MOVE = (
    _ENQUEUE
    + """
local old, job, lane, queue = unpack(slice(1, 4))
local ttl, death, explained = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local count, moved, condemned = tonumber(ARGV[10]), 0, 0
for i = 11, 10 + count do
  local fly = 'cr:fly:' .. ARGV[i]
  if redis.call('HGET', fly, 'job') == old then
    redis.call('HSET', fly, 'job', job)
    moved = moved + 1
    if death == 1 then
      local dead = 'cr:dead:' .. ARGV[i]
      local deaths = redis.call('HINCRBY', dead, 'all', 1)
      local own = redis.call('HINCRBY', dead, 'explained', explained)
      redis.call('EXPIRE', dead, 86400)
      if deaths >= tonumber(ARGV[8]) or own >= tonumber(ARGV[9]) then condemned = 1 end
    end
  end
end
if moved > 0 and condemned == 0 then
  enqueue(lane, queue, job, ttl, true, death == 1, slice(11 + count, #ARGV - 10 - count))
end
return {moved, condemned}
"""
)

# ARGV: batch, reason, ttl, keys... Nobody of this batch waits any more; what no other batch wants is not done.
CLOSE = """
if not redis.call('SET', 'cr:closed:' .. ARGV[1], ARGV[2], 'NX', 'EX', ARGV[3]) then return 0 end
for i = 4, #ARGV do
  local fly = 'cr:fly:' .. ARGV[i]
  if redis.call('HDEL', fly, 'b:' .. ARGV[1]) == 1 and redis.call('HLEN', fly) == 1 then
    redis.call('DEL', fly)
    redis.call('ZREM', 'cr:inflight', ARGV[i])
  end
end
redis.call('PUBLISH', 'cr:done', ARGV[1])
return 1
"""
