"""What the worker keeps on disk and how long: outbox, logs, leases, cache, names."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from millrace.agent.attempt import Attempt, Progress, StopReason
from millrace.agent.cache import BlobCache
from millrace.agent.client import Credentials, FarmClient
from millrace.agent.errors import CommandFailed, StartError, Stopped
from millrace.agent.held import Held
from millrace.agent.lease import Lease, boot_seconds
from millrace.agent.logship import LogShipper
from millrace.agent.outbox import Outbox
from millrace.agent.outputs import gathered
from millrace.agent.protocol import Assignment, InputBlob, LeaseId, Output, Report
from millrace.agent.renewal import Watch
from millrace.agent.retrying import Backoff
from millrace.agent.run import run_worker
from millrace.agent.state import StateFolder, default_state_root
from millrace.agent.tasklog import Delivery, TaskLog
from millrace.agent.transfer import Transfer
from millrace.agent.workfolder import checked_name, inside
from tests.worker.manager import Manager

ONE = LeaseId("7", 1)


def report(task: str, outcome: str = "completed") -> Report:
    return Report(LeaseId(task, 2), outcome, 0, None, (Output("a", "9", 3, "ab" * 32),), {"frames": 3})


def attempt(lease: Lease, max_seconds: float | None = None, taken_at: float | None = None) -> Attempt:
    clock = boot_seconds if taken_at is None else lambda: taken_at
    assignment = Assignment(ONE, "5", "t", "j", "debug", 120.0, (), max_seconds=max_seconds)
    return Attempt(assignment, lease, clock=clock)


def test_an_attempt_whose_lease_is_over_does_not_begin() -> None:
    """The agent was frozen: nobody has told the attempt to stop."""
    late = attempt(Lease(boot_seconds() - 120.0, 120.0))
    with pytest.raises(Stopped):
        late.check()
    assert late.reason is StopReason.EXPIRED


# -- the outbox


def test_reports_are_found_again_in_order_after_a_restart(tmp_path: Path) -> None:
    before = Outbox(tmp_path)
    for task in ("9", "10", "2"):
        before.put(report(task))
    after = Outbox(tmp_path)
    assert after.oldest(50) == [report("9"), report("10"), report("2")]
    after.put(report("1"))
    assert [one.lease.task for one in Outbox(tmp_path).oldest(50)] == ["9", "10", "2", "1"]


def test_an_answered_report_does_not_come_back(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.put(report("9"))
    outbox.answered(LeaseId("9", 2))
    assert len(Outbox(tmp_path)) == 0


def test_a_report_made_anew_keeps_its_place(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.put(report("9"))
    outbox.put(report("10"))
    outbox.put(report("9", "failed"))
    assert Outbox(tmp_path).oldest(50) == [report("9", "failed"), report("10")]


def test_a_half_written_report_is_set_aside_and_the_others_go_out(tmp_path: Path) -> None:
    Outbox(tmp_path).put(report("9"))
    (tmp_path / "000000000002-10-1.report").write_text('{"task": "10", "gene')
    assert Outbox(tmp_path).oldest(50) == [report("9")]
    assert (tmp_path / "000000000002-10-1.unreadable").exists()


# -- leases, by a clock of our own


def test_a_lease_is_renewed_at_a_third_and_given_up_before_its_end() -> None:
    lease = Lease(counted_from=1000.0, lease_seconds=120.0)
    assert (lease.renew_at, lease.abandon_at, lease.ends_at) == (1040.0, 1110.0, 1120.0)
    assert Lease(0.0, 5.0).abandon_at == 4.0


def test_a_renewal_that_was_overtaken_does_not_shorten_the_lease() -> None:
    one = attempt(Lease(0.0, 120.0))
    one.renewed(Lease(80.0, 120.0))
    one.renewed(Lease(40.0, 120.0))
    assert one.lease == Lease(80.0, 120.0)


def test_progress_is_told_at_most_every_two_seconds_and_silence_at_a_third_of_the_lease() -> None:
    one = attempt(Lease(0.0, 120.0))
    assert one.renewal(1.0, 2.0) is None
    one.progressed(Progress(10.0, "busy"))
    assert one.renewal(1.0, 2.0) is None
    assert one.renewal(2.0, 2.0) == {"task": "7", "generation": 1, "progress": 10.0, "activity": "busy"}
    one.progressed(Progress(20.0, "busy"))
    assert one.renewal(3.9, 2.0) is None
    assert one.renewal(4.0, 2.0) is not None
    assert one.renewal(39.9, 2.0) is None
    assert one.renewal(40.0, 2.0) is not None


@pytest.mark.parametrize(
    ("now", "reason"),
    [(29.0, None), (30.0, StopReason.OVERTIME), (109.9, StopReason.OVERTIME), (110.0, StopReason.EXPIRED)],
)
def test_an_attempt_is_ended_when_its_time_or_its_lease_is_over(now: float, reason: StopReason | None) -> None:
    held, one = Held(), attempt(Lease(0.0, 120.0), max_seconds=30.0, taken_at=0.0)
    held.add(one)
    Watch(held, lambda: now, lambda attempts: None).turn()
    assert one.reason is reason


def test_what_the_farm_held_a_claim_for_is_no_time_of_the_task() -> None:
    held, one = Held(), attempt(Lease(counted_from=100.0, lease_seconds=120.0), max_seconds=10.0, taken_at=115.0)
    held.add(one)
    for now, reason in ((115.0, None), (124.9, None), (125.0, StopReason.OVERTIME)):
        Watch(held, lambda now=now: now, lambda attempts: None).turn()  # type: ignore[misc]
        assert one.reason is reason


def test_the_graver_reason_to_stop_wins() -> None:
    one = attempt(Lease(0.0, 120.0))
    one.stop(StopReason.LOST)
    one.stop(StopReason.CANCELED)
    assert one.reason is StopReason.LOST


def test_pauses_double_up_to_thirty_seconds_and_the_farm_may_ask_for_more() -> None:
    backoff = Backoff()
    pauses = [backoff.failed() for _ in range(12)]
    assert all(0.25 * 2**n <= pause <= 0.5 * 2**n for n, pause in enumerate(pauses[:6]))
    assert all(15 <= pause <= 30 for pause in pauses[6:])
    asked = {backoff.failed(retry_after_seconds=45) for _ in range(9)}
    assert all(45 <= pause <= 67.5 for pause in asked) and len(asked) > 1, (
        "a thousand workers may have been told the same"
    )
    backoff.succeeded()
    assert backoff.failed() <= 0.5


# -- logs


def test_a_log_is_valid_text_whatever_the_task_writes(tmp_path: Path) -> None:
    log = TaskLog(tmp_path, ONE)
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as pipe:
        pipe.write("größer".encode("latin-1") + "größer".encode())
    with os.fdopen(reader, "rb") as pipe:
        log.follow(pipe)
    log.close()
    assert (tmp_path / "7-1.log").read_text() == "gr\ufffd\ufffdergrößer"


def test_a_chunk_ends_between_characters_and_is_the_same_after_a_crash(tmp_path: Path) -> None:
    (tmp_path / "7-1.log").write_text("äöü" * 10)
    delivery = Delivery(tmp_path, ONE)
    assert delivery.next_chunk(5) == "äö"
    (tmp_path / "7-1.log").write_text("äöü" * 20)
    again = Delivery(tmp_path, ONE)
    assert again.next_chunk(50) == "äö"
    again.stored(4)
    assert Delivery(tmp_path, ONE).next_chunk(4) == "üä"


def test_a_log_left_by_an_earlier_run_is_delivered_and_removed(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "7-1.log").write_text("line\n" * 100_000)
    client = FarmClient(manager.url)
    manager.secrets["1000"] = "s"
    client.use(Credentials("1000", "s"))
    shipper = LogShipper(tmp_path, client)
    while not shipper.empty():
        shipper.deliver()
    assert manager.logs["7", 1] == b"line\n" * 100_000
    assert list(tmp_path.iterdir()) == []


# -- blobs


@pytest.fixture
def transfer(manager: Manager, tmp_path: Path) -> Transfer:
    client = FarmClient(manager.url)
    manager.secrets["1000"] = "s"
    client.use(Credentials("1000", "s"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "work").mkdir()
    return Transfer(client, BlobCache(tmp_path / "cache", limit_bytes=1000))


def fetch(transfer: Transfer, wanted: InputBlob, folder: Path) -> None:
    transfer.fetch(LeaseId("11", 1), [wanted], folder / "work", lambda seconds: None)


def test_a_broken_download_goes_on_where_it_stopped(manager: Manager, transfer: Transfer, tmp_path: Path) -> None:
    wanted = InputBlob("in", **manager.store(b"0123456789"))
    (tmp_path / "cache" / f"{wanted.sha256}.part").write_bytes(b"01234")
    manager.blobs[wanted.sha256] = b"?????56789"
    fetch(transfer, wanted, tmp_path)
    assert (tmp_path / "work" / "in").read_bytes() == b"0123456789"


def test_a_spoilt_part_is_fetched_anew(manager: Manager, transfer: Transfer, tmp_path: Path) -> None:
    wanted = InputBlob("in", **manager.store(b"0123456789"))
    (tmp_path / "cache" / f"{wanted.sha256}.part").write_bytes(b"spoil")
    fetch(transfer, wanted, tmp_path)
    assert (tmp_path / "work" / "in").read_bytes() == b"0123456789"


def test_an_input_with_a_wrong_checksum_is_an_error_that_names_it(
    manager: Manager, transfer: Transfer, tmp_path: Path
) -> None:
    wanted = InputBlob("film.mp4", **manager.store(b"0123456789"))
    manager.blobs[wanted.sha256] = b"9876543210"
    with pytest.raises(CommandFailed, match=r"input 'film.mp4': blob .* expected 10 bytes"):
        fetch(transfer, wanted, tmp_path)
    assert not (tmp_path / "work" / "film.mp4").exists()


def test_two_inputs_of_one_name_are_refused(manager: Manager, transfer: Transfer, tmp_path: Path) -> None:
    wanted = [InputBlob("in", **manager.store(content)) for content in (b"one", b"two")]
    with pytest.raises(CommandFailed, match="the same name"):
        transfer.fetch(LeaseId("11", 1), wanted, tmp_path / "work", lambda seconds: None)


def test_an_input_the_farm_does_not_have_is_an_error_that_names_it(transfer: Transfer, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"input 'in': .* unknown blob"):
        fetch(transfer, InputBlob("in", "404", 1, "ab" * 32), tmp_path)


def test_a_cached_blob_is_not_fetched_again_unless_somebody_changed_it(
    manager: Manager, transfer: Transfer, tmp_path: Path
) -> None:
    wanted = InputBlob("in", **manager.store(b"0123456789"))
    fetch(transfer, wanted, tmp_path)
    del manager.blobs[wanted.sha256]
    fetch(transfer, InputBlob("again", wanted.blob, 10, wanted.sha256), tmp_path)
    laid = tmp_path / "work" / "in"
    laid.chmod(0o600)
    laid.write_bytes(b"9876543210")
    with pytest.raises(CommandFailed, match="unknown blob"):
        fetch(transfer, InputBlob("third", wanted.blob, 10, wanted.sha256), tmp_path)


def test_the_cache_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path, limit_bytes=250)
    for letter in "abc":
        if letter == "c":
            assert cache.find("a", 100)
        draft = tmp_path / f"{letter}.part"
        draft.write_bytes(letter.encode() * 100)
        cache.adopt(draft, letter)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]


def test_a_download_that_nobody_goes_on_with_makes_room_too(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path, limit_bytes=250)
    for name, age_seconds in (("old", 2 * 86400), ("new", 60)):
        part = tmp_path / f"{name}.part"
        part.write_bytes(b"x" * 100)
        os.utime(part, (time.time() - age_seconds,) * 2)
    draft = tmp_path / "a.copy"
    draft.write_bytes(b"a" * 100)
    cache.adopt(draft, "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "new.part"]


def test_attempts_that_make_room_at_the_same_moment_take_nothing_from_each_other(
    manager: Manager, transfer: Transfer, tmp_path: Path
) -> None:
    blobs = [InputBlob("in", **manager.store(bytes([number]) * 400)) for number in range(6)]

    def fetch_many(number: int) -> None:
        for turn in range(60):
            folder = tmp_path / f"{number}-{turn}"
            folder.mkdir()
            wanted = blobs[(number + turn) % len(blobs)]
            transfer.fetch(LeaseId(str(number), 1), [wanted], folder, lambda seconds: None)
            assert (folder / "in").stat().st_size == 400

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(fetch_many, range(6)))


def test_those_who_are_not_trusted_get_copies(manager: Manager, transfer: Transfer, tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "cache", links=False)
    (tmp_path / "made").write_bytes(b"x")
    cache.adopt_copy(tmp_path / "made", "x")
    assert cache.lay("x", 1, tmp_path / "laid") and not cache.lay("y", 1, tmp_path / "none")
    assert (tmp_path / "laid").stat().st_ino != (tmp_path / "cache" / "x").stat().st_ino
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        cache.lay("x", 1, tmp_path / "link")


def test_an_empty_output_is_stored(manager: Manager, transfer: Transfer, tmp_path: Path) -> None:
    (tmp_path / "work" / "empty").touch()
    [output] = transfer.publish(LeaseId("7", 1), gathered(["empty"], tmp_path / "work"), lambda seconds: None)
    assert manager.blobs[output.blob] == b"" and output.sha256 == hashlib.sha256(b"").hexdigest()


def test_an_output_that_s3_would_refuse_is_refused_before_it_is_sent(
    manager: Manager, transfer: Transfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace.s3.REQUEST_BYTES", 3)
    (tmp_path / "work" / "film.mp4").write_bytes(b"film")
    files = gathered(["film.mp4"], tmp_path / "work")
    [stored] = transfer.publish(LeaseId("7", 1), files, lambda seconds: None)
    assert manager.blobs.pop(stored.blob) == b"film", "a farm on one machine has no such limit"
    announce = FarmClient.announce_blob

    def to_s3(client: FarmClient, size: int, sha256: str) -> dict[str, Any]:
        answer = announce(client, size, sha256)
        return {**answer, "upload": {**answer["upload"], "url": answer["upload"]["url"] + "?X-Amz-Signature=0"}}

    monkeypatch.setattr(FarmClient, "announce_blob", to_s3)
    with pytest.raises(
        CommandFailed, match="output 'film.mp4': 4 bytes are too many .* S3 takes up to 3 in one request"
    ):
        transfer.publish(LeaseId("7", 1), files, lambda seconds: None)
    assert stored.blob not in manager.blobs


def test_an_output_that_was_not_produced_is_named(transfer: Transfer, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="output 'film.mp4' was not produced"):
        transfer.publish(LeaseId("7", 1), gathered(["film.mp4"], tmp_path / "work"), lambda seconds: None)


# -- names and folders


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".", "a\\b", "C:x", "a\0b", "~/x"])
def test_a_name_that_could_leave_the_work_folder_is_refused(name: str) -> None:
    with pytest.raises(CommandFailed, match="input"):
        checked_name(name, "input")


def test_a_link_does_not_lead_out_of_the_work_folder(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "out").symlink_to(tmp_path)
    with pytest.raises(CommandFailed, match="through a link"):
        inside(tmp_path / "work", "out/file", "output")


def test_each_farm_and_name_has_a_state_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "millrace" / "worker"
    assert default_state_root("http://farm.example:8000/", "node 7") == folder / "farm.example-8000" / "node-7"
    assert default_state_root("https://farm.example/api", "../x") == folder / "farm.example-api" / "x"


def test_the_secret_of_one_farm_is_not_told_to_another(tmp_path: Path) -> None:
    state = StateFolder.prepared(tmp_path / "s")
    state.keep(Credentials("7", "secret"), "http://one")
    assert state.credentials("http://one") == Credentials("7", "secret")
    assert state.credentials("http://two") is None


def test_a_worker_without_a_usable_farm_url_or_interpreter_does_not_start(tmp_path: Path) -> None:
    assert run_worker("farm:8000", state_dir=tmp_path) == 2
    assert run_worker("http://farm:8000", state_dir=tmp_path, runtimes=["cobol"]) == 2


def test_a_worker_that_the_farm_knows_and_refuses_says_why_and_ends(
    manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert run_briefly(manager, tmp_path) == 0
    refusal = {"code": 1, "status": "error", "message": "the name is another worker's"}
    monkeypatch.setattr(manager, "sign_on", lambda body: (409, refusal))
    assert run_briefly(manager, tmp_path) == 1
    assert "the farm refuses this worker: " in caplog.text and "the name is another worker's" in caplog.text
    assert len(manager.secrets) == 1


def run_briefly(manager: Manager, state: Path) -> int:
    stop, signed_on = threading.Event(), len(manager.signed_on)
    with ThreadPoolExecutor(1) as pool:
        code = pool.submit(run_worker, manager.url, name="node7", state_dir=state, stop_event=stop)
        manager.wait_for(lambda: code.done() or len(manager.signed_on) > signed_on)
        stop.set()
        return code.result(20)


def test_a_state_folder_is_held_by_one_agent_at_a_time(tmp_path: Path) -> None:
    state = StateFolder.prepared(tmp_path / "s")
    with state.lock():
        with pytest.raises(StartError, match=f"in use by pid {os.getpid()} on ") as refused:
            state.lock()
        assert refused.value.exit_code == 2
    state.lock().close()
