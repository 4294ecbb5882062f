"""Chromium without a window, for every test of this folder that asks for it."""

import os
import shutil
from collections.abc import Iterator

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Debian's chromium, driven by Playwright; a reason to skip where one of them is not there."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="`make test-book` installs Playwright")
    if not CHROMIUM:
        pytest.skip("there is no chromium: `apt-get install chromium`")
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []  # chromium's sandbox is not for root
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=alone)
        yield started
        started.close()
