"""Settings of a worker, read from the environment (prefix `CHARTREWARD_`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chartreward.ledger import DEFAULT_REDIS_URL, RESULT_TTL_S, SECRETS, with_password

ROOT = Path(__file__).resolve().parents[1]


class WeightsFile(BaseModel):
    """A backbone's checkpoint. `preparation` overrides how pictures are normalised for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{8,64}$")
    preparation: Literal["imagenet", "lite", "caffe"] | None = None


class JudgeSettings(BaseModel):
    """An OpenAI-compatible endpoint that rates pairs of pictures (the optional `judge` signal)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="base URL, e.g. http://127.0.0.1:8001/v1")
    model: str
    key: SecretStr | None = None
    timeout_s: float = Field(default=30.0, gt=0)
    attempts: int = Field(default=3, ge=1, le=10)
    pause_s: float = Field(default=0.5, ge=0, description="before the second attempt; doubles with each one")


class WorkerSettings(BaseSettings):
    """Everything a worker can be told. Nested values are JSON: CHARTREWARD_WEIGHTS='{"resnet18": {"path": "..."}}'."""

    model_config = SettingsConfigDict(
        env_prefix="CHARTREWARD_",
        env_ignore_empty=True,
        extra="ignore",
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
    )

    # jail
    runtimes: dict[str, Path] = Field(
        default_factory=lambda: {
            name: ROOT / ".runtimes" / name / "bin" / "python"
            for name in ("mpl38", "current")
            if (ROOT / ".runtimes" / name / "bin" / "python").exists()
        },
        description="name -> interpreter of the runtime's own environment; the first is the default",
    )
    jail_reduced: bool = Field(default=False, description="serve although a layer of the sandbox is missing")
    timeout_s: float = Field(default=10.0, gt=0, description="execution limit, unless a request names its own")
    memory_mb: int = Field(default=768, ge=64, description="memory of one execution above the warm interpreter, MiB")
    dpi: int = Field(default=100, ge=20, le=600, description="resolution that every figure is drawn at")
    max_pixels: int = Field(default=16_000_000, ge=10_000, description="largest figure; beyond: figure_too_large")
    max_figures: int = Field(default=200, ge=1, description="open figures; beyond: figure_too_large")
    max_output_kb: int = Field(default=1024, ge=1, description="printed by one execution; beyond: output_limit")
    max_work_mb: int = Field(default=64, ge=1, description="written to its work directory; beyond: output_limit")
    max_work_files: int = Field(default=1024, ge=8, description="files and folders in it; beyond: output_limit")
    max_threads: int = Field(default=64, ge=1, description="threads of one execution; beyond: forbidden")
    max_open_files: int = Field(default=256, ge=32, description="open at once; beyond: forbidden")

    # vision
    backbone: str | None = Field(
        default=None, description="what `visual` means; unset: resnet18 where it has weights, else efficientnet_lite0"
    )
    weights: dict[str, WeightsFile] = Field(
        default_factory=dict, description='checkpoints: backbone -> {"path": ..., "sha256": ...}'
    )
    random_weights: list[str] = Field(default_factory=list, description="backbones that may run untrained (controls)")
    device: str = Field(default="cpu", description="cpu or cuda")
    torch_threads: int = Field(default=1, ge=1, description="threads of a worker's feature extraction")
    cache: Path = Field(
        default=Path(".cache") / "graphs",
        description="folder of the backbones' exported graphs, written by `python -m worker.vision.export` or at the "
        "first start; relative to the application's folder. Whoever can write there decides what the features are",
    )
    feature_batch: int | None = Field(default=None, ge=1, description="unset: 1 on the CPU, 16 on CUDA")

    # caches in this process
    render_cache_mb: int = Field(default=32, ge=0, description="renders kept for equal code")
    reference_cache_mb: int = Field(default=64, ge=0, description="references kept with their features")

    judge: JudgeSettings | None = Field(default=None, description="endpoint of the optional `judge` signal")

    # queue and fleet
    redis_url: str = Field(default=DEFAULT_REDIS_URL, description="redis://, rediss:// or unix:// URL")
    redis_password: SecretStr | None = Field(default=None, description="goes into redis_url, where that has none")
    workers: int | None = Field(default=None, ge=1, description="worker processes; unset: one a core")
    pin_workers: bool = Field(default=True, description="one worker a core: each, and its jobs, on a core of its own")
    result_ttl_s: int = Field(default=RESULT_TTL_S, ge=60, description="how long results and batches are kept")
    render_ttl_s: int = Field(default=900, ge=10, description="how long pictures are kept")
    keep_results_mb: int = Field(default=384, ge=16, description="results in Redis at most; the oldest go first")
    keep_renders_mb: int = Field(default=128, ge=16, description="pictures in Redis at most; the oldest go first")
    recycle_rss_mb: int = Field(default=2500, ge=200, description="a worker that grew beyond this is replaced")
    max_deaths: int = Field(
        default=3, ge=1, description="workers a code may take down, for whatever reason, before it ends as `crashed`"
    )
    max_own_deaths: int = Field(
        default=2, ge=1, description="the same, counting deaths that were no kill from outside: signals, OOM, stalls"
    )
    stall_s: float = Field(
        default=60.0, gt=0, description="beyond twice the execution limit, a worker without progress ends itself"
    )
    log_level: str = Field(default="info", description="debug, info, warning, error")
    traces: str | None = Field(
        default=None, description="OpenTelemetry: URL of an OTLP/HTTP endpoint (…/v1/traces), or file:PATH; unset: off"
    )

    @model_validator(mode="after")
    def _place_cache(self) -> Self:
        self.cache = ROOT / self.cache
        return self

    @model_validator(mode="after")
    def _join_password(self) -> Self:
        if self.redis_password is not None:
            self.redis_url = with_password(self.redis_url, self.redis_password.get_secret_value())
        return self
