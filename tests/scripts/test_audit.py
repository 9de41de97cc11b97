"""`./millrace audit`: what could not be looked up is never called clean."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy import audit

NOWHERE = "http://127.0.0.1:9/v1/query"
LOCK = "annotated-types==0.8.0 --hash=sha256:13b2beaad985e05e2d6407ee4c4f35590b11f8d693a258a561055cac8f64cab7\n"
WEAK = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": [], "description": "d"}


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


def test_a_weakness_is_told_with_the_version_that_has_it_no_more() -> None:
    found = audit.read(
        report({"name": "a", "version": "1.0", "vulns": [WEAK]}, {"name": "b", "version": "2", "vulns": []})
    )
    assert found == audit.Found(("a 1.0: PYSEC-2026-1, fixed in 1.1",), ())
    assert audit._told("lock", found) == audit.KNOWN


def test_a_package_that_no_list_knows_is_not_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """So pip-audit reported, with status 0, where PyPI's mirror keeps no list."""
    skipped = {"name": "pydantic", "skip_reason": "Dependency not found on PyPI and could not be audited"}
    found = audit.read(report(skipped, {"name": "b", "version": "2", "vulns": []}))
    assert audit._told("lock", found) == audit.NOT_LOOKED_UP
    said = capsys.readouterr()
    assert "NOT LOOKED UP" in said.err and "pydantic" in said.err and "nothing known" not in said.out


def test_what_is_known_counts_more_than_what_was_not_looked_up() -> None:
    assert audit._told("lock", audit.Found(("a",), ("b",))) == audit.KNOWN


@pytest.mark.parametrize("text", ["", "no", "[]", "{}", '{"dependencies": 3}', '{"dependencies": [{"vulns": []}, 3]}'])
def test_what_is_no_report_is_not_clean(text: str) -> None:
    with pytest.raises(audit.NotLookedUp):
        audit.read(text)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In pip-audit's place, as if it were installed: a test says what it does."""
    path = tmp_path / "pip-audit"
    monkeypatch.setattr(audit, "installed", lambda _: path)
    return path


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_list_that_does_not_answer_in_time_is_not_clean(
    program: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "ASK_SECONDS", 0.2)
    script(program, "exec sleep 60")
    assert audit.main([]) == audit.NOT_LOOKED_UP
    assert "timed out" in capsys.readouterr().err


def test_a_program_that_is_not_there_is_not_clean(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not program.exists() and audit.main([]) == audit.NOT_LOOKED_UP
    assert "No such file" in capsys.readouterr().err


def test_an_environment_that_cannot_be_made_is_not_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".venv-audit").write_text("a file stands in its place")
    monkeypatch.setattr(audit, "ROOT", tmp_path)
    assert audit.main([]) == audit.NOT_LOOKED_UP
    assert "pip-audit could not be installed" in capsys.readouterr().err


def test_one_lock_is_looked_up_also_if_the_other_could_not_be(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weak = report({"name": "a", "version": "1.0", "vulns": [WEAK]})
    script(program, f"case $* in *worker*) echo '{weak}'; exit 1;; esac; echo no way there >&2; exit 2")
    assert audit.main([]) == audit.KNOWN
    said = capsys.readouterr()
    assert "worker/requirements.lock: a 1.0: PYSEC-2026-1" in said.out and "NOT LOOKED UP" in said.err


@contextmanager
def osv(*weaknesses: dict[str, Any]) -> Iterator[str]:
    """A list that knows these of every package."""

    class Listing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"vulns": list(weaknesses)} if weaknesses else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Listing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.full
def test_pip_audit_itself_finds_a_planted_weakness(tmp_path: Path) -> None:
    try:
        program = audit.installed(tmp_path / "audit")
    except audit.NotLookedUp:
        pytest.skip("missing system program: PyPI, or its mirror,")
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    with osv() as url:
        assert audit.read(audit._asked(program, lock, "osv", url)) == audit.Found((), ())
    fixed = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "0.9.0"}]}
    planted = {
        "id": "OSV-1",
        "summary": "planted",
        "affected": [{"package": {"name": "annotated-types", "ecosystem": "PyPI"}, "ranges": [fixed]}],
    }
    with osv(planted) as url:
        found = audit.read(audit._asked(program, lock, "osv", url))
    assert found.known == ("annotated-types 0.8.0: OSV-1, fixed in 0.9.0",)
    with pytest.raises(audit.NotLookedUp):
        audit._asked(program, lock, "osv", NOWHERE)
