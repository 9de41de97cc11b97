"""One task of a template, in a process of its own: `python -m millrace.openjd.runner WORK STEP INDEX MARK`.

Enters the job's and the step's environments, runs the task, exits them in reverse. Prints what the session logs, and
lines that begin with MARK for the worker: `{"progress": 40.0, "activity": "..."}`, or `{"failed": "why"}`.
Asked to end (SIGTERM), it cancels the action with the notice that the template gives, and still exits the environments.
Exit code: that of the task's command, or 1.
"""

from __future__ import annotations

import json
import logging
import queue
import signal
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from openjd.model import (
    Job,
    ParameterValue,
    ParameterValueType,
    Step,
    create_job,
    decode_job_template,
    version,
)
from openjd.sessions import ActionState, ActionStatus, PathFormat, PathMappingRule, Session

from millrace.openjd.template import EXTENSIONS, tasks_of

Values = dict[str, ParameterValue]
_CANCEL = None
"""In the queue of what happens: somebody asked us to end."""


class TaskFailed(Exception):
    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code or 1


class Run:
    """One session. Its callbacks come on threads of the library; all that happens is read from one queue."""

    def __init__(self, work: Path, document: dict[str, Any], mark: str) -> None:
        self._mark = mark
        self._happened: queue.Queue[ActionStatus | None] = queue.Queue()
        self._canceled = False
        self.values: Values = {
            name: ParameterValue(type=ParameterValueType(one["type"]), value=one["value"])
            for name, one in document["values"].items()
        }
        self._session = Session(
            session_id=work.name,
            job_parameter_values=self.values,
            path_mapping_rules=[_rule(rule, work) for rule in document["rules"]] or None,
            callback=lambda _, status: self._happened.put(status),
            session_root_directory=work,
        )

    def cancel(self, *_: Any) -> None:
        """From a signal handler: only a word is left."""
        self._happened.put(_CANCEL)

    def task(self, job: Job, step: Step, index: int) -> None:
        """Raises TaskFailed."""
        entered: list[str] = []
        try:
            for environment in [*(job.jobEnvironments or ()), *(step.stepEnvironments or ())]:
                entered.append(self._session.enter_environment(environment=environment))
                self._wait(f"environment {environment.name!r} could not be entered")
            self._session.run_task(step_script=step.script, task_parameter_values=tasks_of(step)[index])
            self._wait("the task failed")
        finally:
            for identifier in reversed(entered):
                self._session.exit_environment(identifier=identifier)
                self._wait("an environment could not be exited", may_cancel=False)
            self._session.cleanup()

    def _wait(self, failed: str, *, may_cancel: bool = True) -> None:
        while True:
            status = self._happened.get()
            if status is _CANCEL:
                if may_cancel and not self._canceled:
                    self._canceled = True
                    self._session.cancel_action()
                continue
            if status.state is ActionState.RUNNING:
                self.tell(progress=status.progress, activity=status.status_message)
            elif status.state is ActionState.SUCCESS:
                return
            else:
                raise TaskFailed(_why(status, failed), status.exit_code or 1)

    def tell(self, **said: Any) -> None:
        print(self._mark + json.dumps(said), flush=True)


def _why(status: ActionStatus, failed: str) -> str:
    if status.fail_message:
        return status.fail_message
    if status.state is ActionState.TIMEOUT:
        return "it ran longer than the template allows"
    return f"{failed}: exit code {status.exit_code}" if status.exit_code is not None else failed


def _rule(rule: dict[str, str], work: Path) -> PathMappingRule:
    pure = PureWindowsPath if rule["format"] == "WINDOWS" else PurePosixPath
    return PathMappingRule(
        source_path_format=PathFormat(rule["format"]),
        source_path=pure(rule["source"]),
        destination_path=work / rule["folder"],
    )


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    ours, theirs = version.split(".")[:2], document["library"].split(".")[:2]
    if ours != theirs:
        raise TaskFailed(
            f"the job was made with openjd-model {document['library']}, this worker has {version}: install the same, "
            "for the order of a step's tasks is the library's"
        )
    return document


def main(work: Path, step_name: str, index: int, mark: str) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        document = _checked(json.loads((work / "openjd" / "job.json").read_text("utf-8")))
        template = decode_job_template(template=document["template"], supported_extensions=list(EXTENSIONS))
        run = Run(work, document, mark)
        signal.signal(signal.SIGTERM, run.cancel)
        job = create_job(job_template=template, job_parameter_values=run.values)
        step = next(step for step in job.steps if step.name == step_name)
        run.task(job, step, index)
    except TaskFailed as failure:
        print(mark + json.dumps({"failed": str(failure)}), flush=True)
        return failure.exit_code if 0 < failure.exit_code < 256 else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
