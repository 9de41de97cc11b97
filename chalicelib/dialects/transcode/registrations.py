"""The workers of this protocol: each is an `ip:port`, standing for a worker of the farm, and a few notes beside it.

A worker is here while it sends heartbeats. Silent for 10 s, while the farm was there to hear it, it is lost: its tasks
go back to their lanes. The entry stays, so that a heartbeat after an outage (of the network, or of the farm) brings the
worker back: the real one never registers twice, and never reads that it is not known. One that has left is unknown
until it registers anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...compilers.transcode import PROTOCOL, TASK_TYPE, WHOLE_FILES
from ...core import leaving, workers
from ...core.errors import NotFound
from ...core.farm import Farm
from ...core.lifecycle import Outcome, WorkerStatus
from ...core.model import Worker, WorkerId
from ...core.records.aliases import Alias, Small
from .translate import ROOM
from .wire import Register

NOUN = "worker"
LOST_AFTER_MS = 10_000
MOST_REFUSALS = 3
"""After so many a worker is offered nothing until it registers anew."""
NO_ADDRESS = frozenset({"", "0.0.0.0", "::", "localhost"})
"""What workers send as their address that do not know it: the connection's counts."""


@dataclass(frozen=True)
class Registration:
    address: str
    """`ip:port`: its id in this protocol."""
    worker: WorkerId
    host: str
    port: int
    peer: str
    """Where its registration came from."""
    busy: bool
    heard_at: int
    asked_at: int
    declined_at: int
    refusals: int
    lost: bool
    left: bool

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/worker"

    def is_from(self, peer: str) -> bool:
        """Whether a connection from there may be this worker's."""
        return peer in (self.peer, self.host)


def register(farm: Farm, said: Register, peer: str) -> Registration:
    """Enter a worker, or renew its entry. What it holds it keeps: its answers will tell whether it knows of it."""
    host = peer or "127.0.0.1" if said.ip in NO_ADDRESS else said.ip
    address = f"{host}:{said.port}"
    worker = _signed_on(farm, address, said.cuts)
    notes: dict[str, Small] = {"host": host, "port": said.port, "peer": peer, "heard_at": farm.clock.now()}
    fresh = {"busy": said.state != 0, "refusals": 0, "declined_at": 0, "lost": False, "left": False}
    workers.contact(farm, worker, wants_work=True)
    return _noted(farm, address, **notes, **fresh)


def _signed_on(farm: Farm, address: str, cuts: bool) -> Worker:
    """The worker of this address: the one it was before, or a new one."""
    tags = (PROTOCOL,) if cuts else (PROTOCOL, WHOLE_FILES)
    description = workers.Description(address[:200], (TASK_TYPE,), tags=tags, software="transcode protocol")
    known = farm.aliases.get(ROOM, NOUN, address)
    before = farm.workers.get(known.id) if known is not None else None
    if before is not None:
        return workers.sign_on(farm, before, description)
    if known is not None:
        farm.aliases.remove(ROOM, NOUN, address)  # somebody has removed its worker
    worker, _ = workers.register(farm, description, with_secret=False)
    return workers.get(farm, farm.aliases.add(ROOM, NOUN, address, worker.id).id)


def heard(farm: Farm, entry: Registration, *, busy: bool) -> Registration:
    """A heartbeat."""
    worker = farm.workers.get(entry.worker)
    if worker is None:
        raise NotFound(f"no such worker: {entry.address}")
    if entry.lost or worker.status is WorkerStatus.OFFLINE:
        worker = workers.sign_on(farm, worker, _description_of(worker))
    if worker.status_requested in (WorkerStatus.ASLEEP, WorkerStatus.AWAKE):
        # It is not asked: asleep it is offered nothing.
        worker = workers.has_become(farm, worker, worker.status_requested.value)
    workers.contact(farm, worker, wants_work=True)
    return _noted(farm, entry.address, heard_at=farm.clock.now(), busy=busy, lost=False)


def _description_of(worker: Worker) -> workers.Description:
    return workers.Description(worker.name, tuple(worker.task_types), tags=tuple(worker.tags), software=worker.software)


def note(farm: Farm, entry: Registration, **notes: Small) -> Registration:
    return _noted(farm, entry.address, **notes)


def _noted(farm: Farm, address: str, **notes: Small) -> Registration:
    alias = farm.aliases.note(ROOM, NOUN, address, **notes)
    if alias is None:
        raise NotFound(f"no such worker: {address}")
    return _registration(alias)


def lose(farm: Farm, entry: Registration) -> None:
    """It has fallen silent: somebody else gets what it held. Unless it was heard of since this entry was read."""
    now = farm.aliases.get(ROOM, NOUN, entry.address)
    if now is None or _registration(now).heard_at != entry.heard_at:
        return
    _end(farm, entry, Outcome.LOST, "its worker fell silent")
    _noted(farm, entry.address, lost=True)


def leave(farm: Farm, entry: Registration) -> None:
    """It has said goodbye."""
    _end(farm, entry, Outcome.RELEASED, "its worker has left")
    _noted(farm, entry.address, left=True)


def _end(farm: Farm, entry: Registration, outcome: Outcome, why: str) -> None:
    worker = farm.workers.get(entry.worker)
    if worker is not None:
        leaving.give_back_all(farm, worker, outcome, why)
        workers.sign_off(farm, worker)


def entries(farm: Farm) -> Iterator[Registration]:
    """All that have not left, the lost ones too."""
    found = (_registration(alias) for alias in farm.aliases.all(ROOM, NOUN))
    return (entry for entry in found if not entry.left)


def find(farm: Farm, worker_id: str, peer: str) -> Registration:
    """Who is meant: by `ip:port`, by both glued together, by an ip that only one has, else by the connection's address,
    if only one worker came from there. Raises NotFound."""
    known = list(entries(farm))
    ways: tuple[Callable[[Registration], bool], ...] = (
        lambda entry: entry.address == worker_id,
        lambda entry: f"{entry.host}{entry.port}" == worker_id,
        lambda entry: entry.host == worker_id,
        lambda entry: entry.is_from(peer),
    )
    for fits in ways:
        meant = [entry for entry in known if fits(entry)]
        if len(meant) == 1:
            return meant[0]
    raise NotFound(f"no such worker: {worker_id[:80]!r}")


def of_worker(farm: Farm, worker_id: WorkerId) -> Registration | None:
    """The entry of a worker of the farm; None for those of other protocols."""
    worker = farm.workers.get(worker_id)
    alias = farm.aliases.get(ROOM, NOUN, worker.name) if worker is not None else None
    return _registration(alias) if alias is not None and alias.id == worker_id else None


def _registration(alias: Alias) -> Registration:
    notes = alias.notes
    return Registration(
        address=alias.external,
        worker=alias.id,
        host=str(notes.get("host", "")),
        port=int(notes.get("port", 0)),
        peer=str(notes.get("peer", "")),
        busy=bool(notes.get("busy", False)),
        heard_at=int(notes.get("heard_at", 0)),
        asked_at=int(notes.get("asked_at", 0)),
        declined_at=int(notes.get("declined_at", 0)),
        refusals=int(notes.get("refusals", 0)),
        lost=bool(notes.get("lost", False)),
        left=bool(notes.get("left", False)),
    )
