"""Settings of the service, read from the environment (prefix `CHARTREWARD_`)."""

from __future__ import annotations

import ipaddress
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chartreward.ledger import DEFAULT_REDIS_URL, RESULT_TTL_S, SECRETS, with_password
from chartreward.models import Finite

Infrastructure = Literal["error"] | Finite


class ServiceSettings(BaseSettings):
    """Everything the service can be told."""

    model_config = SettingsConfigDict(
        env_prefix="CHARTREWARD_",
        env_ignore_empty=True,
        extra="ignore",
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
    )

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=1, le=65_535, description="port to listen on")
    redis_url: str = Field(default=DEFAULT_REDIS_URL, description="redis://, rediss:// or unix:// URL")
    redis_password: SecretStr | None = Field(default=None, description="goes into redis_url, where that has none")
    redis_connections: int = Field(default=64, ge=4, description="connections to Redis at most, a process")
    log_level: str = Field(default="info", description="debug, info, warning, error")
    traces: str | None = Field(
        default=None, description="OpenTelemetry: URL of an OTLP/HTTP endpoint (…/v1/traces), or file:PATH; unset: off"
    )

    # who may ask, and for how much
    api_keys: dict[str, str] = Field(
        default_factory=dict, description='name -> sha256 (hex) of a key: \'{"alice": "9f86..."}\'; none: open to all'
    )
    allow_open: bool = Field(default=False, description="serve without keys on an address that is not loopback")
    auth_health: bool = Field(default=False, description="ask for a key on health and metrics routes too")
    quota_items_per_minute: int | None = Field(default=None, ge=1, description="items a key may submit a minute")

    # limits
    max_body_mb: int = Field(default=64, ge=1, description="largest request body, MiB")
    max_queue: int = Field(default=200_000, ge=1, description="items under way beyond which native routes answer 429")
    max_timeout_s: float = Field(default=60.0, gt=0, description="largest `limits.timeout_s` a request may ask for")
    max_memory_mb: int = Field(default=4096, ge=64, description="largest `limits.memory_mb` a request may ask for")
    max_image_pixels: int = Field(default=40_000_000, ge=10_000, description="largest reference picture")
    max_wait_s: float = Field(default=300.0, gt=0, description="longest time one request is held for `wait`")

    # clocks and memory
    deadline_s: float = Field(default=3600.0, gt=0, description="a batch's deadline unless it names its own")
    result_ttl_s: int = Field(default=RESULT_TTL_S, ge=60, description="how long results and batches are kept")
    reference_ttl_s: int = Field(default=604_800, ge=60, description="how long an unused reference is kept")
    keep_references_mb: int = Field(
        default=256, ge=64, description="references in Redis at most; the longest unused go first"
    )
    keep_batches_mb: int = Field(default=128, ge=16, description="batches in Redis at most; the oldest go first")
    default_runtime: str | None = Field(default=None, description="unset: the first runtime of the workers")
    chunk_items: int = Field(default=8, ge=1, le=64, description="most items of one job")
    canary_s: float = Field(default=6.0, gt=0, description="seconds between canaries")
    ready_window_s: float = Field(default=25.0, gt=0, description="ready: a canary came through within this time")
    keep_alive_s: int = Field(default=120, ge=75, description="idle connections stay open this long")
    drain_s: float = Field(default=150.0, gt=0, description="time that SIGTERM leaves running requests")

    # compatibility routes: which recipe, until when a request is held, and what our own failures look like
    compat_profile: str = Field(default="chartsimrl", description="profile of the compatibility routes")
    get_reward_deadline_s: float = Field(default=150.0, gt=0, description="OpenRLHF gives up after 180 s")
    rm_deadline_s: float = Field(default=100.0, gt=0, description="slime gives up after 120 s")
    verify_deadline_s: float = Field(default=55.0, gt=0, description="verifiers gives up after 60 s")
    get_reward_infrastructure: Infrastructure = Field(
        default="error", description="our own failure on /get_reward: `error` (503, loud) or this reward"
    )
    rm_infrastructure: Infrastructure = Field(default="error", description="the same for /rm")

    @model_validator(mode="after")
    def _join_password(self) -> Self:
        if self.redis_password is not None:
            self.redis_url = with_password(self.redis_url, self.redis_password.get_secret_value())
        return self

    def check_exposure(self) -> None:
        """Refuse to be open to a network by accident. Raises ValueError."""
        if self.api_keys or self.allow_open or _is_loopback(self.host):
            return
        raise ValueError(
            f"{self.host} is not a loopback address and no API key is set: set CHARTREWARD_API_KEYS "
            "(`chartreward key NAME` makes one), or CHARTREWARD_ALLOW_OPEN=true to serve everybody"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.startswith("/")
