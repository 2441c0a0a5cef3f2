"""One item from code to result: run in the jail, check against the pixels, extract features, compare, combine."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog
from PIL import Image

import chartreward
from chartreward import tracing
from chartreward.messages import Needs, WorkChunk, WorkItem
from chartreward.models import (
    Integrity,
    ItemError,
    ItemResult,
    Limits,
    Picture,
    Profile,
    Reference,
    SignalResult,
    SignalUse,
    Status,
    Strict,
    Timing,
)
from chartreward.profiles import needs_of
from chartreward.profiles.options import options_of
from worker import integrity
from worker.cache import ByteCache
from worker.jail import JailError, Libraries, Outcome
from worker.jails import EngineError, Jails
from worker.reward import Reward, SignalMissingError, blank, combine, failure
from worker.settings import WorkerSettings
from worker.similarity import Chart, Signal, available_signals
from worker.similarity.visual import local_similarity
from worker.vision import Backbone, FeatureExtractor, FeatureSpec, load_backbone, ocr

log = structlog.get_logger(__name__)

RESNET = "resnet18"
BUNDLED = "efficientnet_lite0"


def _default_backbone(settings: WorkerSettings) -> str:
    """What `visual` means."""
    return settings.backbone or (RESNET if RESNET in settings.weights else BUNDLED)


def load_backbones(settings: WorkerSettings) -> dict[str, Backbone]:
    """Every backbone that the settings name, by name. Raises WeightsError."""
    names = dict.fromkeys([_default_backbone(settings), *settings.weights, *settings.random_weights])
    return {
        name: load_backbone(
            name,
            settings.weights.get(name),
            allow_random=name in settings.random_weights,
            device=settings.device,
            threads=settings.torch_threads,
            cache=settings.cache,
        )
        for name in names
    }


@dataclass(slots=True)
class Render:
    """What one execution gave, checked: a chart, or the status that kept it from being one."""

    outcome: Outcome
    chart: Chart | None
    integrity: Integrity
    blank: bool
    cached: bool = False

    @property
    def size(self) -> int:
        """Bytes it holds, roughly: pixels and description."""
        return 20_000 + 10 * self.outcome.claim_bytes + (0 if self.chart is None else self.chart.pixels.nbytes)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one chunk needs: its signals with their checked options."""

    profile: Profile
    needs: Needs
    uses: list[tuple[SignalUse, Signal, Strict]]

    def specs(self, reference: Chart) -> list[FeatureSpec]:
        """The distinct features that the signals read."""
        wanted = [spec for _, signal, options in self.uses for spec in signal.features(options, reference)]
        return list(dict.fromkeys(wanted))


class Engine:
    """Scores chunks of items that share a reference, a profile and a runtime.

    One thread at a time uses an engine; it owns its jails. `renders` receives (sha256, PNG bytes) of pictures
    that results point to, `denied` the operation that the sandbox denied a code.
    """

    def __init__(self, settings: WorkerSettings, jails: Jails | None = None) -> None:
        self.settings = settings
        self._jails = jails or Jails(settings)
        self.renders: Callable[[str, bytes], None] | None = None
        self.denied: Callable[[str], None] | None = None
        self.default_backbone = _default_backbone(settings)
        self.backbones: dict[str, Backbone] = {}
        self.signals: dict[str, Signal] = {}
        self._renders: ByteCache[Render] = ByteCache(settings.render_cache_mb * 1_000_000)
        self._references: ByteCache[Render] = ByteCache(settings.reference_cache_mb * 1_000_000)
        self._lock = threading.Lock()

    # --- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Load backbones, warm the jails, attack them. Raises EngineError, WeightsError or JailError."""
        self.backbones = load_backbones(self.settings)
        batch = self.settings.feature_batch or (1 if self.settings.device == "cpu" else 16)
        self._extractor = FeatureExtractor(self.backbones, batch=batch)
        self.signals = available_signals(self.backbones, self.settings.judge)
        self._read_lines = ocr.LineReader(self.settings.torch_threads) if ocr.installed() else None
        self._jails.get()
        self._jails.begin(Libraries.ALL)

    def make_ready(self) -> None:
        """To be called when there is nothing to do: the next job's process is forked and locked before it comes."""
        self._jails.make_ready()

    def close(self) -> None:
        """Stop the jails."""
        self._jails.close()

    @property
    def level(self) -> str:
        """`full`, or `reduced: <why>` when any jail is."""
        return self._jails.level

    @property
    def signal_names(self) -> list[str]:
        """Names that profiles may use here; `visual` means the default backbone."""
        return ["visual", *self.signals]

    @property
    def weights(self) -> dict[str, str]:
        """Backbone -> sha256 of its weights (or `random`)."""
        return {name: backbone.weights for name, backbone in self.backbones.items()}

    # --- scoring ------------------------------------------------------------------------------

    def score(self, chunk: WorkChunk, reference: Reference) -> Iterator[tuple[WorkItem, ItemResult]]:
        """Score a chunk's items, yielding each result as it is known.

        Never raises for an item: our own failures become `worker_error` results with a null reward.
        """
        with self._lock:
            try:
                plan = self._plan(chunk.profile)
                given = self._reference(chunk, reference, plan)
            except Exception as error:
                log.exception("reference failed", reference=chunk.reference)
                for item in chunk.items:
                    yield item, self._ours(chunk, error)
                return
            if given.chart is None:
                for item in chunk.items:
                    yield item, self._bad_reference(chunk, given.outcome)
                return
            size = self._extractor.batch
            for start in range(0, len(chunk.items), size):
                yield from self._score_group(chunk, plan, given, chunk.items[start : start + size])

    def _plan(self, profile: Profile) -> _Plan:
        uses = []
        for use in profile.signals:
            name = f"visual.{self.default_backbone}" if use.name == "visual" else use.name
            if name not in self.signals:
                raise EngineError(f"profile {profile.ref} uses {use.name!r}, which this worker does not have")
            uses.append((use, self.signals[name], options_of(use)))
        return _Plan(profile, needs_of(profile), uses)

    def _score_group(
        self, chunk: WorkChunk, plan: _Plan, reference: Render, items: Sequence[WorkItem]
    ) -> Iterator[tuple[WorkItem, ItemResult]]:
        """Render a few items, extract their features together, then finish one after the other."""
        drawn: list[tuple[WorkItem, Render | Exception]] = []
        assert reference.chart is not None
        specs = plan.specs(reference.chart)
        for item in items:
            try:
                drawn.append((item, self._render(item.code, chunk.runtime, plan, chunk.limits, specs)))
            except Exception as error:
                log.exception("render failed", key=item.key)
                drawn.append((item, error))
        try:
            charts = [render.chart for _, render in drawn if isinstance(render, Render) and render.chart is not None]
            self._add_features([chart for chart in charts if chart is not None], specs)
        except Exception as error:
            log.exception("features failed", reference=chunk.reference)
            drawn = [(item, error) for item, _ in drawn]
        for item, render in drawn:
            try:
                if isinstance(render, Exception):
                    raise render
                result = self._finish(chunk, plan, reference, item, render)
            except Exception as error:
                log.exception("scoring failed", key=item.key)
                result = self._ours(chunk, error)
            yield item, result

    def _finish(self, chunk: WorkChunk, plan: _Plan, reference: Render, item: WorkItem, render: Render) -> ItemResult:
        """The result of one item that was executed."""
        started = time.perf_counter()
        outcome, chart = render.outcome, render.chart
        signals: dict[str, SignalResult] = {}
        reward = failure(plan.profile, outcome.status)
        if chart is not None and reference.chart is not None:
            try:
                with tracing.span("score", key=item.key):
                    signals, reward = self._compare(plan, chart, reference.chart, item)
            except SignalMissingError as error:
                return self._bad_reference(chunk, reference.outcome, str(error))
            treatment = blank(plan.profile) if render.blank else None
            reward = treatment or reward
            for name, result in signals.items():
                result.weight = reward.weights.get(name, 0.0)
                if "evidence" not in chunk.returns:
                    result.evidence = None
                elif name.partition(".")[2] in self.backbones:
                    backbone = name.partition(".")[2]
                    pair = [self._extractor.maps(one.pixels, backbone) for one in (chart, reference.chart)]
                    result.evidence = {"maps": local_similarity(*pair)}
        found = render.integrity
        if "evidence" not in chunk.returns:
            found = Integrity(unsupported=found.unsupported, hidden=found.hidden)
        timing = Timing(
            exec_ms=outcome.exec_ms,
            draw_ms=outcome.draw_ms,
            score_ms=(time.perf_counter() - started) * 1000,
            cached=render.cached,
        )
        return self._result(chunk, plan, status=outcome.status, reward=reward).model_copy(
            update={
                "signals": signals,
                "error": outcome.error,
                "blank": render.blank,
                "integrity": found,
                "timing": timing,
                **self._returned(chunk, render, reference),
            }
        )

    def _compare(
        self, plan: _Plan, chart: Chart, reference: Chart, item: WorkItem
    ) -> tuple[dict[str, SignalResult], Reward]:
        """All signals of a pair, keyed by their full names, and the reward they make."""
        by_use = {use.name: signal(chart, reference, options) for use, signal, options in plan.uses}
        reward = combine(plan.profile, by_use, len(item.code))
        full = {use.name: signal.name for use, signal, _ in plan.uses}
        signals = {full[name]: result for name, result in by_use.items()}
        return signals, Reward(reward.value, reward.normalized, {full[n]: w for n, w in reward.weights.items()})

    # --- execution ----------------------------------------------------------------------------

    def _render(self, code: str, runtime: str, plan: _Plan, limits: Limits, specs: Sequence[FeatureSpec]) -> Render:
        """Execute code (or find it in the cache) and check what it drew. Raises JailError."""
        checked, partial = plan.profile.check_integrity, plan.needs.partial
        key = _digest("code", code, runtime, plan.needs.model_dump_json(), limits.model_dump_json(), str(checked))
        known = self._renders.get(key)
        if known is not None:
            known.cached = True
            return known
        outcome = self._run(runtime, code, plan.needs, limits)
        if outcome.denied and self.denied is not None:
            self.denied(outcome.denied)
        with tracing.span("features"):
            render = self._checked(outcome, code, checked, partial)
            if render.chart is not None and self._extractor.batch == 1:
                self._add_features([render.chart], specs)
        if outcome.status is not Status.TIMEOUT:  # a busy machine may let it pass next time
            self._renders.put(key, render, render.size)
        return render

    def _run(self, runtime: str, code: str, needs: Needs, limits: Limits) -> Outcome:
        with tracing.span("jail", runtime=runtime) as span:
            outcome = self._jails.get(runtime, code).run(
                code, needs=needs, timeout_s=limits.timeout_s, memory_mb=limits.memory_mb
            )
            span.note("status", outcome.status.value)
        return outcome

    @staticmethod
    def _checked(outcome: Outcome, code: str | None, check: bool, partial: bool = False) -> Render:
        """Check the claims of an execution that gave pixels; after an exception only where `partial` wants them."""
        if outcome.pixels is None or (outcome.status is not Status.OK and not partial):
            return Render(outcome, None, Integrity(), blank=False)
        description, found = outcome.description, Integrity()
        if description is not None and check:
            description, found = integrity.check(description, outcome.pixels)
        chart = Chart(outcome.pixels, description, code, complete=outcome.error is None)
        return Render(outcome, chart, found, blank=integrity.is_blank(outcome.pixels))

    def _reference(self, chunk: WorkChunk, reference: Reference, plan: _Plan) -> Render:
        """The reference's chart with its features, worked out once. Raises JailError."""
        needs = plan.needs.model_copy(update={"partial": False})
        checked = plan.profile.check_integrity
        key = _digest("reference", chunk.reference, chunk.runtime, needs.model_dump_json(), str(checked))
        render = self._references.get(key)
        if render is None:
            if reference.image is not None:
                render = self._decode(reference.image, chunk.runtime)
            elif reference.code is not None:
                render = self._checked(
                    self._run(chunk.runtime, reference.code, needs, Limits()), reference.code, checked
                )
            else:
                raise EngineError("a reference reached the worker by id: the service must send its content")
            self._references.put(key, render, render.size)
        if render.chart is not None:
            self._add_features([render.chart], plan.specs(render.chart))
        return render

    def _decode(self, image: str, runtime: str) -> Render:
        """A reference given as a picture, decoded inside the jail."""
        try:
            data = base64.b64decode(image, validate=True)
        except binascii.Error as error:
            message = ItemError(type="Base64", message=f"the reference's image is not base64: {error}")
            return Render(_failed(message), None, Integrity(), blank=False)
        outcome = self._jails.get(runtime).decode(data)
        if outcome.pixels is None:
            return Render(outcome, None, Integrity(), blank=False)
        chart = Chart(outcome.pixels, None, read_lines=self._read_lines)
        return Render(outcome, chart, Integrity(), blank=integrity.is_blank(outcome.pixels))

    def _add_features(self, charts: Sequence[Chart], specs: Sequence[FeatureSpec]) -> None:
        """Extract what the charts do not have yet; charts with the same picture share the work through the cache."""
        for spec in specs:
            lacking = [chart for chart in charts if spec not in chart.features]
            for chart, views in zip(
                lacking, self._extractor.extract([chart.pixels for chart in lacking], spec), strict=True
            ):
                chart.features[spec] = views

    # --- results ------------------------------------------------------------------------------

    def _result(self, chunk: WorkChunk, plan: _Plan | None, *, status: Status, reward: Reward | None) -> ItemResult:
        used = [] if plan is None else [signal.name.partition(".")[2] for _, signal, _ in plan.uses]
        labels = [self.backbones[name].label for name in used if name in self.backbones]
        return ItemResult(
            status=status,
            reward=None if reward is None else reward.value,
            normalized=None if reward is None else reward.normalized,
            profile=chunk.profile.ref,
            runtime=chunk.runtime,
            engine=chartreward.__version__,
            weights="+".join(labels) or None,
            reference=chunk.reference,
        )

    def _ours(self, chunk: WorkChunk, error: Exception) -> ItemResult:
        """Our own failure: retryable, no reward."""
        kind = "JailError" if isinstance(error, JailError) else type(error).__name__
        result = self._result(chunk, None, status=Status.WORKER_ERROR, reward=None)
        return result.model_copy(update={"error": ItemError(type=kind, message=str(error)[:2000])})

    def _bad_reference(self, chunk: WorkChunk, outcome: Outcome, message: str | None = None) -> ItemResult:
        """The reference cannot be compared with; no fault of the policy, so no reward."""
        error = outcome.error or ItemError(type=outcome.status.value, message="the reference draws no figure")
        if message is not None:
            error = ItemError(type="SignalMissing", message=message)
        elif outcome.status is not Status.BAD_REFERENCE:
            error = error.model_copy(update={"message": f"the reference ended as {outcome.status}: {error.message}"})
        result = self._result(chunk, None, status=Status.BAD_REFERENCE, reward=None)
        return result.model_copy(update={"error": error})

    def _returned(self, chunk: WorkChunk, render: Render, reference: Render) -> dict[str, object]:
        """Descriptions and renders that the request asked for."""
        extra: dict[str, object] = {}
        if "description" in chunk.returns:
            extra["description"] = render.chart.description if render.chart else None
            extra["reference_description"] = reference.chart.description if reference.chart else None
        if "render" in chunk.returns:
            extra["render"] = self._picture(render)
            extra["reference_render"] = self._picture(reference)
        return extra

    def _picture(self, render: Render) -> Picture | None:
        """Hand a picture's PNG to the `renders` hook and say where it will be found."""
        if render.chart is None:
            return None
        name, data = render.chart.derive(_png)
        if self.renders is not None:
            self.renders(name, data)
        height, width = render.chart.pixels.shape[:2]
        return Picture(url=f"/v1/renders/{name}.png", width=width, height=height)


def _png(chart: Chart) -> tuple[str, bytes]:
    """(sha256 hex, PNG bytes) of a chart's pixels."""
    buffer = io.BytesIO()
    Image.fromarray(chart.pixels).save(buffer, "PNG", compress_level=3)
    data = buffer.getvalue()
    return hashlib.sha256(data).hexdigest(), data


def _digest(*parts: str) -> str:
    """One key for several strings; lengths keep them apart."""
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()


def _failed(error: ItemError) -> Outcome:
    """An outcome that never reached the jail."""
    return Outcome(
        status=Status.BAD_REFERENCE,
        error=error,
        pixels=None,
        description=None,
        exec_ms=0.0,
        draw_ms=0.0,
        peak_mb=0.0,
        denied=None,
        output_bytes=0,
    )
