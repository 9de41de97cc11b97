"""`millrace cost`: what a farm of this size would cost on AWS, and the table in docs/cost.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from .costs import IDLE_FARM_PER_MONTH, MILLION, PROTOCOLS, PUSHING_PER_MONTH, Costs, Setup, limits_on_aws

Line = tuple[str, float, float | None]
"""What, dollars, and the target if there is one."""

REFERENCE = "Farm without workers, a month"


def farm_of(setup: Setup, *, workers: int, tasks: int, seconds: float, protocol: str | None = None) -> Iterator[Line]:
    """A month of a farm whose workers idle when they do not run its tasks, of room `protocol` or native ones."""
    costs = Costs(setup)
    spoken = next((one for one in PROTOCOLS if one.room == protocol), None)
    days = 30.0
    busy = min(1.0, tasks * seconds / max(1, workers) / (days * 86_400))
    idle = costs.idle_workers(workers, quiet=tasks == 0) if spoken is None else costs.idle_of(spoken, workers)
    work = costs.tasks(tasks, seconds) if spoken is None else costs.tasks_of(spoken, tasks, seconds)
    yield REFERENCE, IDLE_FARM_PER_MONTH, None
    if spoken is not None and spoken.is_pushed_to:
        yield "Calls to workers, each second", PUSHING_PER_MONTH, None
    yield f"{workers:,} workers, idle {1 - busy:.0%} of the month", idle * days * (1 - busy), None
    yield f"{tasks:,} tasks of {seconds:g} s", work, None


def reference(setup: Setup) -> Iterator[Line]:
    """The lines of docs/cost.md."""
    costs = Costs(setup)
    yield REFERENCE, IDLE_FARM_PER_MONTH, 1.00
    yield "100 idle workers, a day", costs.idle_workers(100), 0.20
    yield "1,000 idle workers, a day", costs.idle_workers(1_000), None
    yield "100 idle workers of a farm that has work, a day", costs.idle_workers(100, quiet=False), None
    yield "1,000,000 tasks of 30 s", costs.tasks(MILLION, 30), 25.0
    yield "1,000,000 tasks of 5 min", costs.tasks(MILLION, 300), None
    yield "1,000,000 short tasks in batches of ten", costs.tasks_in_tens(MILLION), 5.0


def page() -> str:
    """The table of docs/cost.md: the usual doors, and the lean one."""
    usual, lean = list(reference(Setup())), list(reference(Setup(through_gateway=False)))
    lines = ["| native workers | target | API Gateway | `--door url` |", "|---|---|---|---|"]
    for (what, dollars, target), (_, cheaper, _) in zip(usual, lean, strict=True):
        shown = "" if target is None else f"${target:,.2f}"
        lines.append(f"| {what} | {shown} | {_judged(dollars, target)} | {_judged(cheaper, target)} |")
    return "\n".join(lines)


def protocols_table() -> str:
    """The second table of docs/cost.md: the older protocols beside the native one, by both doors."""
    usual, lean = Costs(Setup()), Costs(Setup(through_gateway=False))
    lines = [
        "| workers of | a million tasks of 30 s | of 5 min | 100 idle, a day | fixed, a month |",
        "|---|---|---|---|---|",
        _row(
            "native",
            *(_both(one.tasks(MILLION, s) for one in (usual, lean)) for s in (30, 300)),
            _both(one.idle_workers(100) for one in (usual, lean)),
            "",
        ),
    ]
    for protocol in PROTOCOLS:
        tasks = [_both(one.tasks_of(protocol, MILLION, s) for one in (usual, lean)) for s in (30, 300)]
        idle = _both(one.idle_of(protocol, 100) for one in (usual, lean))
        lines.append(_row(protocol.name, *tasks, idle, f"${PUSHING_PER_MONTH:,.2f}" if protocol.is_pushed_to else ""))
    return "\n".join(lines)


def intervals_table() -> str:
    """The third: what 100 idle native workers cost a day, by the interval that they are told."""
    lines = ["| seconds between two questions | API Gateway | `--door url` |", "|---|---|---|"]
    for seconds in (30, 60, 100, 120, 300):
        limits = replace(limits_on_aws(), poll_idle_seconds=seconds)
        usual = Costs(Setup(limits=limits)).idle_workers(100, quiet=False)
        lean = Costs(Setup(limits=limits, through_gateway=False)).idle_workers(100, quiet=False)
        lines.append(f"| {seconds} | {_judged(usual, 0.20)} | {_judged(lean, 0.20)} |")
    return "\n".join(lines)


def _both(dollars: Iterable[float]) -> str:
    """By both doors."""
    return " / ".join(f"${one:,.2f}" for one in dollars)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _judged(dollars: float, target: float | None) -> str:
    verdict = "" if target is None else (" met" if dollars <= target else " **missed**")
    return f"${dollars:,.2f}{verdict}"


if __name__ == "__main__":
    print(page(), protocols_table(), intervals_table(), sep="\n\n")
