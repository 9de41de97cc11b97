"""The client against the recorded exchanges: it sends exactly what was recorded and understands every answer."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from millrace.agent.client import Credentials, FarmClient
from millrace.agent.errors import NotRecognised, Refused, Unreachable
from millrace.agent.membership import Description
from millrace.agent.protocol import Assignment, LeaseId, Output, Report, Told
from tests.worker.recordings import FOLDER, recorded

NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
SECRET = recorded("register")["response"]["body"]["secret"]


class Replay:
    """A server that gives one answer and keeps what it was asked."""

    def __init__(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.asked: dict[str, Any] = {}
        replay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                replay.asked = {"method": self.command, "path": self.path, "body": body}
                replay.asked["authorization"] = self.headers.get("Authorization")
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.client = FarmClient(f"http://127.0.0.1:{self._server.server_address[1]}", token="a-token")
        self.client.use(Credentials("1311768467", SECRET))

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def replay() -> Iterator[Callable[..., Replay]]:
    started: list[Replay] = []

    def start(status: int, content: bytes, **headers: str) -> Replay:
        started.append(Replay(status, content, {name.replace("_", "-"): value for name, value in headers.items()}))
        return started[-1]

    yield start
    for one in started:
        one.close()


def ask(client: FarmClient, request: dict[str, Any]) -> dict[str, Any]:
    if request["path"] == "/worker":
        return client.register(request["body"])
    if request["path"] == "/data":
        return client.announce_blob(request["body"]["size"], request["body"]["sha256"])
    return client.worker_call(request["path"].rpartition("/")[2], request["body"])


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_request_is_sent_and_the_recorded_answer_understood(
    replay: Callable[..., Replay], name: str
) -> None:
    exchange = recorded(name)
    request, response = exchange["request"], exchange["response"]
    server = replay(response["status"], json.dumps(response["body"]).encode())
    if response["status"] == 200:
        assert ask(server.client, request) == response["body"]
    else:
        with pytest.raises(NotRecognised, match=response["body"]["message"]):
            ask(server.client, request)
    assert {key: server.asked[key] for key in ("method", "path", "body")} == {
        key: request[key] for key in ("method", "path", "body")
    }
    basic = "Basic " + base64.b64encode(f"1311768467:{SECRET}".encode()).decode()
    expected = {"basic": basic, "bearer": "Bearer a-token", None: "Bearer a-token"}
    assert server.asked["authorization"] == expected[request["auth"]]


def test_an_assignment_is_read_whole() -> None:
    [wire] = recorded("contract_assignment")["response"]["body"]["assignments"]
    task = Assignment.from_wire(wire)
    assert (task.lease, task.job, task.task_type, task.lease_seconds) == (
        LeaseId("1311768500", 3),
        "1311768400",
        "transcode",
        120.0,
    )
    assert [(one.name, one.settings) for one in task.commands] == [("sleep", {"time_in_seconds": 1})]
    assert [(one.name, one.blob, one.size) for one in task.inputs] == [("source.mp4", "1311768410", 4)]
    assert (task.outputs, task.max_seconds) == (("segment.mp4",), None)


def test_a_report_is_written_as_recorded() -> None:
    [wire] = recorded("contract_report")["request"]["body"]["reports"]
    outputs = (Output("segment.mp4", "1311768411", 4, "ab" * 32),)
    assert Report(LeaseId("1311768500", 3), "completed", 0, None, outputs, {"frames": 120}).to_wire() == wire


def test_a_worker_describes_itself_as_recorded() -> None:
    wire = recorded("register")["request"]["body"]
    described = Description("node7", ("sleep", "transcode"), ("python3", "bash"), ("gpu",), 2).to_wire()
    then = {"platform": "linux", "software": "millrace-worker/0.1.0"}
    assert {**described, "worker": {**described["worker"], **then}} == wire


def test_a_cancel_notice_is_heard() -> None:
    told = Told.from_wire(recorded("contract_cancel")["response"]["body"])
    assert (told.cancel, told.poll_seconds) == ((LeaseId("1311768500", 3),), 0.5)


@pytest.mark.parametrize("poll_seconds", [None, "soon", 0, -1, 1e9, float("nan")])
def test_no_interval_makes_the_worker_spin_or_sleep_for_ever(poll_seconds: Any) -> None:
    assert 0.05 <= Told.from_wire({"poll_seconds": poll_seconds}).poll_seconds <= 300


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_farm_is_asked_again_when_it_says(replay: Callable[..., Replay], status: int) -> None:
    server = replay(status, b'{"code":1,"status":"error","message":"busy"}', Retry_After="7")
    with pytest.raises(Unreachable) as unreachable:
        server.client.worker_call("renew", {"leases": []})
    assert unreachable.value.retry_after_seconds == 7


@pytest.mark.parametrize("status", [200, 401, 404])
def test_an_answer_that_is_not_the_farm_s_proves_nothing(replay: Callable[..., Replay], status: int) -> None:
    server = replay(status, b"<html>Please log in to the network</html>")
    with pytest.raises(Unreachable, match="is this the farm's URL"):
        server.client.worker_call("contract", {})


def test_a_refusal_tells_its_reason(replay: Callable[..., Replay]) -> None:
    server = replay(400, b'{"code":1,"status":"error","message":"slots: must be 0 or more"}')
    with pytest.raises(Refused, match="slots: must be 0 or more") as refused:
        server.client.worker_call("contract", {})
    assert refused.value.status == 400 and not isinstance(refused.value, NotRecognised)


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (400, "<Code>RequestTimeout</Code>", Unreachable),
        (400, "<Code>ExpiredToken</Code>", Unreachable),
        (403, "<Code>AccessDenied</Code><Message>Request has expired</Message>", Unreachable),
        (403, "<Code>AccessDenied</Code><Message>Access Denied</Message>", Refused),
        (400, "<Code>BadDigest</Code>", Refused),
    ],
)
def test_an_upload_that_s3_may_take_later_is_no_refusal(
    replay: Callable[..., Replay], status: int, said: str, error: type[Exception]
) -> None:
    """A rendered file is not lost because the line stood still, or because its request was too old."""
    server = replay(status, f"<Error>{said}</Error>".encode())
    with pytest.raises(error, match=f"HTTP {status}"):
        server.client.put_bytes("/upload", {}, io.BytesIO(b"film"), 4)


def test_an_error_code_under_http_200_is_an_error(replay: Callable[..., Replay]) -> None:
    server = replay(200, b'{"code":1,"status":"error","message":"no such thing"}')
    with pytest.raises(Refused, match="no such thing"):
        server.client.worker_call("status", {"status": "awake"})


def test_a_farm_that_does_not_listen_is_unreachable(free_port: Callable[[], int]) -> None:
    client = FarmClient(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable):
        client.register({})
