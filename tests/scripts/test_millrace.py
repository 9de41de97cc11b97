"""The checkout's `./millrace`: which Python, when packages are installed, where arguments go."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "millrace"

# Stands in for the virtual environment's Python: tells how it was called, and plays pip as the test wants it.
PYTHON = """#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
  *"pip install"*) echo "{pip_says}"; {pip_does};;
esac
exit {code}
"""


Ended = subprocess.CompletedProcess[str]


class Checkout:
    """A folder that looks like a checkout, with a virtual environment whose Python only takes notes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls_log = folder / "calls.log"
        (folder / "worker").mkdir(parents=True)
        shutil.copy(SCRIPT, folder / "millrace")
        for name in ("requirements-local.lock", "requirements-dev.lock", "worker/pyproject.toml"):
            (folder / name).write_text("# one\n")
        (folder / ".venv" / "bin").mkdir(parents=True)
        (folder / ".venv" / "bin" / "pip").touch()
        (folder / ".venv" / "pyvenv.cfg").write_text("version = 3.11.7\n")
        self.set_python()

    def set_python(self, *, pip_says: str = "", pip_does: str = ":", code: int = 0) -> None:
        python = self.folder / ".venv" / "bin" / "python"
        python.write_text(PYTHON.format(log=self.calls_log, pip_says=pip_says, pip_does=pip_does, code=code))
        python.chmod(0o755)

    def run(self, *arguments: str, cwd: Path | None = None, script: Path | None = None) -> Ended:
        command = [sys.executable, str(script or self.folder / "millrace"), *arguments]
        environment = os.environ | {"PIP_NO_INDEX": "1"}
        where = cwd or self.folder
        return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, timeout=30)

    @property
    def calls(self) -> list[str]:
        return self.calls_log.read_text().splitlines() if self.calls_log.exists() else []

    @property
    def installs(self) -> list[str]:
        return [call for call in self.calls if "--require-hashes" in call]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "a checkout")


def test_the_first_start_installs_and_hands_over(checkout: Checkout) -> None:
    assert checkout.run("jobs", "--json").returncode == 0
    assert len(checkout.installs) == 1
    assert checkout.installs[0].endswith("--require-hashes --requirement requirements-local.lock")
    assert checkout.calls[1].endswith("--no-deps --no-build-isolation --editable worker")
    assert checkout.calls[-1] == "-m millrace.cli jobs --json"


def test_chaos_gets_the_tools_and_goes_to_its_rounds(checkout: Checkout) -> None:
    assert checkout.run("chaos", "--rounds", "3").returncode == 0
    assert "requirements-dev.lock" in checkout.installs[-1]
    assert checkout.calls[-1] == "-m tests.chaos --rounds 3"


def test_bench_gets_the_tools_and_measures(checkout: Checkout) -> None:
    assert checkout.run("bench", "flat", "--quick").returncode == 0
    assert "requirements-dev.lock" in checkout.installs[-1]
    assert checkout.calls[-1] == "-m tests.bench flat --quick"


def test_load_gets_the_tools_and_plays(checkout: Checkout) -> None:
    assert checkout.run("load", "--minutes", "1").returncode == 0
    assert checkout.calls[-1] == "-m tests.load --minutes 1"


def test_later_starts_install_nothing(checkout: Checkout) -> None:
    checkout.run("jobs")
    checkout.run("jobs")
    assert len(checkout.installs) == 1


@pytest.mark.parametrize("name", ["requirements-local.lock", "worker/pyproject.toml"])
def test_a_changed_requirement_is_installed(checkout: Checkout, name: str) -> None:
    checkout.run("jobs")
    (checkout.folder / name).write_text("# two\n")
    checkout.run("jobs")
    assert len(checkout.installs) == 2


def test_another_python_is_set_up_again(checkout: Checkout) -> None:
    checkout.run("jobs")
    (checkout.folder / ".venv" / "pyvenv.cfg").write_text("version = 3.12.1\n")
    checkout.run("jobs")
    assert len(checkout.installs) == 2


def test_a_moved_checkout_is_set_up_again(checkout: Checkout) -> None:
    checkout.run("jobs")
    moved = checkout.folder.rename(checkout.folder.with_name("moved"))
    subprocess.run([sys.executable, str(moved / "millrace"), "jobs"], capture_output=True, timeout=30)
    checkout.calls_log = moved / "calls.log"
    stamp = (moved / ".venv" / "millrace-farm.stamp").read_text()
    moved.rename(checkout.folder)
    assert checkout.run("jobs").stderr.startswith("millrace: installing")
    assert (checkout.folder / ".venv" / "millrace-farm.stamp").read_text() != stamp


def test_a_package_that_is_not_the_lock_s_is_named_as_such(checkout: Checkout) -> None:
    checkout.set_python(
        pip_says="ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", pip_does="exit 1"
    )
    said = checkout.run("jobs")
    assert said.returncode == 1 and "not, byte for byte, the one that the lock names" in said.stderr
    assert "--editable worker" not in " ".join(checkout.calls), "nothing more is installed then"


def test_an_interrupted_install_is_repeated(checkout: Checkout) -> None:
    checkout.set_python(pip_does="exit 1")
    assert checkout.run("jobs").returncode == 1
    checkout.set_python()
    assert checkout.run("jobs").returncode == 0
    assert len(checkout.installs) == 2


@pytest.mark.full
def test_a_half_made_environment_is_made_anew(checkout: Checkout) -> None:
    (checkout.folder / ".venv" / "bin" / "pip").unlink()
    (checkout.folder / ".venv" / "left-over").touch()
    (checkout.folder / "requirements.txt").write_text("./nowhere\n")
    checkout.run("jobs")  # the new environment is a real one; its pip stops at what is not there
    assert (checkout.folder / ".venv" / "bin" / "pip").exists()
    assert not (checkout.folder / ".venv" / "left-over").exists()


def test_a_failed_install_says_why_and_runs_nothing(checkout: Checkout) -> None:
    checkout.set_python(pip_says="NewConnectionError: Network is unreachable", pip_does="exit 1")
    done = checkout.run("jobs")
    assert done.returncode == 1
    assert "PyPI could not be reached" in done.stderr
    assert "Network is unreachable" in done.stderr
    assert str(checkout.folder / ".venv.log") in done.stderr
    assert "Traceback" not in done.stderr
    assert checkout.calls == checkout.installs


def test_two_starts_at_once_install_once(checkout: Checkout) -> None:
    checkout.set_python(pip_does="sleep 0.5")
    command = [sys.executable, str(checkout.folder / "millrace"), "jobs"]
    starts = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    for start in starts:
        start.communicate(timeout=30)
    assert [start.returncode for start in starts] == [0, 0, 0]
    assert len(checkout.installs) == 1


def test_an_incomplete_checkout_is_named(checkout: Checkout) -> None:
    (checkout.folder / "worker" / "pyproject.toml").unlink()
    done = checkout.run("jobs")
    assert done.returncode == 1
    assert "worker/pyproject.toml" in done.stderr


def test_it_works_from_elsewhere_and_through_a_link(checkout: Checkout, tmp_path: Path) -> None:
    link = tmp_path / "bin-millrace"
    link.symlink_to(checkout.folder / "millrace")
    assert checkout.run("demo", cwd=Path("/"), script=link).returncode == 0
    assert checkout.calls[-1] == "-m millrace.cli demo"


def test_the_command_line_learns_where_the_checkout_is(checkout: Checkout) -> None:
    python = checkout.folder / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\necho "$MILLRACE_HOME" > "{checkout.folder}/home"\n')
    checkout.run("serve")
    assert (checkout.folder / "home").read_text().strip() == str(checkout.folder)


def test_the_exit_code_is_that_of_the_command(checkout: Checkout) -> None:
    checkout.run("jobs")
    checkout.set_python(code=3)
    assert checkout.run("jobs").returncode == 3


def test_test_installs_its_tools_and_runs_all_checks_in_order(checkout: Checkout) -> None:
    assert checkout.run("test", "--full", "-k", "leases").returncode == 0
    assert ["requirements-dev.lock" in call for call in checkout.installs] == [False, True]
    assert [call.split()[1] for call in checkout.calls if "pip" not in call] == ["ruff", "ruff", "mypy", "pytest"]
    assert checkout.calls[-1] == "-m pytest -n 2 --dist worksteal --full -k leases"


def test_test_fails_when_a_check_failed_but_runs_the_others(checkout: Checkout) -> None:
    checkout.run("test")
    checkout.set_python(code=1)
    done = checkout.run("test")
    assert done.returncode == 1
    assert "failed: ruff check, ruff format, mypy, pytest" in done.stderr


def test_an_old_python_can_read_as_far_as_the_search() -> None:
    """RHEL 8 and its kin have 3.6. That knows no `list[str]`, nor the import that makes text of annotations."""
    tree = ast.parse(SCRIPT.read_text(), feature_version=(3, 6))
    nodes = list(ast.walk(tree))
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    said = [one.returns for one in functions] + [each.annotation for one in functions for each in one.args.args]
    said += [node.annotation for node in nodes if isinstance(node, ast.AnnAssign)]
    newer = [ast.unparse(each) for each in said if each and not isinstance(each, (ast.Name, ast.Constant))]
    assert said and newer == []


def test_an_old_python_looks_for_a_newer_one_and_else_says_so(checkout: Checkout, tmp_path: Path) -> None:
    """Run by this Python, which is told that it is 3.9: no older one is at hand."""
    pretend = "import sys, runpy; sys.version_info = (3, 9, 2); sys.argv = ['millrace', 'jobs']; "
    pretend += f"runpy.run_path({str(checkout.folder / 'millrace')!r}, run_name='__main__')"
    programs = tmp_path / "programs"
    programs.mkdir()

    def start() -> Ended:
        command, environment = [sys.executable, "-c", pretend], os.environ | {"PATH": str(programs)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)

    alone = start()
    assert alone.returncode == 1
    assert "needs Python 3.11 or newer; this is 3.9.2" in alone.stderr
    (programs / "python3.12").symlink_to(sys.executable)
    assert start().returncode == 0
    assert checkout.calls[-1] == "-m millrace.cli jobs"
