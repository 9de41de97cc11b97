"""What a measurement is: a figure beside its target, a curve, and how both are kept as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Figure:
    """One measured number. Without a target it is for information."""

    name: str
    measured: float
    unit: str
    target: float | None = None
    better: Literal["more", "less"] = "less"
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        if self.target is None:
            return None
        return self.measured >= self.target if self.better == "more" else self.measured <= self.target

    @property
    def ratio(self) -> float | None:
        """Measured over target."""
        return self.measured / self.target if self.target else None


@dataclass(frozen=True)
class Curve:
    """Lines over one axis, for a picture: `lines` maps a name to y values, one for each x; None where not measured."""

    name: str
    x_label: str
    y_label: str
    x: tuple[float, ...]
    lines: dict[str, tuple[float | None, ...]]
    logarithmic: bool = True
    """The x axis; y always begins at 0."""


Finding = Figure | Curve


@dataclass
class Findings:
    """Everything that one bench found, with the run it belongs to."""

    bench: str
    run: dict[str, str]
    figures: list[Figure] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    def take(self, found: Iterable[Finding]) -> Iterator[Finding]:
        """Keeps what comes, and passes it on to be shown at once."""
        for finding in found:
            if isinstance(finding, Figure):
                self.figures.append(finding)
            else:
                self.curves.append(finding)
            yield finding

    def as_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "figures": [vars(figure) for figure in self.figures],
            "curves": [{**vars(curve), "x": list(curve.x)} for curve in self.curves],
        }


def from_json(bench: str, kept: dict[str, Any]) -> Findings:
    curves = [
        Curve(**{**curve, "x": tuple(curve["x"]), "lines": {n: tuple(y) for n, y in curve["lines"].items()}})
        for curve in kept["curves"]
    ]
    return Findings(bench, kept["run"], [Figure(**figure) for figure in kept["figures"]], curves)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of them lie. Of nothing: 0."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
