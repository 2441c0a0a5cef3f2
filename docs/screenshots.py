"""Pictures of the page, taken from a running stack with the example batch: `make screenshot`.

Writes docs/images/page-VIEW-WIDTH-SCHEME.png and page-readme.png. `--url` takes a stack that runs already; `--all`
makes every view at three widths in both schemes, else only what the documentation shows.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
from playwright.sync_api import Page, sync_playwright

from chartreward.cli_serve import example_table
from chartreward.embedded import Stack
from tests.browser.chromium import FLAGS, find_chromium

IMAGES = Path(__file__).parent / "images"
EXAMPLES = Path(__file__).parents[1] / "examples" / "charts"
VIEWS = ("playground", "batches", "batch", "fleet", "profiles")
WIDTHS = (380, 1024, 1600)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SHOWN = {("playground", 1600, "light"), ("playground", 1600, "dark"), ("batch", 1600, "light"),
         ("fleet", 1024, "light"), ("profiles", 1024, "dark"), ("playground", 380, "light")}  # fmt: skip
README = ("playground", 1600, "light")  # what its window shows, no more, is README's picture
PATIENCE_MS = 60_000


@contextlib.contextmanager
def service(url: str | None) -> Iterator[str]:
    """A stack of our own, unless there is one."""
    if url is not None:
        yield url
        return
    with Stack(env={"CHARTREWARD_LOG_LEVEL": "warning"}) as stack:
        yield stack.url


def keep_busy(url: str, mark: str) -> None:
    """Work that no cache answers, so that there is something to see."""
    code = (EXAMPLES / "sales.py").read_text(encoding="utf-8")
    items = [{"code": f"{code}\n# {mark} {n} {time.time()}\n", "reference": {"code": code}} for n in range(12)]
    httpx.post(f"{url}/v1/rewards", json={"items": items}, timeout=60).raise_for_status()


def open_view(page: Page, url: str, view: str, opened: tuple[str, ...]) -> None:
    """Show a view and wait until it has its data; in the playground, open the evidence of some signals."""
    page.goto(f"{url}/#/{'batches' if view == 'batch' else view}")
    if view == "playground":
        page.get_by_label("Profile", exact=True).select_option("fidelity")
        page.get_by_role("button", name="Score", exact=True).click()
        page.locator("[data-test=reward]").wait_for(timeout=PATIENCE_MS)
        for signal in opened:
            page.locator("button.signal").filter(has_text=signal).click()
    elif view == "batch":
        page.locator("tr[data-batch] a").last.click()
        page.get_by_role("heading", name="By reference").wait_for(timeout=PATIENCE_MS)
    elif view == "fleet":
        for turn in range(3):
            keep_busy(url, f"{page.viewport_size} {turn}")
            page.get_by_text(re.compile(f"the last {6 + 4 * turn}")).wait_for(timeout=PATIENCE_MS)
    else:
        page.locator("tr[data-batch], article.profile").first.wait_for(timeout=PATIENCE_MS)
    page.wait_for_load_state("networkidle")
    page.wait_for_function("[...document.images].every((image) => !image.src || image.complete)")


def take(url: str, every: bool, folder: Path, views: tuple[str, ...]) -> None:
    """All pictures of a stack."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        sync_playwright() as tool,
        contextlib.closing(tool.chromium.launch(executable_path=find_chromium(), args=FLAGS)) as browser,
    ):
        for width in WIDTHS:
            for scheme in SCHEMES:
                wanted = [view for view in views if every or (view, width, scheme) in SHOWN]
                size: Any = {"width": width, "height": 1000 if width > 400 else 800}
                context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
                for view in wanted:
                    page = context.new_page()
                    open_view(page, url, view, ("data", "color", "visual") if every else ())
                    page.evaluate("scrollTo(0, 0)")
                    page.mouse.move(0, 0)
                    page.screenshot(path=folder / f"page-{view}-{width}-{scheme}.png", full_page=True)
                    if (view, width, scheme) == README:
                        page.screenshot(path=folder / "page-readme.png")
                    page.close()
                context.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a stack that runs already")
    parser.add_argument("--all", action="store_true", help="every view, width and scheme")
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=VIEWS)
    parser.add_argument("--folder", type=Path, default=IMAGES)
    options = parser.parse_args()
    with service(options.url) as url:
        example_table(url)
        take(url, options.all, options.folder, tuple(options.views))


if __name__ == "__main__":
    main()
