"""What a contract tells a worker of the release that the farm serves: that it is another, to who asks; else nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.install import served
from chalicelib.install.packing import packed
from tests.api.bench import Bench
from tests.api.bench import served as serving_bench
from tests.edge.whole_farm import basic

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with serving_bench(tmp_path) as bench:
        yield bench


def contract(bench: Bench, **headers: str) -> Any:
    worker, secret = bench.worker(secret=True)
    body = {"request_id": "k1", "repeat": False, "slots": 0, "timeout": 0, "held": [], "reports": []}
    shown = basic(str(worker.id), str(secret))
    answer = bench.send("POST", f"/worker/{worker.id}/contract", json.dumps(body).encode(), **shown, **headers)
    assert answer.status == 200, answer.body
    return answer.json


def test_a_worker_with_another_wheel_hears_which_one_there_is(bench: Bench) -> None:
    wheel = packed(ROOT / "worker")
    told = contract(bench, X_Millrace_Wheel="a" * 64)["upgrade"]
    assert told == {"version": wheel.version, "sha256": wheel.sha256, "file": wheel.name}
    assert bench.send("GET", f"/install/{told['file']}").body == wheel.data


def test_one_that_has_it_or_does_not_ask_hears_nothing(bench: Bench) -> None:
    assert "upgrade" not in contract(bench, X_Millrace_Wheel=packed(ROOT / "worker").sha256)
    assert "upgrade" not in contract(bench)
    assert "upgrade" not in contract(bench, X_Millrace_Wheel="not a hash")


def test_a_farm_without_a_wheel_offers_none(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(served, "WORKER", tmp_path)
    served.found.cache_clear()
    assert "upgrade" not in contract(bench, X_Millrace_Wheel="a" * 64)
    answer = bench.send("GET", "/install")
    assert (answer.status, b"pip install ./worker" in answer.body) == (404, True)
    served.found.cache_clear()


def test_a_release_of_the_operators_choice_is_offered(bench: Bench, tmp_path: Path) -> None:
    chosen = tmp_path / "millrace-3.2.1-py3-none-any.whl"
    chosen.write_bytes(b"a wheel")
    bench.serve(worker_wheel=chosen)
    assert contract(bench, X_Millrace_Wheel="a" * 64)["upgrade"]["version"] == "3.2.1"


def test_a_release_of_the_operators_choice_that_has_gone_is_named(bench: Bench, tmp_path: Path) -> None:
    chosen = tmp_path / "millrace-3.2.2-py3-none-any.whl"
    chosen.write_bytes(b"a wheel")
    bench.serve(worker_wheel=chosen)
    chosen.unlink()
    answer = bench.send("GET", "/install")
    assert answer.status == 404
    assert "MILLRACE_WORKER_WHEEL names millrace-3.2.2-py3-none-any.whl, which cannot be read" in answer.body.decode()
    assert "upgrade" not in contract(bench, X_Millrace_Wheel="a" * 64)
