"""`python -m service`: the API in this process."""

from __future__ import annotations

import argparse
import sys

import uvicorn
from pydantic import ValidationError

from service.app import create_app
from service.settings import ServiceSettings


def main() -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    parser.add_argument("--host", help="address to listen on (CHARTREWARD_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (CHARTREWARD_PORT)")
    options = parser.parse_args()
    given = {name: value for name, value in vars(options).items() if value is not None}
    try:
        settings = ServiceSettings(**given)
        app = create_app(settings)
    except (ValueError, ValidationError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=4096,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=int(settings.drain_s),
        h11_max_incomplete_event_size=65_536,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
