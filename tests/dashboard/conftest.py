from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.api.bench import Bench, served
from tests.dashboard.browsing import FLAGS
from tests.together.ensemble import Ensemble
from tests.worker.processes import until


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with served(tmp_path) as bench:
        yield bench


@pytest.fixture(scope="session")
def browser(require_program: Callable[[str], str]) -> Iterator[Browser]:
    path = require_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ensemble]:
    """A farm with one worker, which is at work: a page of a farm that has none looks otherwise."""
    one = Ensemble(tmp_path_factory.mktemp("farm"), {}).start()
    try:
        one.worker("node1")
        until(lambda: [worker.status for worker in one.farm.workers()] == ["awake"], "the worker", 60)
        yield one
    finally:
        print(one.end())
