"""A browser on a server of its own, and what a person does with it."""

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from biomass_pipeline_tests.serving import REPOSITORY_ROOT, Servers

# Where pictures of what was seen are kept; CI may collect them.
ARTIFACTS = Path(os.environ.get("BIOMASS_CI_ARTIFACTS", REPOSITORY_ROOT / "ci-artifacts"))
SIZE_PX = {"width": 1600, "height": 1000}
# A machine that runs other tests beside this one is slow to paint, and slower to run.
PAINT_S, RUN_S = 120, 300
# Debian's, in a container: no sandbox, no GPU, nothing fetched from anywhere.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
NEWEST_RUN = "{runsOrError(limit: 1) {... on Runs {results {runId status}}}}"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass
class Visitor:
    """A person at the UI."""

    page: Any
    servers: Servers

    def open(self, path):
        self.page.goto(self.servers.url + path, wait_until="domcontentloaded")

    def graph(self, *groups):
        """The lineage of some groups, each folded open."""
        selection = quote(" or ".join(f'group:"{group}"' for group in groups))
        opened = quote(",".join(f"global@global:{group}" for group in groups))
        self.open(f"/asset-groups~{selection}?asset-selection={selection}&expanded={opened}")

    def partition(self, asset, key):
        self.open(f"/assets/{asset}?view=partitions&partition={key}")

    def see(self, text, *, exact=True):
        """Wait until it is there."""
        found = self.page.get_by_text(text, exact=exact).first
        found.wait_for()
        return found

    def press(self, name):
        """Press the first button of that name."""
        self.page.get_by_role("button", name=name).first.click()

    def run_ends_well(self):
        """Wait for the run that was just launched, and open its page."""
        self.see("Launched run", exact=False)
        (run,) = self.servers.ask(NEWEST_RUN)["runsOrError"]["results"]

        def ended():
            (now,) = self.servers.ask(NEWEST_RUN)["runsOrError"]["results"]
            assert now["runId"] == run["runId"]
            return now["status"] in ENDED and now["status"]

        assert self.servers.wait(ended, seconds=RUN_S, what="end of the run") == "SUCCESS"
        self.open(f"/runs/{run['runId']}")
        self.see("Success")

    def photograph(self, name):
        """Keep what is seen now."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")


@pytest.fixture
def visit():
    """Opens a browser; skipped, with the reason, where there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: pip install biomass-pipeline[test]"
    )
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium: as root on Debian, sh scripts/apt.sh browser")

    @contextmanager
    def visiting(servers):
        with playwright.sync_playwright() as engine:
            browser = engine.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            try:
                page = browser.new_page(viewport=SIZE_PX)
                page.set_default_timeout(1000 * PAINT_S)
                visitor = Visitor(page, servers)
                try:
                    yield visitor
                except BaseException:
                    visitor.photograph("when-it-failed")
                    raise
            finally:
                browser.close()

    return visiting
