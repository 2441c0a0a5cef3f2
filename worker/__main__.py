"""`python -m worker`: a pool of worker processes, one a core; `--one NAME` is one of them."""

from __future__ import annotations

import argparse
import os
import sys

from worker.settings import WorkerSettings


def main() -> int:
    """Run the pool, or one worker; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__)
    parser.add_argument("--workers", type=int, help="worker processes (default: CHARTREWARD_WORKERS, else one a core)")
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    options = parser.parse_args()
    settings = WorkerSettings()
    if options.one:
        from worker.runner import run

        return run(options.one, settings)
    from worker.pool import Pool

    cores = len(os.sched_getaffinity(0))
    return Pool(settings, options.workers or settings.workers or cores).run()


if __name__ == "__main__":
    sys.exit(main())
