"""The RQ worker: takes chunks in turn, scores them in this process, and hands over each result as it is known."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from types import FrameType
from typing import Protocol, TypeVar, cast

import redis
import structlog
from redis import Redis
from redis.exceptions import OutOfMemoryError
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat
from rq.worker.worker_classes import SimpleWorker

import chartreward
from chartreward import ledger, scripts, tracing
from chartreward.messages import WorkChunk, WorkerInfo, WorkItem
from chartreward.models import ItemError, ItemResult, Reference, Status
from worker.heartbeat import Heartbeat
from worker.recovery import job_in_hand, move, take_back
from worker.settings import WorkerSettings

log = structlog.get_logger(__name__)

EXIT_REFUSED = 78  # the engine cannot start here: configuration, or a sandbox that leaks
EXIT_STALLED = 70  # no progress: the worker ended itself
REFERENCES_KEPT = 32
CHART_LIBRARIES = ("matplotlib", "numpy", "pandas", "seaborn")
SLICE_S = 1.0  # a chunk of slow items lets others have their turn after this

_current: ChartWorker | None = None
T = TypeVar("T")


class ScoringEngine(Protocol):
    """What the runner needs of `worker.pipeline.Engine`."""

    renders: Callable[[str, bytes], None] | None
    denied: Callable[[str], None] | None
    default_backbone: str

    def start(self) -> None: ...
    def score(self, chunk: WorkChunk, reference: Reference) -> Iterator[tuple[WorkItem, ItemResult]]: ...
    def make_ready(self) -> None: ...
    def close(self) -> None: ...
    @property
    def level(self) -> str: ...
    @property
    def signal_names(self) -> list[str]: ...
    @property
    def weights(self) -> Mapping[str, str]: ...


def score_chunk(chunk: str) -> int:
    """The RQ job: score a chunk (JSON of `WorkChunk`) with this process's engine. Returns the items it finished."""
    if _current is None:
        raise RuntimeError("score_chunk runs inside `python -m worker` only: it needs the engine of that process")
    work = WorkChunk.model_validate_json(chunk)
    _current.trace_queue(work)
    with tracing.span("chunk", parent=work.trace, items=len(work.items), profile=work.profile.ref):
        return _current.score(work)


class ChartWorker(SimpleWorker):
    """RQ's in-process worker with turns between batches, hand-over an item, and a heartbeat that never waits."""

    def __init__(self, engine: ScoringEngine, settings: WorkerSettings, connection: Redis, beat: Heartbeat) -> None:
        self._lanes = ledger.lanes(settings.runtimes)
        super().__init__(self._lanes, name=beat.name, connection=connection, serializer=JSONSerializer)
        self.engine = engine
        self.settings = settings
        self.beat = beat
        self._take = connection.register_script(scripts.TAKE)
        self._begin = connection.register_script(scripts.BEGIN)
        self._finish = connection.register_script(scripts.FINISH)
        self._release = connection.register_script(scripts.RELEASE)
        self._keep = connection.register_script(scripts.KEEP)
        self._held: tuple[str, str, str] | None = None
        self._queued = 0.0
        self._begun = 0.0
        self._references: OrderedDict[str, Reference] = OrderedDict()
        self.log_job_description = False
        engine.renders = self._store_render
        engine.denied = beat.denied

    # --- the loop -----------------------------------------------------------------------------

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """SIGTERM, SIGINT: finish the item in hand, give back the rest, end."""
        self._stop_requested = True
        self.beat.state = "draining"

    def run_maintenance_tasks(self) -> None:
        """Nothing: no registries are kept, and recovery looks after dead workers."""
        self.last_cleaned_at = now()  # type: ignore[assignment]  # RQ annotates it None

    def check_for_suspension(self, burst: bool) -> None:
        """Not supported: it would cost a round trip a job. Scale the pool instead."""

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next job, batches taking turns; None ends the worker."""
        arguments = [self.name, "", *self._lanes]
        while not self._stop_requested:
            if self.beat.rss_mb > self.settings.recycle_rss_mb:
                log.info("recycled", worker=self.name, rss_mb=round(self.beat.rss_mb))
                return None
            try:
                arguments[1] = utcformat(now())
                taken = cast("list[bytes] | None", self._take(args=arguments))
                if taken is None:
                    self.beat.idle()
                    self.engine.make_ready()
                    if self.connection.blpop([ledger.BELL], 1) is None:
                        self._return_strays()
                        self.heartbeat()
                    continue
                job_id, queue, lane = (part.decode() for part in taken)
                self._held = (job_id, queue, lane)
                job = Job.fetch(job_id, connection=self.connection, serializer=JSONSerializer)
                return job, Queue(queue, connection=self.connection, serializer=JSONSerializer)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                log.warning("redis is away", worker=self.name, error=str(error))
                time.sleep(0.5)
        return None

    def _return_strays(self) -> None:
        """Idle, yet something in hand: Redis lost its last second. Queue it again."""
        if job_in_hand(self.connection, self.name) is not None:
            take_back(self.connection, self.name, self.settings, explained=False, death=False)
            self.connection.sadd(ledger.WORKERS, self.name)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job in this process and let go of it."""
        try:
            self._queued = job.enqueued_at.timestamp() if job.enqueued_at else time.time()
            job.perform()
        except Exception:
            log.exception("job failed", job=job.id)
            self._persist(lambda: self._fail(job))
        finally:
            self.beat.idle()
        self._persist(lambda: self._release(args=[self.name, job.id]))
        self._held = None

    def _fail(self, job: Job) -> None:
        """Our own failure: end what is left of the job as `worker_error`, to be retried by the client."""
        chunk = WorkChunk.model_validate_json(job.args[0])
        error = ItemError(type="WorkerError", message="the worker failed on this job; try again")
        for item in self._wanted(chunk):
            self._hand_over(chunk, item, _infrastructure(chunk, error))

    def trace_queue(self, chunk: WorkChunk) -> None:
        """The time that a traced chunk waited."""
        if chunk.trace is not None:
            tracing.past("queue", self._queued, parent=chunk.trace, worker=self.name)

    # --- one chunk ----------------------------------------------------------------------------

    def score(self, chunk: WorkChunk) -> int:
        """Score what is still wanted of a chunk; returns the number of items finished here.

        Between two items it gives the rest back when more urgent work waits, when others wait and the chunk has had
        its share of time, or when the worker is to stop.
        """
        wanted = self._wanted(chunk)
        if not wanted:
            return 0
        reference = self._reference(chunk.reference)
        limit = chunk.limits.timeout_s or self.settings.timeout_s
        self.beat.busy(2 * limit + self.settings.stall_s)
        if reference is None:
            message = "the reference is no longer stored; send the request again"
            error = ItemError(type="ReferenceExpired", message=message)
            for item in wanted:
                self._hand_over(chunk, item, _infrastructure(chunk, error))
            return len(wanted)
        rest = chunk.model_copy(update={"items": wanted})
        started = self._begun = time.time()
        done = 0
        for item, result in self.engine.score(rest, reference):
            result.timing.queue_ms = round(max(0.0, started - self._queued) * 1000, 3)
            urgent = self._hand_over(chunk, item, result)
            done += 1
            started = time.time()
            if done < len(wanted) and (urgent or self._stop_requested):
                self._give_back(rest.model_copy(update={"items": wanted[done:]}))
                break
        return done

    def _wanted(self, chunk: WorkChunk) -> list[WorkItem]:
        """The items somebody still waits for."""
        assert self._held is not None
        keys = [item.key for item in chunk.items]
        flags = cast("list[int]", self._begin(args=[self._held[0], time.time(), *keys]))
        return [item for item, flag in zip(chunk.items, flags, strict=True) if flag]

    def _reference(self, content_id: str) -> Reference | None:
        """A reference's content; None when it has expired."""
        known = self._references.get(content_id)
        if known is None:
            raw = cast("bytes | None", self.connection.get(ledger.reference_key(content_id)))
            if raw is None:
                return None
            known = self._references[content_id] = Reference.model_validate_json(raw)
            while len(self._references) > REFERENCES_KEPT:
                self._references.popitem(last=False)
        return known

    def _hand_over(self, chunk: WorkChunk, item: WorkItem, result: ItemResult) -> bool:
        """Store and announce a result; True when more urgent work waits."""
        assert self._held is not None
        status = result.status
        ttl = self.settings.result_ttl_s
        own = self._held[2]
        urgent = [] if own.endswith(":high") else [lane for lane in self._lanes if lane.endswith(":high")]
        if time.time() - self._begun > SLICE_S:
            urgent.append(own)
        record = ledger.Record.of(result).pack()
        cached, most = ttl if ledger.is_cacheable(status) else 0, self.settings.keep_results_mb * ledger.MIB
        arguments = [item.key, record, cached, ttl, status.value, most, *urgent]
        _, waiting = cast("list[int]", self._persist(lambda: self._finish(args=arguments)))
        self.beat.finished(result)
        return waiting > 0

    def _give_back(self, chunk: WorkChunk) -> None:
        assert self._held is not None
        held = self._held
        self._persist(lambda: move(self.connection, chunk, held, self.settings))

    def _store_render(self, name: str, data: bytes) -> None:
        """The engine's hook: keep a picture for a while."""
        ttl, most = self.settings.render_ttl_s, self.settings.keep_renders_mb * ledger.MIB
        self._persist(lambda: self._keep(args=["png", name, data, ttl, most, 1]))

    def _persist(self, change: Callable[[], T]) -> T:
        """Make a change in Redis; while Redis is away, wait for it: a result in hand is not thrown away."""
        delay = 0.05
        while True:
            try:
                return change()
            except (redis.ConnectionError, redis.TimeoutError, OutOfMemoryError) as error:
                log.warning("redis takes no results", worker=self.name, error=str(error))
                self.beat.progress()
                time.sleep(delay)
                delay = min(2.0, delay * 2)


def _infrastructure(chunk: WorkChunk, error: ItemError) -> ItemResult:
    """A `worker_error` result: no reward, retryable."""
    return ItemResult(
        status=Status.WORKER_ERROR,
        reward=None,
        normalized=None,
        error=error,
        profile=chunk.profile.ref,
        runtime=chunk.runtime,
        engine=chartreward.__version__,
        reference=chunk.reference,
    )


def _connect(make: Callable[[], ChartWorker]) -> ChartWorker:
    """Make the worker, waiting for Redis to come up."""
    while True:
        try:
            return make()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            log.warning("redis is away", error=str(error))
            time.sleep(0.5)


def _facts(engine: ScoringEngine, info: WorkerInfo, settings: WorkerSettings) -> WorkerInfo:
    """What the service must know to name work and to check requests."""
    return info.model_copy(
        update={
            "level": engine.level,
            "runtimes": {name: _versions(python) for name, python in settings.runtimes.items()},
            "backbones": dict(engine.weights),
            "default_backbone": engine.default_backbone,
            "signals": list(engine.signal_names),
        }
    )


def _versions(python: Path) -> str:
    """`matplotlib 3.8.4, numpy 1.26.4, ...` of a runtime: read from its environment, else told by its interpreter."""
    folders = [str(folder) for folder in python.parent.parent.glob("lib/python3*/site-packages")]
    found = {one.name.lower(): one.version for one in distributions(path=folders)}
    if set(CHART_LIBRARIES) <= set(found):  # a start of Python less
        return ", ".join(f"{name} {found[name]}" for name in CHART_LIBRARIES)
    code = f"from importlib.metadata import version as v; print(', '.join(n + ' ' + v(n) for n in {CHART_LIBRARIES}))"
    answer = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=30, check=False)
    return answer.stdout.strip()


def configure_logs(level: str) -> None:
    """JSON lines on stderr."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=lambda event, **_: json.dumps(event, default=str)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.getLogger("rq").setLevel(logging.WARNING)


def _engine(settings: WorkerSettings) -> ScoringEngine:
    """The real one. Its zygote warms up while what scores is imported."""
    from worker.jail import Libraries
    from worker.jails import Jails

    jails = Jails(settings)
    jails.begin(Libraries.CORE)
    from worker.pipeline import Engine

    return Engine(settings, jails)


def run(
    name: str, settings: WorkerSettings, make_engine: Callable[[WorkerSettings], ScoringEngine] | None = None
) -> int:
    """One worker process, from start to SIGTERM; returns its exit status."""
    global _current  # noqa: PLW0603 - RQ jobs are module functions; this is how they find the engine
    configure_logs(settings.log_level)
    tracing.configure(settings.traces, "chartreward-worker")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the pool decides
    connection = Redis.from_url(settings.redis_url, socket_timeout=30)
    beat = Heartbeat(name, settings, EXIT_STALLED)
    beat.start()
    try:
        engine = make_engine(settings) if make_engine else _engine(settings)
        engine.start()
    except Exception as error:
        beat.state = "refused"
        log.exception("the engine does not start", worker=name, error=str(error))
        beat.stop()
        return EXIT_REFUSED
    beat.announce(_facts(engine, beat.info(), settings))
    _current = _connect(lambda: ChartWorker(engine, settings, connection, beat))
    log.info("worker ready", worker=name, level=engine.level)
    try:
        _current.work(logging_level="WARNING")
    finally:
        beat.stop()
        engine.close()
    return 0
