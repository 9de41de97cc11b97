"""What must hold when all is done. Each check gives sentences about what does not; none is a good run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from chalicelib.dialects.transcode import translate as transcode
from chalicelib.edge import hexids
from tests.simulated.calling import Caller
from tests.simulated.clients import Submitted, TranscodeClient
from tests.simulated.flamenco2 import Flamenco2Worker
from tests.simulated.truth import ENDED, Truth, everything
from tests.simulated.worker import Given, SimulatedWorker
from tests.soak.drive import Execution
from tests.soak.submit import Share

SPENT = ("failed", "lost", "interrupted")
"""Outcomes of attempts that can be what a task failed of."""
FLAMENCO2_STATUSES = {"awake": "awake", "asleep": "asleep", "lost": "timeout", "offline": "offline", "error": "error"}


def complaints(
    caller: Caller, workers: Sequence[SimulatedWorker], executions: Sequence[Execution], shares: Sequence[Share]
) -> list[str]:
    truth = Truth.of(caller)
    return [
        *nothing_is_lost(truth, shares),
        *tasks_make_sense(truth),
        *nothing_ran_twice(truth, executions),
        *words_were_kept(truth, executions),
        *clients_see_the_same(truth, shares),
        *lists_agree(caller, truth, shares),
        *workers_see_the_same(truth, workers),
    ]


def job_of(truth: Truth, submitted: Submitted) -> str | None:
    return submitted.job or truth.job_called(submitted.name or "")


def removed_by(share: Share) -> list[Submitted]:
    """What this client's protocol knows no more. The farm forgets it too, unless a worker still had a task of it."""
    return share.canceled if isinstance(share.client, TranscodeClient) else []


def nothing_is_lost(truth: Truth, shares: Sequence[Share]) -> Iterator[str]:
    """Every acknowledged job is there and has ended; nothing is there that nobody submitted."""
    submitted = 0
    for share in shares:
        removed = removed_by(share)
        submitted += len(share.submitted)
        for one in share.submitted:
            job = truth.jobs.get(job_of(truth, one) or "")
            if job is None:
                if one in removed:
                    submitted -= 1
                else:
                    yield f"job {one.reference} of {share.client.kind} is gone"
            elif job["status"] not in ENDED:
                yield f"job {job['id']} of {share.client.kind} is still {job['status']}"
            elif job["status"] == "canceled" and one not in share.canceled:
                yield f"job {job['id']} of {share.client.kind} was canceled by nobody"
    most = submitted + sum(share.num_unanswered for share in shares)
    if not submitted <= len(truth.jobs) <= most:
        yield f"{len(truth.jobs)} jobs, of {submitted} to {most} submitted"


def tasks_make_sense(truth: Truth) -> Iterator[str]:
    """Jobs follow from their tasks, tasks from their attempts, and attempts follow one another."""
    for job in truth.jobs.values():
        statuses = {task["status"] for task in truth.tasks_of[job["id"]]}
        if job["status"] == "completed" and statuses != {"completed"}:
            yield f"job {job['id']} is {job['status']}, its tasks are {sorted(statuses)}"
        if (job["status"] == "failed") != ("failed" in statuses) and job["status"] != "canceled":
            yield f"job {job['id']} has failed, its tasks are {sorted(statuses)}"
        counts = {status: n for status, n in job["counts"].items() if n}
        found = [task["status"] for task in truth.tasks_of[job["id"]]]
        if counts != {status: found.count(status) for status in set(found)}:
            yield f"job {job['id']} counts {counts}, its tasks are {found}"
    for task in truth.tasks.values():
        yield from _attempts_make_sense(task)


def _attempts_make_sense(task: dict[str, Any]) -> Iterator[str]:
    outcomes = [attempt["outcome"] for attempt in task["attempts"]]
    if task["status"] not in ENDED:
        yield f"task {task['id']} ({task['name']}) is still {task['status']} after {outcomes}"
    if outcomes.count("completed") != (task["status"] == "completed") or "completed" in outcomes[:-1]:
        yield f"task {task['id']} is {task['status']} after {outcomes}"
    if task["status"] == "failed" and not (outcomes and outcomes[-1] in SPENT):
        yield f"task {task['id']} failed after {outcomes}"
    for before, after in zip(task["attempts"], task["attempts"][1:], strict=False):
        if after["started_at"] < before["ended_at"]:
            yield f"attempts {before['number']} and {after['number']} of task {task['id']} overlap"


def _by_task(truth: Truth, executions: Sequence[Execution]) -> dict[str, list[Execution]]:
    found: dict[str, list[Execution]] = defaultdict(list)
    for execution in executions:
        task = truth.task_named(execution.given.name)
        if task is not None:  # else it was removed with its job
            found[task["id"]].append(execution)
    return found


def nothing_ran_twice(truth: Truth, executions: Sequence[Execution]) -> Iterator[str]:
    """In the eyes of the workers: no two had one task at a time, and none began what had been completed."""
    for task_id, found in _by_task(truth, executions).items():
        found.sort(key=lambda execution: execution.began_at)
        for index, after in enumerate(found):
            for before in found[:index]:
                if after.began_at < before.ended_at:
                    yield f"task {task_id} ran on {before} and on {after} at one time"
        completed = [e for e in found if e.accepted and e.outcome == "completed"]
        if len(completed) > 1:
            yield f"task {task_id} was completed {len(completed)} times: {completed}"
        if completed and completed[0] is not found[-1]:
            yield f"task {task_id} ran again after it was completed: {found}"
        generations = [e.given.generation for e in found if e.given.generation is not None]
        if generations != sorted(set(generations)):
            yield f"task {task_id} was given out under generations {generations}"


def words_were_kept(truth: Truth, executions: Sequence[Execution]) -> Iterator[str]:
    """What the farm took from a worker stands in its books under that worker, and nothing else does."""
    found = _by_task(truth, executions)
    for task_id, task in truth.tasks.items():
        mine = found.get(task_id, [])
        for execution in mine:
            theirs = [a["outcome"] for a in task["attempts"] if a["worker"] == execution.worker]
            if not theirs:
                yield f"task {task_id} has no attempt of {execution}"
            elif execution.accepted and execution.outcome not in theirs and task["status"] != "canceled":
                yield f"task {task_id} was {execution.outcome} by {execution}, its book says {theirs}"
        if task["status"] == "completed":
            [by] = [a["worker"] for a in task["attempts"] if a["outcome"] == "completed"]
            if not any(e.worker == by and e.outcome == "completed" for e in mine):
                yield f"task {task_id} was completed by worker {by}, which knows nothing of it"


def clients_see_the_same(truth: Truth, shares: Sequence[Share]) -> Iterator[str]:
    """Each client's own protocol tells of each job what the farm's API tells."""
    for share in shares:
        for submitted in share.submitted:
            job = truth.jobs.get(job_of(truth, submitted) or "")
            if job is None or job["status"] not in ENDED or submitted in removed_by(share):
                continue  # told elsewhere
            seen, wanted = share.client.ending(submitted), _endings(truth, job)
            if not share.client.TELLS_CANCELED:
                wanted = {"failed" if ending == "canceled" else ending for ending in wanted}
            if seen not in wanted:
                yield f"job {job['id']} is {job['status']}, in the eyes of {share.client.kind} it is {seen}"


def _endings(truth: Truth, job: dict[str, Any]) -> set[str]:
    """What a client may be told of a job. One that was canceled in the moment between the end of its last task and
    its own is canceled; a protocol in which the job is that task tells of the task."""
    statuses = {task["status"] for task in truth.tasks_of[job["id"]]}
    return {job["status"]} | ({"completed"} if statuses == {"completed"} else set())


def lists_agree(caller: Caller, truth: Truth, shares: Sequence[Share]) -> Iterator[str]:
    """The lists of all protocols that have some."""
    yield from _transcode_list(caller, truth, {one.job for share in shares for one in removed_by(share)})
    yield from _pleiades_documents(caller, truth)
    yield from _flamenco2_dashboard(caller, truth)
    yield from _flamenco1_workers(caller, truth)
    for worker in truth.workers.values():
        if worker["tasks"]:
            yield f"worker {worker['name']} still has the tasks {worker['tasks']}"


def _transcode_list(caller: Caller, truth: Truth, removed: set[str | None]) -> Iterator[str]:
    listed: dict[str, tuple[int, int]] = {}
    while page := caller.ok("POST", "/master/get_jobs", json={"start_index": len(listed), "limit": 100})["jobs"]:
        listed |= {job["id"]: (job["state"], job["result"]) for job in page}
    ours = [job for job in truth.jobs.values() if job["type"] == "transcode" and job["id"] not in removed]
    wanted = {transcode.job_text(int(job["id"])): (3, 0 if job["status"] == "completed" else -1) for job in ours}
    if listed != wanted:
        yield f"get_jobs and the farm differ in {sorted(listed.items() ^ wanted.items())}"


def _pleiades_documents(caller: Caller, truth: Truth) -> Iterator[str]:
    states = {"completed": "Finished", "failed": "Error", "canceled": "Cancelled"}
    for job in truth.jobs.values():
        if job["type"] == "function" and job["status"] in ENDED:
            seen = caller.ok("GET", f"/api/v0.5-snapshot/job/{job['id']}")["state"]
            if seen not in {states[ending] for ending in _endings(truth, job)}:
                yield f"job {job['id']} is {job['status']}, as a job of Pleiades it is {seen}"


def _flamenco2_dashboard(caller: Caller, truth: Truth) -> Iterator[str]:
    before = {worker["id"]: worker["status"] for worker in everything(caller, "/workers")}
    state = caller.ok("GET", "/as-json")
    after = {worker["id"]: worker["status"] for worker in everything(caller, "/workers")}
    seen = {str(hexids.id_of(worker["_id"])): worker for worker in state["workers"]}
    if seen.keys() != truth.workers.keys() or state["nr_of_workers"] != len(seen):
        yield f"as-json shows the workers {sorted(seen)}, the farm has {sorted(truth.workers)}"
    if state["nr_of_tasks"]:
        yield f"as-json shows {state['nr_of_tasks']} tasks of open jobs"
    for number in seen.keys() & truth.workers.keys():
        # Nobody calls any more, so some fall silent while we look.
        meant = {FLAMENCO2_STATUSES[moment[number]] for moment in (before, after)}
        if seen[number]["status"] not in meant or "current_task" in seen[number]:
            yield f"worker {number} is {meant}, as-json shows {seen[number]}"


def _flamenco1_workers(caller: Caller, truth: Truth) -> Iterator[str]:
    seen = {str(worker["id"]): worker for worker in caller.ok("GET", "/workers").values()}
    if seen.keys() != truth.workers.keys():
        yield f"/workers shows {sorted(seen)}, the farm has {sorted(truth.workers)}"
    for number in seen.keys() & truth.workers.keys():
        if seen[number]["current_task"] is not None or seen[number]["status"] != "enabled":
            yield f"worker {number} is free, /workers shows {seen[number]}"


def workers_see_the_same(truth: Truth, workers: Sequence[SimulatedWorker]) -> Iterator[str]:
    """A worker of Flamenco 2 that asks whether it may go on with what it had last is told what has become of it."""
    for worker in workers:
        if not isinstance(worker, Flamenco2Worker):
            continue
        for task in truth.tasks.values():
            if task["attempts"] and task["attempts"][-1]["worker"] == worker.number:
                document = {"_id": hexids.hex_of(int(task["id"]))}
                said = worker.verdict(Given(("task", task["id"]), document))
                if said.get("reason") != f"task {document['_id']} in non-runnable status {task['status']}":
                    yield f"task {task['id']} is {task['status']}, may-i-run says {said}"
