"""One native worker's life that meets every recorded exchange of the native protocol (`tests/contract/native/`).

Those recordings are samples: ids, times and counts in an answer are the farm's own. So each answer must have the
recorded status, keys and types, and what a test cannot do without, exactly.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import requests

from tests.contract.replay import Transport
from tests.worker.recordings import FOLDER, difference, recorded

RUNTIME = "python3.native-session"
"""Nobody else's, so that no other worker of the farm takes these jobs."""


class NativeSession:
    def __init__(self, transport: Transport, url: str) -> None:
        self._transport, self._url = transport, url
        self._worker, self._secret = "0", ""
        self.left = {path.stem for path in FOLDER.glob("*.json")}
        """What was not met yet."""

    def run(self) -> None:
        self._enlist()
        lease = self._claim()
        self._hold(lease)
        self._report(lease)
        self._lose()
        self._ask("status")
        self._ask("sign_off")

    def _enlist(self) -> None:
        known = self._ask("register", runtime=[RUNTIME])
        self._ask("sign_on_unknown")
        self._worker, self._secret = known["id"], known["secret"]
        self._ask("sign_on", runtime=[RUNTIME], held=[])

    def _claim(self) -> dict[str, Any]:
        assert self._ask("contract_idle", request_id="idle", timeout=0)["assignments"] == []
        job = self._submit()
        [given] = self._ask("contract_assignment", request_id=job, timeout=0)["assignments"]
        [again] = self._ask("contract_repeat", request_id=job)["assignments"]
        lease = {"task": given["task"], "generation": given["generation"]}
        assert given["job"] == job and {name: again[name] for name in lease} == lease
        return lease

    def _hold(self, lease: dict[str, Any]) -> None:
        [renewed] = self._ask("renew", leases=[{**lease, "progress": 42.5, "activity": "converting"}])["leases"]
        assert renewed["held"] is True
        [lost] = self._ask("renew_lost", leases=[{**lease, "generation": 9}])["leases"]
        assert lost["held"] is False
        assert self._ask("log", **lease)["next_offset"] == recorded("log")["response"]["body"]["next_offset"]

    def _report(self, lease: dict[str, Any]) -> None:
        content = b"native session " + self._worker.encode()
        blob = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        new = self._ask("blob_new", **blob)
        report = recorded("contract_report")["request"]["body"]["reports"][0]
        report = {**report, **lease, "outputs": [{"name": "output", "blob": new["id"]}]}
        [missing] = self._ask("contract_report_output_missing", reports=[report])["reports"]
        assert missing["accepted"] is False
        self._upload(new["upload"], content)
        assert self._ask("blob_known", **blob)["upload"] is None
        [good] = self._ask("contract_report", reports=[report])["reports"]
        assert good["accepted"] is True
        [late] = self._ask("contract_report_lost", reports=[{**report, "generation": 9}])["reports"]
        assert late["accepted"] is False

    def _lose(self) -> None:
        job = self._submit()
        [given] = self._ask("contract_assignment", request_id=job, timeout=0)["assignments"]
        held = {"task": given["task"], "generation": given["generation"]}
        self._send("POST", f"/api/v1/jobs/{job}/cancel")
        [cancel] = self._ask("contract_cancel", held=[held])["cancel"]
        assert {name: cancel[name] for name in held} == held
        self._ask("contract_report", reports=[{**held, "outcome": "canceled"}])

    def _ask(self, name: str, **changes: Any) -> dict[str, Any]:
        """The recorded request, by this worker and with these fields changed; its answer has the recorded shape."""
        recording = recorded(name)
        request, response = recording["request"], recording["response"]
        path = request["path"].replace("1311768467", self._worker)
        status, body = self._send(request["method"], path, {**request["body"], **changes}, own=True)
        assert status == response["status"], (name, status, body)
        departs = difference(response["body"], body)
        assert departs is None, (name, departs)
        self.left.discard(name)
        found: dict[str, Any] = body
        return found

    def _submit(self) -> str:
        blobs = {}
        for part in ("code", "input"):
            _, stored = self._send("POST", "/data", files={"file": ("data", part.encode())})
            blobs[part] = stored["id"]
        job = {"type": "function", "name": "native", "settings": {**blobs, "runtime": RUNTIME}}
        status, made = self._send("POST", "/api/v1/jobs", job)
        assert status == 201, made
        return str(made["id"])

    def _upload(self, upload: dict[str, Any], content: bytes) -> None:
        url = upload["url"] if "://" in upload["url"] else self._url + upload["url"]
        put = requests.request(upload["method"], url, headers=upload["headers"], data=content, timeout=20)
        assert put.status_code == 200, put.text  # never through API Gateway

    def _send(self, method: str, path: str, body: Any = None, *, own: bool = False, files: Any = None) -> Any:
        headers = {}
        if own and self._secret:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{self._worker}:{self._secret}".encode()).decode()
        made = requests.Request(method, self._url + path, headers=headers, json=body, files=files).prepare()
        answer = self._transport.send(made)
        return answer.status, json.loads(answer.body)
