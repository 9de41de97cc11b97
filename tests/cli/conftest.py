"""A stub farm, a client of it, and the CLI as a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from millrace import Farm
from millrace.cli.entry import run
from tests.cli.stub_farm import StubFarm, running


@pytest.fixture
def stub() -> Iterator[StubFarm]:
    with running(StubFarm()) as farm:
        yield farm


@pytest.fixture
def farm(stub: StubFarm) -> Farm:
    return Farm(stub.url, patience_seconds=2.0)


@dataclass(frozen=True)
class Done:
    """How a command line ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(stub: StubFarm, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """`cli("jobs", "--json")` on the stub farm."""
    monkeypatch.setenv("MILLRACE_URL", stub.url)

    def call(*arguments: str) -> Done:
        capfd.readouterr()
        code = run(list(arguments))
        return Done(code, *capfd.readouterr())

    return call
