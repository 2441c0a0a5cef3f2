"""A service that speaks the contract over real HTTP and misbehaves as told, and a TCP proxy that breaks connections.

It scores nothing: the reward of an item is the number in its code (`reward = 0.5`), so that a lost, doubled, mixed-up
or made-up result shows. What it counts is what the tests assert on.
"""

import asyncio
import json
import re
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from chartreward.completions import extract_code
from chartreward.keys import reference_id
from chartreward.models import Batch, BatchStatus, ItemResult, Problem, Reference, RewardRequest, Status


@dataclass
class Fault:
    """One misbehaviour, used up by one request of `method`."""

    method: str = "POST"
    status: int | None = None  # answer this instead
    retry_after: str | None = None
    body: str | None = None  # with `status`: instead of problem+json
    delay_s: float = 0.0  # before the answer
    lines: int | None = None  # send so many results, then break off
    tear: bool = False  # break off inside the next line, else between lines
    clean: bool = False  # end the stream properly, though results are missing
    worker_errors: int = 0  # so many items fail on our side
    running: bool = False  # GET: say the batch is still running


class Misbehaving:
    """The service. `faults` are used up in order, each by the next request of its method; then it behaves."""

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.always: Callable[[], Fault | None] = lambda: None
        self.requests: Counter[str] = Counter()
        self.scored: Counter[str] = Counter()  # by completion: how often it was really executed
        self.sizes: list[int] = []
        self.uploads: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.in_flight = self.most_in_flight = 0
        self.ready = True
        self.forget()

    def forget(self) -> None:
        """What a restart with an empty Redis does."""
        self.by_key: dict[str, str] = {}
        self.batches: dict[str, Batch] = {}
        self.references: set[str] = set()

    def fault(self, method: str) -> Fault:
        if self.faults and self.faults[0].method == method:
            return self.faults.popleft()
        return self.always() or Fault(method)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.post("/v1/rewards")(self.post)
        app.get("/v1/rewards/{batch_id}")(self.get)
        app.post("/v1/references")(self.register)
        app.get("/readyz")(self.readyz)
        app.get("/v1/info")(lambda: {"version": "0"})
        return app

    async def readyz(self) -> Response:
        return Response("ok") if self.ready else problem(503, "not_ready", "no worker yet")

    async def register(self, request: Request) -> Response:
        reference = Reference.model_validate_json(await request.body())
        name = reference_id(reference)
        self.uploads[name] += 1
        self.references.add(name)
        return Response(json.dumps({"id": name}), 201, media_type="application/json")

    async def post(self, request: Request) -> Response:
        self.requests["POST"] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            self.headers.append(dict(request.headers))
            body = await request.body()
            fault = self.fault("POST")
            await asyncio.sleep(fault.delay_s)
            if fault.status is not None:
                return refusal(fault)
            asked = RewardRequest.model_validate_json(body)
            self.bodies.append(json.loads(body))
            self.sizes.append(len(asked.items))
            for item in asked.items:
                if (
                    isinstance(item.reference, Reference)
                    and item.reference.id
                    and item.reference.id not in self.references
                ):
                    return problem(422, "unknown_reference", f"no reference {item.reference.id!r} is registered")
            batch = self.batch(request.headers["idempotency-key"], asked, fault)
            headers = {"Location": f"/v1/rewards/{batch.id}"}
            return StreamingResponse(stream(batch, fault), media_type="application/x-ndjson", headers=headers)
        finally:
            self.in_flight -= 1

    def batch(self, key: str, asked: RewardRequest, fault: Fault) -> Batch:
        if key in self.by_key:
            return self.batches[self.by_key[key]]
        results = []
        for index, item in enumerate(asked.items):
            if index < fault.worker_errors:
                results.append(
                    ItemResult(id=item.id, index=index, status=Status.WORKER_ERROR, reward=None, normalized=None)
                )
                continue
            code = item.code if item.code is not None else extract_code(item.completion or "")
            self.scored[item.code or item.completion or ""] += 1
            number = re.search(r"reward = ([0-9.]+)", code or "")
            status = Status.OK if number else Status.NO_CODE
            reward = float(number[1]) if number else 0.0
            results.append(ItemResult(id=item.id, index=index, status=status, reward=reward, normalized=reward))
        batch = Batch(
            id=f"b_{len(self.batches)}_{time.monotonic_ns()}",
            status=BatchStatus.COMPLETED,
            total=len(results),
            done=len(results),
            results=results,
            created=time.time(),
        )
        self.batches[batch.id] = batch
        self.by_key[key] = batch.id
        return batch

    async def get(self, batch_id: str) -> Response:
        self.requests["GET"] += 1
        fault = self.fault("GET")
        await asyncio.sleep(fault.delay_s)
        if fault.status is not None:
            return refusal(fault)
        batch = self.batches.get(batch_id)
        if batch is None:
            return problem(404, "unknown_batch", f"no batch {batch_id!r}")
        if fault.running:
            batch = batch.model_copy(update={"status": BatchStatus.RUNNING, "results": batch.results[:1]})
        return Response(batch.model_dump_json(), media_type="application/json")


def refusal(fault: Fault) -> Response:
    assert fault.status is not None
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    if fault.body is not None:
        return Response(fault.body, fault.status, media_type="text/html", headers=headers)
    answer = problem(fault.status, "told_to", "told to", retryable=fault.status in (429, 500, 502, 503, 504))
    answer.headers.update(headers)
    return answer


def problem(status: int, code: str, detail: str, *, retryable: bool = False) -> Response:
    model = Problem(title=code, status=status, detail=detail, code=code, retryable=retryable or status == 503)
    return Response(model.model_dump_json(), status, media_type="application/problem+json")


async def stream(batch: Batch, fault: Fault) -> AsyncIterator[bytes]:
    lines = [result.model_dump_json().encode() + b"\n" for result in batch.results]
    for number, line in enumerate(lines):
        if number == fault.lines:
            if fault.tear:
                yield line[: len(line) // 2]
            if fault.clean:
                return
            raise ConnectionAbortedError("told to")  # uvicorn drops the connection without the last chunk
        yield line


class Server:
    """A uvicorn server in a thread, on a fixed port, so that it can be stopped and started again."""

    def __init__(self, app: FastAPI, port: int | None = None) -> None:
        self.app = app
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: uvicorn.Server | None = None

    def start(self) -> None:
        config = uvicorn.Config(self.app, port=self.port, log_level="critical", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        wait_for_port(self.port)

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._thread.join(timeout=5)
            self._server = None


class BreakingProxy:
    """Forwards TCP connections to `port`. `plan` says what happens to each next one; afterwards they pass.

    "reset": at once. "silence": accepted, never answered. ("cut", n): reset after n bytes of the answer.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.plan: deque[str | tuple[str, int]] = deque()
        self.connections = 0
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_for_port(self.port)
        self.connections = 0

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self._loop.run_forever()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        step = self.plan.popleft() if self.plan else ("cut", 1 << 60)
        if step == "reset":
            reset(writer)
            return
        if step == "silence":
            await asyncio.sleep(3600)
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.target)
        left = step[1] if isinstance(step, tuple) else 0

        async def answer() -> None:
            nonlocal left
            while data := await upstream_reader.read(65536):
                writer.write(data[:left])
                await writer.drain()
                left -= len(data)
                if left <= 0:
                    reset(writer)
                    upstream_writer.close()
                    return
            writer.close()

        async def request() -> None:
            while data := await reader.read(65536):
                upstream_writer.write(data)
                await upstream_writer.drain()
            upstream_writer.close()

        await asyncio.gather(answer(), request(), return_exceptions=True)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise RuntimeError(f"nothing listens on port {port}")
