"""Which files of this machine a job reads and writes, and where they lie in a task's work folder.

What is read goes to `input/N/...`, one N for each folder that is not within another; what is written comes from
`output/NAME/...`. The rules say so to the standard's path mapping, which changes the values of PATH parameters and is
told to scripts; the values themselves stay as they were given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from millrace.openjd.errors import Refused
from millrace.openjd.template import ReadyJob

INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class Rule:
    source: str
    folder: str
    """Relative to the work folder, with `/`."""


@dataclass
class Files:
    """What is known so far. Folders stand for all that is in them."""

    reads: list[Path] = field(default_factory=list)
    writes: list[Path] = field(default_factory=list)
    """Folders, or files that a task makes."""

    def also(self, other: Files) -> Files:
        return Files([*self.reads, *other.reads], [*self.writes, *other.writes])


@dataclass(frozen=True)
class Layout:
    inputs: Mapping[str, Path]
    """Path in the work folder's `input` -> file here."""
    rules: Sequence[Rule]
    has_outputs: bool


def files_of(job: ReadyJob) -> Files:
    """What the PATH parameters say. Raises Refused for a file that should be there and is not."""
    from openjd.model.v2023_09 import JobPathParameterDefinition

    files = Files()
    for definition in job.template.checked.parameterDefinitions or ():
        if not isinstance(definition, JobPathParameterDefinition):
            continue
        flow = definition.dataFlow.value if definition.dataFlow else "NONE"
        text = str(job.values[definition.name].value)
        if not text or flow == "NONE":
            continue
        path = Path(text)
        if flow in ("IN", "INOUT"):
            if not path.exists():
                raise Refused(f"parameter {definition.name}: there is no {path}; with --shared nothing is uploaded")
            files.reads.append(path)
        if flow in ("OUT", "INOUT"):
            files.writes.append(path)
    return files


def layout_of(files: Files) -> Layout:
    roots = _outermost(path if path.is_dir() else path.parent for path in map(_absolute, files.reads))
    inputs: dict[str, Path] = {}
    for path in map(_absolute, files.reads):
        number, root = next((n, root) for n, root in enumerate(roots) if path.is_relative_to(root))
        for file in _files_below(path):
            inputs[f"{number}/{file.relative_to(root).as_posix()}"] = file
    rules = [Rule(str(root), f"{INPUT}/{number}") for number, root in enumerate(roots)]
    names: set[str] = set()
    for path in dict.fromkeys(map(_absolute, files.writes)):
        rules.append(Rule(str(path), f"{OUTPUT}/{_unused(path.name or 'output', names)}"))
    return Layout(inputs, rules, bool(files.writes))


def _absolute(path: Path) -> Path:
    return Path(path).absolute()


def _outermost(folders: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for folder in sorted(set(folders), key=lambda one: (len(one.parts), one)):  # the same job, the same numbers
        if not any(folder.is_relative_to(outer) for outer in found):
            found.append(folder)
    return found


def _files_below(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]


def _unused(name: str, used: set[str]) -> str:
    chosen, number = name, 1
    while chosen in used:
        number += 1
        chosen = f"{name}-{number}"
    used.add(chosen)
    return chosen
