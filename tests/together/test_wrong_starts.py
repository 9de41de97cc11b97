"""What a worker says that cannot start as it was told: what is wrong, and what would be right."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.together.ensemble import Ensemble, Worker
from tests.worker.processes import until

SECONDS = 60.0
FAILED, USAGE = 1, 2


def said(ensemble: Ensemble, folder: Path, *words: str, url: str | None = None, **variables: str) -> tuple[int, str]:
    """The exit code and the words of a worker that ends by itself."""
    command = [sys.executable, "-m", "millrace.cli", "worker", "--farm", url or ensemble.server.url, "--name", "node"]
    state = [] if "--state" in words else ["--state", str(folder / "state")]
    environment = {**ensemble.environment, **variables}
    ended = subprocess.run(
        [*command, *state, *words], env=environment, cwd=folder, capture_output=True, text=True, timeout=SECONDS
    )
    return ended.returncode, ended.stderr


def test_a_url_with_something_behind_it_is_told_from_the_farm_s(quiet: Ensemble, tmp_path: Path) -> None:
    code, text = said(quiet, tmp_path, url=f"{quiet.server.url}/farm")
    assert code == FAILED and "It is what stands before /api/v1, most often without a path" in text
    code, text = said(quiet, tmp_path, url=f"{quiet.server.url}/#/jobs")
    assert code == USAGE and "is not a farm's URL, such as http://127.0.0.1:8000" in text


def test_a_wrong_token_is_told_from_none_and_from_a_join_token(found: Callable[..., Ensemble], tmp_path: Path) -> None:
    closed = found("--auth", "token")
    admin = closed.server.admin_token
    for token, words in (
        ("mr_wrong", "the token shown is none of this farm's"),
        ("mrj_wrong", "is a join token: give it with --join"),
    ):
        code, text = said(closed, tmp_path, MILLRACE_TOKEN=token)
        assert code == FAILED and words in text, text
    code, text = said(closed, tmp_path)
    assert code == FAILED and "join with a join token, or set MILLRACE_TOKEN" in text
    code, text = said(closed, tmp_path, "--join", admin)
    assert code == FAILED and "a join token begins with mrj_" in text
    code, text = said(closed, tmp_path, MILLRACE_TOKEN=f"{admin[:9]}\n{admin[9:]}")
    assert code == USAGE and "has a space or another character in it that no token has" in text
    assert admin[9:] not in text
    worker = Worker("tidy", closed.server.url, tmp_path, {**closed.environment, "MILLRACE_TOKEN": f"{admin}\n"}, ())
    worker.start()
    until(lambda: "Signed on." in worker.output, "a line end behind a token does no harm", SECONDS)
    worker.clear_up()


def test_an_identity_that_cannot_be_read_makes_no_worker_after_the_other(quiet: Ensemble, tmp_path: Path) -> None:
    before = {worker.id for worker in quiet.farm.workers()}
    (tmp_path / "state" / "identity.json").mkdir(parents=True)
    code, text = said(quiet, tmp_path)
    assert code == USAGE and "identity.json cannot be read" in text
    assert {worker.id for worker in quiet.farm.workers()} == before


def test_a_spoilt_identity_is_told_before_another_takes_its_place(found: Callable[..., Ensemble]) -> None:
    ensemble = found()
    worker = ensemble.worker("node")
    until(lambda: "Signed on." in worker.output, "it is there", SECONDS)
    assert worker.terminate() == 0
    (worker.state / "identity.json").write_text('{"farm":')
    worker.start()
    until(lambda: worker.output.count("Signed on.") == 2, "it is there again", SECONDS)
    assert "Who this worker was cannot be read, so it becomes a new one" in worker.output


def test_a_state_folder_that_cannot_be_used_is_named(quiet: Ensemble, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, text = said(quiet, tmp_path, "--state", str(tmp_path / "file" / "state"))
    assert code == FAILED and f"cannot use its state folder {tmp_path}/file/state" in text and "another --state" in text


@contextmanager
def answering(status: int, **headers: str) -> Iterator[str]:
    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def saying(words: bytes) -> Iterator[str]:
    """The address of a machine that says this to everybody."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    one, _ = listening.accept()
                    with one:
                        one.recv(100)
                        one.sendall(words)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def waits_saying(quiet: Ensemble, folder: Path, url: str, words: str, **variables: str) -> None:
    worker = Worker("waiting", url, folder, {**quiet.environment, **variables}, ())
    worker.start()
    try:
        until(lambda: words in worker.output or not worker.runs, words, SECONDS)
        assert worker.runs, worker.output
        assert worker.terminate() == 0, "it waits, but not for a stop"
    finally:
        worker.clear_up()


def test_a_redirect_is_not_followed_but_told(quiet: Ensemble, tmp_path: Path) -> None:
    with answering(308, Location="https://farm.example/worker?secret=1") as url:
        words = (
            "HTTP 308 to https://farm.example/worker, which is not followed: is the farm's URL the beginning of that?"
        )
        waits_saying(quiet, tmp_path, url, words)


def test_http_and_https_are_told_apart(quiet: Ensemble, tmp_path: Path) -> None:
    with saying(b"\x15\x03\x01\x00\x02\x02\x46\r\n") as address:  # TLS for: that was none
        words = "does not speak HTTP; does the farm's URL begin with https://?"
        waits_saying(quiet, tmp_path, f"http://{address}", words)
    with saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as address:
        words = "does not speak TLS; does the farm's URL begin with http://?"
        waits_saying(quiet, tmp_path, f"https://{address}", words)


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        ("http://artist:secret@127.0.0.1:9", "connection refused"),
        ("http://proxy.invalid:3128", "no machine of that name"),
    ],
)
def test_a_proxy_in_the_way_is_named(quiet: Ensemble, tmp_path: Path, proxy: str, why: str) -> None:
    words = f"the proxy {proxy.rpartition('/')[2].rpartition('@')[2]} did not let us through: "
    waits_saying(quiet, tmp_path, "http://farm.example:8000", words, HTTP_PROXY=proxy, NO_PROXY="")
    assert why in (tmp_path / "waiting.log").read_text() and "secret" not in (tmp_path / "waiting.log").read_text()
