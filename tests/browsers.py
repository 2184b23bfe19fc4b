"""A real browser: the fixture ``browser``, a Chromium that asks nobody for anything."""

import shutil

import pytest

from tests.oracles import REQUIRED, oracle

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser():
    sync_api = oracle("playwright.sync_api")
    oracle("axe_playwright_python")
    with sync_api.sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        except sync_api.Error:
            if REQUIRED:
                raise
            pytest.skip("there is no chromium: playwright install chromium")
        yield started
        started.close()
