"""The measuring itself: what is counted is right, what is kept can be read again, and nothing fails on time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from chalicelib.core.ports import Equals, Key, Put, Remove, Set, Update
from tests.bench import __main__ as bench
from tests.bench import report
from tests.bench.figures import Curve, Figure, Findings, from_json, percentile
from tests.bench.metered import MeteredTable, size_of
from tests.bench.picture import svg
from tests.engines.simulated import SimulatedTable

INDEXES = {"ready": ("id",)}


@pytest.fixture
def table() -> MeteredTable:
    return MeteredTable(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0)), INDEXES)


def put(table: MeteredTable, name: str, **fields: object) -> None:
    table.write(Put({"pk": name, "sk": "-", **fields}))


def test_an_item_is_as_large_as_dynamodb_says() -> None:
    assert size_of({"pk": "a", "text": "äb", "number": 1234, "none": None, "list": ["x"]}) == (
        2 + 1 + 4 + 3 + 6 + 3 + 4 + 1 + 4 + 3 + 2
    )


def test_a_write_costs_a_unit_for_each_kilobyte_and_for_each_index_entry_that_changes(
    table: MeteredTable,
) -> None:
    with table.measured() as plain:
        put(table, "a", text="x" * 1500)
    assert (plain.requests, plain.write_units) == ({"write": 1}, 2)
    with table.measured() as indexed:
        put(table, "b", ready_pk="R", ready_sk="1", id=7)
    assert indexed.write_units == 2
    with table.measured() as unprojected:
        table.update(Update(Key("b", "-"), (Set("text", "y"),)))
    assert unprojected.write_units == 1
    with table.measured() as moved:
        table.update(Update(Key("b", "-"), (Set("ready_sk", "2"),)))
    assert moved.write_units == 1 + 2
    with table.measured() as left:
        table.update(Update(Key("b", "-"), (Remove("ready_pk"), Remove("ready_sk"))))
    assert left.write_units == 1 + 1


def test_a_transaction_costs_twice_as_much_and_a_refused_write_as_much_as_another(table: MeteredTable) -> None:
    with table.measured() as both:
        table.write(Put({"pk": "a", "sk": "-"}), Put({"pk": "b", "sk": "-"}))
    assert (both.requests, both.write_units) == ({"transact_write_items": 1}, 4)
    with table.measured() as refused:
        table.write_many([[Update(Key("a", "-"), (Set("x", 1),), (Equals("y", 1),))]])
    assert (refused.requests, refused.write_units) == ({"write": 1}, 1)


def test_an_index_read_costs_half_and_what_it_finds_is_the_projection(table: MeteredTable) -> None:
    put(table, "b", ready_pk="R", ready_sk="1", id=7, text="x" * 5000)
    with table.measured() as base:
        table.query("b")
    with table.measured() as index:
        table.query("R", index="ready")
    assert (base.read_units, index.read_units) == (2, 0.5)


def test_half_of_the_values_lie_below_the_median() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile([], 0.99) == 0


@pytest.fixture
def found() -> Findings:
    figures = [Figure("quick", 900, "1/s", 1000, "more"), Figure("seen", 3, "")]
    curve = Curve("a & b", "tasks", "ms", (1, 10, 100), {"p50": (1.0, 2.0, 1.5), "p99": (3.0, None, 4.0)})
    return Findings("cycles", {"date": "2020-01-01", "commit": "abc"}, figures, [curve])


def test_figures_survive_being_kept_beside_those_of_other_benches(tmp_path: Path, found: Findings) -> None:
    report.keep(tmp_path, [found])
    report.keep(tmp_path, [Findings("flat", {"date": "2020-01-02"}, [Figure("other", 1, "ms")])])
    kept = json.loads((tmp_path / "performance.json").read_text())
    assert from_json("cycles", kept["cycles"]) == found
    page = (tmp_path / "performance.md").read_text()
    assert "| quick | at least 1,000 1/s | 900 1/s | 0.90 **missed** |" in page and "other" in page


def test_what_people_wrote_around_the_figures_stays(tmp_path: Path, found: Findings) -> None:
    (tmp_path / "performance.md").write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.keep(tmp_path, [found])
    page = (tmp_path / "performance.md").read_text()
    assert page.startswith("before\n") and page.endswith("\nafter\n") and "old" not in page


def test_a_picture_is_valid_svg_with_every_line(found: Findings) -> None:
    picture = ElementTree.fromstring(svg(found.curves[0]))
    lines = picture.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len(line.attrib["points"].split()) for line in lines] == [3, 2]


class Slow:
    """A bench that misses its target, and one that breaks."""

    @staticmethod
    def measure(options: object) -> Iterator[Figure]:
        yield Figure("slow", 2, "s", 1)
        raise_if = getattr(options, "quick", False)
        if raise_if:
            raise RuntimeError("broken")


def test_missed_targets_do_not_fail_a_run_but_a_broken_bench_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.bench.cycles.measure", Slow.measure)
    assert bench.main(["cycles", "--out", str(tmp_path)]) == 0
    assert "1 targets: 0 met, 1 missed" in capsys.readouterr().out
    assert bench.main(["cycles", "--quick"]) == 1
    assert "not measured: cycles" in capsys.readouterr().out


def test_an_unknown_bench_is_refused_with_the_names_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bench.main(["fast"])
    assert ended.value.code == 2
    assert "there are cycles" in capsys.readouterr().err
