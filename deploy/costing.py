"""`millrace cost`: what a farm of this size would cost on AWS, and the table in docs/cost.md."""

from __future__ import annotations

from collections.abc import Iterator

from .costs import IDLE_FARM_PER_MONTH, MILLION, Costs, Setup

Line = tuple[str, float, float | None]
"""What, dollars, and the target if there is one."""

REFERENCE = "Farm without workers, a month"


def farm_of(setup: Setup, *, workers: int, tasks: int, seconds: float) -> Iterator[Line]:
    """A month of a farm: its workers idle when they do not run the month's tasks."""
    costs = Costs(setup)
    days = 30.0
    busy = min(1.0, tasks * seconds / max(1, workers) / (days * 86_400))
    yield REFERENCE, IDLE_FARM_PER_MONTH, None
    yield (
        f"{workers:,} workers, idle {1 - busy:.0%} of the month",
        costs.idle_workers(workers) * days * (1 - busy),
        None,
    )
    yield f"{tasks:,} tasks of {seconds:g} s", costs.tasks(tasks, seconds), None


def reference(setup: Setup) -> Iterator[Line]:
    """The lines of docs/cost.md."""
    costs = Costs(setup)
    yield REFERENCE, IDLE_FARM_PER_MONTH, 1.00
    yield "100 idle workers, a day", costs.idle_workers(100), 0.20
    yield "1,000 idle workers, a day", costs.idle_workers(1_000), None
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


def _judged(dollars: float, target: float | None) -> str:
    verdict = "" if target is None else (" met" if dollars <= target else " **missed**")
    return f"${dollars:,.2f}{verdict}"


if __name__ == "__main__":
    print(page())
