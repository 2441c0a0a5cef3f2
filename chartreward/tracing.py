"""OpenTelemetry spans, off unless `CHARTREWARD_TRACES` says where to: then, and only then, the SDK is imported.

A request's trace goes on in the worker: the queue's messages carry a W3C `traceparent` (`carrier`).
"""

from __future__ import annotations

import atexit
import contextlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

FILE = "file:"
Value = str | int | float | bool
_tracer: Any = None


class Span:
    """A running span; what it is told is lost while tracing is off."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def note(self, name: str, value: Value) -> None:
        """Set an attribute."""
        if self._span is not None:
            self._span.set_attribute(name, value)


_OFF = Span()


def configure(target: str | None, service: str) -> None:
    """Trace to `target`: `file:PATH` (a JSON object a line), or the URL of an OTLP/HTTP endpoint; None: off.

    Raises ValueError when the SDK is missing.
    """
    global _tracer  # noqa: PLW0603 - one a process, as the SDK has it
    if not target or _tracer is not None:
        return
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError:
        message = "CHARTREWARD_TRACES is set, and OpenTelemetry is not installed: pip install chartreward[otel]"
        raise ValueError(message) from None
    provider: Any = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(_processor(target))
    atexit.register(provider.shutdown)
    _tracer = provider.get_tracer("chartreward")


def _processor(target: str) -> Any:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

    if target.startswith(FILE):
        out = Path(target.removeprefix(FILE)).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 - until the end

        def line(span: Any) -> str:
            return str(span.to_json(indent=None)) + "\n"

        return SimpleSpanProcessor(ConsoleSpanExporter(out=out, formatter=line))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return BatchSpanProcessor(OTLPSpanExporter(endpoint=target))


def span(
    name: str, *, parent: str | None = None, **attributes: str | int | float | bool
) -> AbstractContextManager[Span]:
    """A span around a block, below the current one or below `parent` (a `traceparent`)."""
    return contextlib.nullcontext(_OFF) if _tracer is None else _running(name, parent, attributes)


@contextlib.contextmanager
def _running(name: str, parent: str | None, attributes: dict[str, Any]) -> Iterator[Span]:
    with _tracer.start_as_current_span(name, context=_context(parent), attributes=attributes) as running:
        yield Span(running)


def past(name: str, started: float, *, parent: str | None = None, **attributes: Value) -> None:
    """A span that began at `started` (seconds since the epoch) and ends now."""
    if _tracer is not None:
        begin = int(min(started, time.time()) * 1e9)
        _tracer.start_span(name, context=_context(parent), start_time=begin, attributes=attributes).end()


def carrier() -> str | None:
    """The current span as a `traceparent`; None while tracing is off."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    fields: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(fields)
    return fields.get("traceparent")


def _context(parent: str | None) -> Any:
    if parent is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent})
