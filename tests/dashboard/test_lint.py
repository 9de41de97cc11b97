"""The page's modules pass a linter that knows what they import from each other: nothing compiles them before."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from chalicelib.dashboard.files import FOLDER

OXLINT = Path(sys.executable).parent / "oxlint"
RULES = Path(__file__).parent / "oxlint.json"


def lint(folder: Path) -> tuple[int, str]:
    """Exit code, and a line for each problem."""
    command = [str(OXLINT), "--config", str(RULES), "--ignore-pattern=uPlot*", "--format=unix", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_modules_have_no_problem_that_a_linter_sees() -> None:
    code, said = lint(FOLDER)
    assert code == 0, said


def test_the_linter_sees_a_name_that_is_not_there_and_an_import_that_is_not_exported(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "static")
    broken = tmp_path / "static" / "page_jobs.js"
    broken.write_text('import { nothing } from "./dom.js";\nnothing(undefined_name);\n')
    code, said = lint(tmp_path / "static")
    assert code != 0 and "undefined_name" in said and "nothing" in said and "openJobs" in said
