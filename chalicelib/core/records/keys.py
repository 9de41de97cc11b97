"""Every key of the table, on one page.

| access pattern             | asked by                  | where       | partition key            | sort key, order              |
|----------------------------|---------------------------|-------------|--------------------------|------------------------------|
| job by id                  | everybody                 | base        | JOB#job                  | JOB                          |
| steps of a job             | settle, api               | base        | JOB#job                  | STEP#number                  |
| windows: open, all completed, else shut | settle, counts | base      | WINDOWS#job#step(#window / 512) | OPEN#, DONE#, SHUT#window |
| cursors of a large step    | claims, settle, counts    | base        | CURSOR#job#step#shard    | -                            |
| large step of a task's id  | looks at virtual tasks    | base        | SPANS                    | first id                     |
| task by id, tasks of a range | reports, lists          | base        | TASKS#(id / 100)         | id                           |
| worker by id, its blocklist | every worker call        | base        | WORKER#worker            | -, BLOCK#job#type            |
| failures of a worker       | a failed report           | base        | WORKER#worker            | FAILED#job#type              |
| blob, function by id       | dialects, settle          | base        | BLOB#id, FUNCTION#id     | -                            |
| next id of a second        | ids                       | base        | IDS#second               | -                            |
| lanes in use, halted jobs, jobs with a gate | claims (cached) | base   | LANES                    | LANE#class, HALT#job, GATE#job |
| who has a job's tickets    | claims and ends of jobs with max_workers | base | GATE#job         | -                            |
| idempotency keys           | submit                    | base        | ONCE#scope#key           | -                            |
| jobs that come after one   | settle                    | base        | AFTER#job                | id                           |
| access tokens              | the doors                 | base        | TOKEN#hash               | -                            |
| join tokens                | workers that join         | base        | JOIN#hash                | -                            |
| the farm itself            | bootstrap                 | base        | FARM                     | -                            |
| its variables              | dialects, api             | base        | FARM                     | VARIABLES                    |
| in which order jobs go     | settle, api               | base        | FARM                     | QUEUE_MODE                   |
| how long ended jobs are kept | sweep, api              | base        | FARM                     | RETENTION                    |
| what is said of job types  | submit, failures, api     | base        | FARM                     | POLICY#type                  |
| picture rendered last      | a worker's picture, api   | base        | JOB#job, FARM            | PICTURE                      |
| how much is stored         | sweep                     | base        | FARM                     | STORAGE                      |
| latest image               | dialects                  | base        | FARM                     | LATEST_IMAGE                 |
| how many workers idle      | sweep, idle workers' calls | base       | FARM                     | IDLE                         |
| what the fleet decided last | its schedule, status     | base        | FARM                     | FLEET                        |
| whose data was copied in   | migrate                   | base        | FARM                     | MIGRATED_FROM                |
| ids that others chose      | dialects                  | base        | ALIAS#dialect#noun       | their id                     |
| what was deleted lately    | changes, sweep            | base        | GONE                     | time|id                      |
| statistics by minute, hour | sweep, api                | base        | STATISTICS#seconds       | time                         |
| webhooks, how far it looked | webhooks, api            | base        | HOOKS                    | id, CURSOR                   |
| what a webhook is told     | webhooks, api             | base        | OUTBOX#hook              | event: its time first        |
| notes of a room            | dialects                  | base        | NOTE#room#name           | -                            |
| how far a collection is     | collecting                | base        | FARM                     | COLLECTION                   |
| content about to be removed | prune, blobs             | base        | FARM                     | DOOMED                       |
| first runnable tasks       | claim, why                | `ready`     | READY#class hash#shard   | priority|id: best first      |
| leases, delays that ran out| sweep                     | `due`       | DUE#shard                | time: oldest first           |
| tasks a worker holds       | sign-on, renew, api       | `held`      | HELD#worker              | task id                      |
| jobs, workers              | lists                     | `listing`   | LIST#noun                | id                           |
| tokens, join tokens        | admins                    | `listing`   | LIST#noun                | id                           |
| functions, notes           | prune, rounds of pushes   | `listing`   | LIST#noun                | id, room and name            |
| jobs by status             | lists                     | `status`    | STATUS#status            | id                           |
| jobs of an owner           | lists                     | `owned`     | OWNER#name               | id                           |
| jobs that need settling    | sweep                     | `unsettled` | UNSETTLED                | job id                       |
| what webhooks are to hear  | webhooks                  | `unsettled` | OUTBOX                   | time of the next try         |
| what changed lately        | changes                   | `changed`   | CHANGED#shard            | time: oldest first           |

Items that nobody asks for after a while (id counters, idempotency keys, join tokens) say when in `expires_at`, seconds since 1970:
DynamoDB removes them then; on one machine they stay.

All indexes are sparse: an item is in one only while it has its two fields. Index reads may lag (DynamoDB).
"""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from collections.abc import Mapping

from ..model import JobId, Requirement, TaskId, WorkerId
from ..ports import Key

INDEXES: Mapping[str, tuple[str, ...]] = {
    "ready": ("id", "job", "task_type", "generation", "excluded", "wishes", "shard", "shards", "end"),
    "due": ("id", "generation", "worker", "lease_due_at"),
    "held": ("id", "generation", "request_id", "lease_granted_at"),
    "listing": (),
    "status": (),
    "owned": (),
    "unsettled": (),
    "changed": (),
}
"""Index name -> the fields its entries carry besides the keys. Small, so that a page of 40 costs one read unit."""

WINDOW = 100
"""Tasks per window."""
WINDOWS_TOGETHER = 512
"""Windows in one partition: the ends of a large step's tasks spread over several, as its claims do over cursors."""
BUCKET = 100
"""Consecutive task ids per partition: few enough for DynamoDB's limit per partition, enough to list by the page."""
DUE_SHARDS = 8
"""Renewals move index entries: 10,000 workers must not meet in one partition."""
CHANGED_SHARDS = 4
"""Each takes 500 changes a second (two write units of the index each); a look reads all of them."""

COUNTER_SECONDS = 7 * 24 * 3600
"""No clock is so wrong that it asks for ids of a second so long past."""
ONCE_SECONDS = 30 * 24 * 3600
"""How long a submission may be repeated with its idempotency key, at least."""

IDS_SINCE = 1_577_836_800
"""2020-01-01T00:00:00Z: an id's first 31 bits are the seconds since then (`ids.py`)."""

ALONE = "-"


def digits(number: int) -> str:
    """Fixed width, so that text order is number order."""
    return f"{number:016d}"


def job(job_id: JobId) -> Key:
    return Key(f"JOB#{job_id}", "JOB")


def job_picture(job_id: JobId) -> Key:
    return Key(f"JOB#{job_id}", "PICTURE")


def farm_picture() -> Key:
    return Key("FARM", "PICTURE")


def step(job_id: JobId, number: int) -> Key:
    return Key(f"JOB#{job_id}", f"STEP#{number:04d}")


STEP_PREFIX = ("STEP#", "STEP#~")


WINDOWS_PREFIX = "WINDOWS#"


def windows(job_id: JobId, number: int, window: int) -> str:
    part = window // WINDOWS_TOGETHER
    return f"{WINDOWS_PREFIX}{job_id}#{number}" + (f"#{part}" if part else "")


def open_window(job_id: JobId, number: int, window: int) -> Key:
    return Key(windows(job_id, number, window), f"OPEN#{window:08d}")


def done_window(job_id: JobId, number: int, window: int) -> Key:
    """Shut, and all its tasks completed: nothing that a retry would want."""
    return Key(windows(job_id, number, window), f"DONE#{window:08d}")


def shut_window(job_id: JobId, number: int, window: int) -> Key:
    return Key(windows(job_id, number, window), f"SHUT#{window:08d}")


def cursor(job_id: JobId, number: int, shard: int) -> Key:
    """A partition of its own: claims write it, up to hundreds of times a second."""
    return Key(f"CURSOR#{job_id}#{number}#{shard}", ALONE)


SPANS = "SPANS"


def span(base: TaskId) -> Key:
    return Key(SPANS, digits(base))


def task(task_id: TaskId) -> Key:
    return Key(f"TASKS#{task_id // BUCKET}", digits(task_id))


def worker(worker_id: WorkerId) -> Key:
    return Key(f"WORKER#{worker_id}", ALONE)


def block(worker_id: WorkerId, job_id: JobId, task_type: str) -> Key:
    return Key(f"WORKER#{worker_id}", f"BLOCK#{job_id}#{task_type}")


def failures(worker_id: WorkerId, job_id: JobId, task_type: str) -> Key:
    return Key(f"WORKER#{worker_id}", f"FAILED#{job_id}#{task_type}")


BLOCK_RANGE = ("BLOCK#", "BLOCK#~")
WORKER_RANGE = (ALONE, "BLOCK#~")
"""A worker and its blocklist, in one read."""


def blob(blob_id: int) -> Key:
    return Key(f"BLOB#{blob_id}", ALONE)


def function(function_id: int) -> Key:
    return Key(f"FUNCTION#{function_id}", ALONE)


def id_counter(second: int) -> Key:
    return Key(f"IDS#{second}", ALONE)


LANES = "LANES"


def lane(requirement: Requirement) -> Key:
    return Key(LANES, f"LANE#{lane_class(requirement)}")


def halt(job_id: JobId) -> Key:
    return Key(LANES, f"HALT#{job_id}")


def gated(job_id: JobId) -> Key:
    return Key(LANES, f"GATE#{job_id}")


def gate(job_id: JobId) -> Key:
    """A partition of its own: the claims of its job write it, and the ends of its attempts."""
    return Key(f"GATE#{job_id}", ALONE)


def after(job_id: JobId) -> str:
    return f"AFTER#{job_id}"


def follower(job_id: JobId, follower_id: JobId) -> Key:
    return Key(after(job_id), digits(follower_id))


def once(scope: str, key: str) -> Key:
    return Key(f"ONCE#{scope}#{key}", ALONE)


def token(token_hash: str) -> Key:
    return Key(f"TOKEN#{token_hash}", ALONE)


def join_token(token_hash: str) -> Key:
    return Key(f"JOIN#{token_hash}", ALONE)


def farm() -> Key:
    return Key("FARM", ALONE)


def variables() -> Key:
    return Key("FARM", "VARIABLES")


def migrated_from() -> Key:
    return Key("FARM", "MIGRATED_FROM")


def retention() -> Key:
    return Key("FARM", "RETENTION")


TYPE_POLICIES = ("POLICY#", "POLICY#~")


def type_policy(type_name: str) -> Key:
    return Key("FARM", f"POLICY#{type_name}")


def storage() -> Key:
    return Key("FARM", "STORAGE")


def collection() -> Key:
    return Key("FARM", "COLLECTION")


def daily_collection() -> Key:
    return Key("FARM", "DAILY_COLLECTION")


def doomed() -> Key:
    return Key("FARM", "DOOMED")


def queue_mode() -> Key:
    return Key("FARM", "QUEUE_MODE")


def latest_image() -> Key:
    return Key("FARM", "LATEST_IMAGE")


def fleet() -> Key:
    return Key("FARM", "FLEET")


def idle() -> Key:
    return Key("FARM", "IDLE")


def aliases(dialect: str, noun: str) -> str:
    return f"ALIAS#{dialect}#{noun}"


def alias(dialect: str, noun: str, external: str) -> Key:
    return Key(aliases(dialect, noun), external)


GONE = "GONE"


def gone(at: int, entity_id: int) -> Key:
    return Key(GONE, f"{digits(at)}|{entity_id}")


def statistics_pk(length_ms: int) -> str:
    return f"STATISTICS#{length_ms // 1000}"


def statistics(length_ms: int, at: int) -> Key:
    return Key(statistics_pk(length_ms), digits(at))


HOOKS = "HOOKS"


def hook(hook_id: int) -> Key:
    return Key(HOOKS, digits(hook_id))


def hook_cursor() -> Key:
    return Key(HOOKS, "CURSOR")


def outbox(hook_id: int) -> str:
    return f"OUTBOX#{hook_id}"


def delivery(hook_id: int, event: str) -> Key:
    return Key(outbox(hook_id), event)


def note(room: str, name: str) -> Key:
    return Key(f"NOTE#{room}#{name}", ALONE)


# ---- index keys ----------------------------------------------------------------------------------------------------


def lane_class(requirement: Requirement) -> str:
    """The requirement as text: equal requirements give equal text."""
    parts = [requirement.task_type, sorted(requirement.require), sorted(requirement.forbid), requirement.worker]
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False)


@functools.lru_cache(maxsize=4096)  # every claim asks for all lanes of its worker
def ready_pk(requirement: Requirement, shard: int = 0) -> str:
    digest = hashlib.blake2b(lane_class(requirement).encode(), digest_size=9).hexdigest()
    return f"READY#{digest}#{shard}"


def ready_sk(priority: int, own_priority: int, task_id: TaskId) -> str:
    """Best first: the job's priority, then the task's own, then age."""
    return ready_sk_from(f"{100 - priority:03d}.{100 - own_priority:03d}", task_id)


def ready_sk_from(place: str, task_id: TaskId) -> str:
    """`place`: what a `ready_sk` has before its `|`."""
    return f"{place}|{digits(task_id)}"


def served_sk(place: str, at: int) -> str:
    """Behind all of its priority (`place`) that were served before or made before then, in milliseconds since 1970; and
    behind the ids of that second (they begin at its lower end): a claim that passes over a step's ids passes over no
    other job's cursor."""
    second, millisecond = divmod(at, 1000)
    return ready_sk_from(place, (max(0, second - IDS_SINCE) << 22) + (1 << 21) + millisecond * 2048)


def priority_of(place: str) -> int:
    """The job's priority that the first part of a `ready_sk` says."""
    return 100 - int(place.partition(".")[0])


def due_pk(shard: int) -> str:
    return f"DUE#{shard}"


def due_sk(at: int, task_id: TaskId) -> str:
    return f"{digits(at)}|{task_id}"


def due_shard(task_id: TaskId) -> int:
    return task_id % DUE_SHARDS


def held_pk(worker_id: WorkerId) -> str:
    return f"HELD#{worker_id}"


def listing_pk(noun: str) -> str:
    return f"LIST#{noun}"


def status_pk(status: str) -> str:
    return f"STATUS#{status}"


def owner_pk(owner: str) -> str:
    return f"OWNER#{owner}"


UNSETTLED = "UNSETTLED"
OUTBOX = "OUTBOX"


def changed_pk(shard: int) -> str:
    return f"CHANGED#{shard}"


def changed_shard(entity_id: int) -> int:
    """Ids of one second differ in few bits, those of different seconds may agree in the last ones."""
    return zlib.crc32(digits(entity_id).encode()) % CHANGED_SHARDS


def changed_sk(at: int, chance: str) -> str:
    """`chance`: two changes within a millisecond must not look like one."""
    return f"{digits(at)}-{chance}"
