"""One slot of the sandbox: a warm zygote of one runtime, and one job at a time in a locked-down child of it."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
from typing import Any

from chartreward.messages import Needs
from chartreward.models import ItemError, Status
from worker.jail import self_test, verdict
from worker.jail.cell import Cell
from worker.jail.job import Job, Request, limits
from worker.jail.outcome import Outcome
from worker.jail.reply import Reply
from worker.jail.settings import JailError, JailSettings, Runtime
from worker.jail.workdir import WorkFolder
from worker.jail.zygote import SANDBOXED, Zygote, ZygoteLostError

log = logging.getLogger(__name__)

# systemd's range for dynamic users: no account and no file of the machine belongs to these.
_FIRST_UID, _UIDS = 61_184, 4_336


def _version() -> str:
    """Changes with anything that runs in the jail, so that cached renders of another version do not serve."""
    digest = hashlib.sha256()
    for path in sorted(SANDBOXED.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"1-{digest.hexdigest()[:12]}"


JAIL_VERSION = _version()


class Jail:
    """Runs foreign chart code and gets a status, a picture and a claim about it, and nothing else.

    Safe to call from several threads; jobs then queue. `start` must come first, `close` last.
    """

    def __init__(self, runtime: Runtime, settings: JailSettings) -> None:
        self.runtime = runtime
        self.settings = settings
        self.level = "not started"
        self._lock = threading.Lock()
        self._zygote: Zygote | None = None
        self._folder: WorkFolder | None = None
        self._cell: Cell | None = None  # ready for the next job
        self._uid: int | None = None

    def start(self) -> None:
        """Start and warm the zygote, then try to escape from it. Raises JailError, naming the holes, if that works
        and `reduced` is not set."""
        try:
            with self._lock:
                self._prepare()
            self._decide_level()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        if os.geteuid() == 0:
            wanted = self.settings.uid
            self._uid = _FIRST_UID + secrets.randbelow(_UIDS) if wanted is None else wanted
        try:
            self._folder = WorkFolder(self.settings.work_root, self._uid)
        except OSError as error:
            raise JailError(f"no work directory can be made: {error}; set TMPDIR to a writable folder") from error
        self._zygote = self._new_zygote()
        facts = self._zygote.facts
        log.info(
            "jail of %s (%s libraries): %s, Landlock ABI %s, seccomp %s",
            self.runtime.name,
            self.runtime.libraries,
            facts["privileges"],
            facts["landlock"],
            "on" if facts["seccomp"] else "missing",
        )

    def _decide_level(self) -> None:
        holes = self.self_test()
        if not holes:
            self.level = "full"
            return
        facts = self.facts
        missing = []
        if not facts.get("landlock"):
            missing.append(
                "this kernel offers no Landlock (Linux 5.13 or later with landlock in its lsm= list; not gVisor)"
            )
        if not facts.get("seccomp"):
            missing.append("there is no seccomp filter for this machine's architecture")
        why = f"a jailed job can: {', '.join(holes)}" + (f" ({'; '.join(missing)})" if missing else "")
        if not self.settings.reduced:
            raise JailError(f"the jail does not hold: {why}. Fix that, or accept it with the setting `reduced`")
        log.warning("jail of %s is reduced: %s", self.runtime.name, why)
        self.level = f"reduced: {why}"

    @property
    def facts(self) -> dict[str, Any]:
        """What the zygote said of itself: python, versions, privileges, landlock (ABI), seccomp."""
        return dict(self._zygote.facts) if self._zygote else {}

    @property
    def zygote_rss_mb(self) -> float:
        """Resident memory of the zygote after its last job."""
        return self._zygote.rss_mb if self._zygote else 0.0

    def run(
        self, code: str, *, needs: Needs | None = None, timeout_s: float | None = None, memory_mb: int | None = None
    ) -> Outcome:
        """Execute chart code and draw its figure. Raises JailError when the jail itself fails twice in a row."""
        settings, wanted = self.settings, needs or Needs()
        options = {
            "dpi": settings.dpi,
            "max_pixels": settings.max_pixels,
            "max_figures": settings.max_figures,
            **wanted.model_dump(),
        }
        try:
            body = code.encode("utf-8")
        except UnicodeEncodeError as error:
            return Outcome(Status.SYNTAX_ERROR, ItemError(type="UnicodeEncodeError", message=str(error)))
        return self._serve(self._request("code", body, options, timeout_s, memory_mb))[0]

    def decode(self, image: bytes) -> Outcome:
        """Pixels of a PNG, JPEG or WebP picture, decoded inside the jail. Whatever goes wrong is `bad_reference`."""
        if len(image) > self.settings.picture_bytes:
            message = f"the picture has {len(image)} bytes; {self.settings.picture_bytes} are allowed"
            return Outcome(Status.BAD_REFERENCE, ItemError(type="TooLarge", message=message))
        outcome, _ = self._serve(self._request("picture", image, {"max_pixels": self.settings.max_pixels}, None, None))
        if outcome.status in {Status.OK, Status.BAD_REFERENCE}:
            return outcome
        return Outcome(Status.BAD_REFERENCE, outcome.error, peak_mb=outcome.peak_mb)

    def self_test(self) -> list[str]:
        """Names of the escapes that succeed from inside this jail; [] when it holds. Raises JailError."""
        with self_test.traps(self.settings, self._uid) as facts:
            outcome, reply = self._serve(self._request("escapes", b"", facts, None, None))
        if reply is None or reply.escaped is None:
            reason = outcome.error.message if outcome.error else outcome.status.value
            raise JailError(f"the self-test did not finish: {reason}")
        return reply.escaped

    def make_ready(self) -> None:
        """Fork and lock a process for the next job, so that a job with the usual limits need not wait for it.

        What fails here is logged: the next job meets it again and reports it.
        """
        with self._lock:
            if self._folder is None or self._cell is not None:
                return
            try:
                self._cell = self._new_cell(limits(self._request("code", b"", {}, None, None), self.settings))
            except (ZygoteLostError, JailError, OSError) as error:
                log.warning("jail of %s: nothing is ready for the next job: %s", self.runtime.name, error)
                self._discard()

    def close(self) -> None:
        """End the zygote and remove the jail's folder. May be called twice."""
        with self._lock:
            self._empty_cell()
            if self._zygote:
                self._zygote.close()
                self._zygote = None
            if self._folder:
                self._folder.close()
                self._folder = None

    def __enter__(self) -> Jail:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(
        self, kind: str, body: bytes, options: dict[str, Any], timeout_s: float | None, memory_mb: int | None
    ) -> Request:
        settings = self.settings
        return Request(
            kind=kind,
            body=body,
            options=options,
            timeout_s=settings.timeout_s if timeout_s is None else timeout_s,
            memory_mb=settings.memory_mb if memory_mb is None else memory_mb,
            max_head=settings.description_bytes,
            max_body=3 * settings.max_pixels,
        )

    def _new_zygote(self) -> Zygote:
        assert self._folder is not None
        return Zygote(self.runtime, self.settings, self._folder.config, self._uid)

    def _serve(self, request: Request) -> tuple[Outcome, Reply | None]:
        """Run one request; once more in a fresh zygote when the zygote failed."""
        with self._lock:
            if self._folder is None:
                raise JailError("the jail is not started")
            for attempt in (1, 2):
                try:
                    return self._once(request)
                except ZygoteLostError as error:
                    log.warning("jail of %s: %s (attempt %d)", self.runtime.name, error, attempt)
                    lost = error
                    self._discard()
            raise JailError(f"the zygote of {self.runtime.name} failed twice: {lost}")

    def _once(self, request: Request) -> tuple[Outcome, Reply | None]:
        cell = self._cell_for(limits(request, self.settings))
        try:
            facts = Job(cell, self.settings, request).run()
        finally:
            cell.close()
            self._tidy()
        left = verdict.left_behind(facts)
        if left:  # cannot happen under the filter
            log.error("jail of %s: a job left %s behind", self.runtime.name, left)
            self._discard()
        return verdict.judge(facts, self.settings)

    def _cell_for(self, caps: dict[str, int]) -> Cell:
        """The cell that is ready when it fits, else a new one."""
        cell = self._cell
        if cell is not None and cell.fits(caps):
            self._cell = None
            return cell
        if cell is not None:
            cell.child.kill()
            cell.ended()
            self._empty_cell()
        return self._new_cell(caps)

    def _new_cell(self, caps: dict[str, int]) -> Cell:
        assert self._folder is not None
        if self._zygote is None or self._zygote.worn(self.settings):
            self._discard()
            self._zygote = self._new_zygote()
        try:
            work = self._folder.new_work()
        except OSError as error:
            raise JailError(f"no work directory can be made: {error}") from error
        return Cell(self._zygote, caps, work)

    def _empty_cell(self) -> None:
        """Kill what waits for a job, and forget it; its work directory goes when the next one is made."""
        if self._cell:
            self._cell.child.kill()
            self._cell.close()
            self._cell = None

    def _tidy(self) -> None:
        assert self._folder is not None
        try:
            self._folder.clear_work()
            left = self._folder.leftovers()
        except OSError as error:
            raise JailError(f"a job's files cannot be removed: {error}") from error
        if left:
            raise JailError(f"a job left files behind: {', '.join(left)}")

    def _discard(self) -> None:
        """End the zygote, and with it what waits for a job."""
        self._empty_cell()
        if self._zygote:
            self._zygote.kill()
            self._zygote = None
