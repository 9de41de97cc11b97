"""A machine's metadata service as EC2 has it (IMDSv2): a session token by PUT, everything else only with one, 404 for
what there is nothing to tell of. Told what to say by the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeMetadata:
    """`said`: paths below /latest/meta-data/ and what they answer. `asked`: every request, in order."""

    def __init__(self, said: dict[str, str] | None = None) -> None:
        self.said = said or {}
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def spot_takes_it_in(self, seconds: float) -> None:
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        self.said["spot/instance-action"] = f'{{"action": "terminate", "time": "{at:%Y-%m-%dT%H:%M:%SZ}"}}'

    def spot_may_take_it(self) -> None:
        self.said["events/recommendations/rebalance"] = f'{{"noticeTime": "{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}}'

    @contextmanager
    def served(self) -> Iterator[FakeMetadata]:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        metadata = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                metadata.asked.append(f"PUT {self.path}")
                if self.path != "/latest/api/token" or not self.headers.get("X-aws-ec2-metadata-token-ttl-seconds"):
                    return self._answer(400, "")
                token = f"token-{len(metadata.asked)}"
                metadata.tokens.add(token)
                self._answer(200, token)

            def do_GET(self) -> None:
                metadata.asked.append(f"GET {self.path}")
                if self.headers.get("X-aws-ec2-metadata-token") not in metadata.tokens:
                    return self._answer(401, "")
                text = metadata.said.get(self.path.removeprefix("/latest/meta-data/"))
                self._answer(404 if text is None else 200, text or "")

            def _answer(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
