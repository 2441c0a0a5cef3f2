"""The application: routes, problems, life."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from chartreward import __version__, tracing
from service import canary, logs, openapi, problems
from service.dispatch import Dispatcher
from service.fleet import Fleet, Readiness
from service.hub import Hub
from service.intake import Intake
from service.middleware import Surroundings
from service.recent import Recent
from service.routes import nemo_gym, operations, page, references, rewards, trainers
from service.settings import ServiceSettings
from service.state import State


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """The ASGI application. Raises ValueError when it would be open to a network by accident."""
    settings = settings or ServiceSettings()
    settings.check_exposure()
    logs.configure(settings.log_level)
    tracing.configure(settings.traces, "chartreward-api")

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        pool = BlockingConnectionPool.from_url(
            settings.redis_url,
            max_connections=settings.redis_connections,
            timeout=20,
            socket_timeout=35,
            socket_connect_timeout=2,
            retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2),
        )
        redis = Redis(connection_pool=pool)
        fleet, hub = Fleet(redis), Hub(redis)
        app.state.shared = State(
            settings=settings,
            redis=redis,
            fleet=fleet,
            hub=hub,
            dispatcher=Dispatcher(redis, fleet, hub, settings),
            intake=Intake(settings),
            readiness=Readiness(redis, settings.ready_window_s),
            recent=Recent(redis),
        )
        tasks = [asyncio.create_task(hub.run()), asyncio.create_task(canary.run(app.state.shared))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await redis.aclose()
            await pool.aclose()

    # FastAPI's own viewer would load its script from a CDN; the document itself is at /openapi.json.
    app = FastAPI(title="ChartReward", version=__version__, lifespan=life, docs_url=None, redoc_url=None)
    problems.install(app)
    openapi.install(app)
    for module in (rewards, references, operations, trainers, nemo_gym, page):
        app.include_router(module.router)
    app.add_middleware(Surroundings, settings=settings)
    return app
