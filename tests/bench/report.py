"""The table, as text and as Markdown, and the pictures: everything `docs/performance.md` shows comes from here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench.figures import Figure, Findings, from_json
from tests.bench.picture import svg
from tests.bench.reasons import reason

BEGIN, END = "<!-- figures: written by ./millrace bench -->", "<!-- end of figures -->"
KEPT = "performance.json"
PAGE = "performance.md"
PICTURES = "pictures"


def row(figure: Figure) -> tuple[str, str, str, str, str]:
    """What, target, measured, ratio, note."""
    if figure.target is None:
        return figure.name, "", _number(figure.measured, figure.unit), "", figure.note
    bound = "at least" if figure.better == "more" else "at most"
    verdict = "met" if figure.is_met else "**missed**"
    ratio = verdict if figure.ratio is None else f"{figure.ratio:.2f} {verdict}"
    target = f"{bound} {_number(figure.target, figure.unit)}"
    return figure.name, target, _number(figure.measured, figure.unit), ratio, figure.note


def line(figure: Figure) -> str:
    """For the terminal."""
    name, target, measured, ratio, note = row(figure)
    return f"  {name:<72} {measured:>18}  {target:<24} {ratio.replace('*', ''):<14} {note}".rstrip()


def _number(value: float, unit: str) -> str:
    digits = 0 if value >= 1000 or value == int(value) else 3 - len(str(int(value)))
    return f"{value:,.{max(0, digits)}f} {unit}".strip()


def every_target(found: Sequence[Findings]) -> Iterator[str]:
    """All that has a target, for the terminal; of what is missed the reason, and what it would need."""
    for findings in found:
        for figure in findings.figures:
            if figure.is_met is not None:
                yield line(figure)
            if figure.is_met is False:
                why, needed = reason(figure.name)
                yield f"      why: {why}"
                yield f"      it would need: {needed}"


# ---- what is kept --------------------------------------------------------------------------------------------------


def keep(folder: Path, found: Sequence[Findings]) -> None:
    """Benches that ran replace their earlier figures; the others' stay, each with its own date and commit."""
    kept = folder / KEPT
    everything = json.loads(kept.read_text()) if kept.exists() else {}
    everything |= {findings.bench: findings.as_json() for findings in found}
    folder.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n")
    render(folder)


def render(folder: Path) -> None:
    """The page's figures and all pictures, from what is kept."""
    kept = json.loads((folder / KEPT).read_text())
    everything = [from_json(bench, one) for bench, one in sorted(kept.items())]
    (folder / PICTURES).mkdir(exist_ok=True)
    for findings in everything:
        for curve in findings.curves:
            (folder / PICTURES / _file_name(curve.name)).write_text(svg(curve))
    page = folder / PAGE
    text = page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{_markdown(everything)}\n{END}{after}")


def _markdown(everything: Sequence[Findings]) -> str:
    sections = (text for findings in everything for text in _section(findings))
    return "\n".join([*_targets(everything), *sections])


def _targets(everything: Sequence[Findings]) -> Iterator[str]:
    yield "### Every target\n"
    yield "| | target | measured | | why it is missed, and what it would need |\n|---|---|---|---|---|"
    for findings in everything:
        for figure in findings.figures:
            if figure.is_met is None:
                continue
            name, target, measured, verdict, _ = row(figure)
            why, needed = ("", "") if figure.is_met else reason(figure.name)
            explained = f"{why}. It would need: {needed}." if why else ""
            yield f"| {name} | {target} | {measured} | {verdict} | {explained} |"
    yield ""


def _section(findings: Findings) -> Iterator[str]:
    yield f"### {findings.bench.replace('_', ' ')}\n"
    yield _run_line(findings.run) + "\n"
    yield "| | target | measured | measured / target | |\n|---|---|---|---|---|"
    for figure in findings.figures:
        yield "| " + " | ".join(row(figure)) + " |"
    yield ""
    for curve in findings.curves:
        yield f"![{curve.name}]({PICTURES}/{_file_name(curve.name)})\n"


def _run_line(run: Mapping[str, str]) -> str:
    return ", ".join(f"{value}" if name == "date" else f"{name} {value}" for name, value in run.items()) + "."


def _file_name(curve: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in curve.lower()) + ".svg"
