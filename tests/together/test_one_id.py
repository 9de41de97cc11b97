"""One search shows an attempt from the request to the event, in the logs of server and worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from millrace import Farm
from tests.together.ensemble import Ensemble
from tests.worker.processes import until


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_an_attempt_has_one_id_in_all_logs(tmp_path: Path) -> None:
    ensemble = Ensemble(tmp_path, {"MILLRACE_LOG": "json"}).start()
    try:
        ensemble.worker("one")
        farm: Farm = ensemble.farm
        job = farm.wait(farm.submit("function", {"runtime": "bash", "code": farm.upload(code(tmp_path))}), 90)
        [output] = farm.download(job, tmp_path / "out")
        task, attempt = output.read_text().split()
        lease = f"{task}-{attempt}"

        def server() -> list[dict[str, Any]]:
            return lines(ensemble.server.output)

        until(lambda: any(task in line.get("tasks", []) for line in server()), "the event", 20)
        claimed = the_one(server(), action="claimed", lease=lease)
        assert claimed["job"] == job.id
        assert the_one(server(), action="request", request=claimed["request"])["path"].endswith("/contract")
        assert claimed["claim"] == claimed["request"]
        ended = the_one(server(), action="ended", lease=lease)
        assert (ended["outcome"], ended["worker"]) == ("completed", claimed["worker"])
        # It says so after its report has gone out.
        until(lambda: any(one["action"] == "end" for one in lines(ensemble.workers["one"].output)), "its end", 20)
        said = lines(ensemble.workers["one"].output)
        assert the_one(said, action="start", lease=lease)["job"] == the_one(said, action="end", lease=lease)["job"]
    finally:
        print(ensemble.end())


def code(folder: Path) -> Path:
    (folder / "code.sh").write_text('echo "$MILLRACE_TASK $MILLRACE_ATTEMPT"\n')
    return folder / "code.sh"


def the_one(found: list[dict[str, Any]], **fields: str) -> Mapping[str, Any]:
    [line] = [line for line in found if all(line.get(name) == value for name, value in fields.items())]
    return line
