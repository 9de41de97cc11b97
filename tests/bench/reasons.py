"""Why a target is missed, where it is, and what it would need. By the beginning of a figure's name; the longest counts.

Written by people from profiles: a figure that is met needs none of it, so a line may stay here when its miss is gone.
"""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    why: str
    needed: str


UNKNOWN = Reason("not looked into yet", "a profile")

SMALL_STEPS = Reason(
    "at the smallest size the farm is given a step of 101 tasks each turn, so claims begin cursors and come to their "
    "ends, which they hardly do in a large one; from 10,000 to 1,000,000 tasks the figures are the same",
    "nothing that a farm would notice: the slow size is the smallest",
)
MANY_CLASSES = Reason(
    "a worker that serves 500 classes names them all in its look at the lanes, and Python sorts what it may take from",
    "a lane for each set of classes that some worker serves, beside those of the classes",
)

REASONS = {
    "tasks a second": Reason(
        "one process of Python uses one core: about 1 ms for a call, and 0.3 ms for each further task of it",
        "a begun task of a large step as a mark in its window, not as an item (see docs/performance.md)",
    ),
    "submit 10,000 tasks": Reason(
        "each task is a row with its index entries, written and checked one by one in Python",
        "several rows in one statement",
    ),
    "claim p50, slowest to quickest: 100 to 1,000,000 tasks queued in a large step": SMALL_STEPS,
    "claim CPU, p50, slowest to quickest: 100 to 1,000,000 tasks queued in a large step": SMALL_STEPS,
    "claim p50, slowest to quickest: 1 to 500 requirement classes": MANY_CLASSES,
    "claim CPU, p50, slowest to quickest: 1 to 500 requirement classes": MANY_CLASSES,
    "claim p50": Reason(
        "on a busy machine the times differ by more than that; the line of CPU says what a claim costs",
        "a quiet machine",
    ),
    "submit to claimed": Reason(
        "the job's own writes are synced first, then 500 waiting threads share one interpreter with the answer",
        "waiting without threads",
    ),
    "500 workers waiting": Reason("each poll that ends is a request like others", "longer polls"),
    "worker: command ended": Reason(
        "all processes of the machine are looked through when a command ends, lest one that left its session stays; "
        "two threads of the worker share one interpreter with that",
        "cgroups, where the worker may make them; then the kernel says who is left",
    ),
    "worker: memory": Reason(
        "Python with TLS takes 15 MB, urllib3 and the modules of `email` and `http` below it 8, the agent and its "
        "threads 7",
        "an HTTP client without `email`, or TLS loaded only for https",
    ),
    "worker: log": Reason("the log is decoded, checked and written by one thread", "copying the bytes unlooked at"),
    "upload through ObjectStore": Reason(
        "SHA-256 is computed of what comes in, which a plain copy does not",
        "a core to spare: a second thread for it gained nothing here",
    ),
    "download through ObjectStore": Reason("pieces go through Python", "sendfile, as over HTTP"),
    "files of 4 KB": Reason(
        "each file is synced, and its folder, before it is said to be there", "one sync for several files, as packs do"
    ),
    "init of the HTTP function": Reason(
        "the farm's own modules: some sixty, of frozen values, whose methods `dataclasses` compiles anew at each start",
        "values without `dataclasses`, or a snapshot of the started function (SnapStart)",
    ),
    "the same with all that its first claim imports": Reason(
        "as above, and pydantic with the models of the request", "a snapshot of the started function (SnapStart)"
    ),
    "archive for Lambda": Reason("byte code goes along, so that starts are quick", "leaving unused modules out"),
    "calls of workers that cost more": Reason("a step of more than 75,000 tasks has 16 cursors", "fewer cursors"),
    "simulated: requests for a claim, normal lag": Reason(
        "a task of a large step is not in the table before it is claimed: beside the look at the lane and the cursor's "
        "step it is written, which is a third request",
        "no third request is possible while a claimed task is an item of its own; batches of ten share the first two",
    ),
    "simulated: requests for a claim, normal lag, written tasks": Reason(
        "two requests where nobody else wants the same task; now and then another process was faster within the lag",
        "more than one index partition for a class, each process with its own to begin at",
    ),
    "simulated: throttled requests, written tasks": Reason(
        "tasks that were written one by one are entries of one partition of an index, and the marks of 51,200 of a "
        "job's tasks lie under one key: DynamoDB takes 1,000 writes a second of each. Steps of more than 100 tasks "
        "that are alike have cursors instead",
        "several such partitions for each class, as large steps have cursors, and a key for fewer marks; each claim "
        "then looks at one of them",
    ),
    "ours, 1 a call": Reason(
        "a claim is a lease on the disk, a completion a result on the disk, each over HTTP; Redis moves a name in a "
        "list",
        "batches, which the next line has",
    ),
    "ours, 10 a call": Reason("as above", "as for tasks a second"),
    "S3 upload: ours": Reason(
        "each byte is hashed three times: for the whole, for its part, and, where there is no TLS, for the signature",
        "TLS, which spares the last; workers and the command line send straight to the bucket",
    ),
    "S3 download: ours": Reason(
        "one connection, in Python",
        "ranges in parallel; nothing in the farm reads much through the manager, workers and people read past it",
    ),
}


def reason(name: str) -> Reason:
    found = max((begin for begin in REASONS if name.startswith(begin)), key=len, default=None)
    return UNKNOWN if found is None else REASONS[found]
