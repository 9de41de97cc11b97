"""The fleet's decision against a small world that starts and ends machines, loses some, and brings work as it likes."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import event, given
from hypothesis import strategies as st

from chalicelib.core.fleet import HOUR_MS, Decision, Memory, Rules, Seen, State, affordable, decide, spent

MINUTE = 60_000
DOLLAR = 1_000_000

rules = st.builds(
    Rules,
    most=st.integers(1, 12),
    price=st.integers(DOLLAR // 100, 2 * DOLLAR),
    hourly_cap=st.integers(0, 20 * DOLLAR),
    cool_down_ms=st.integers(0, 15).map(lambda minutes: minutes * MINUTE),
    tasks_each=st.integers(1, 4),
)


@dataclass
class World:
    """One task a machine at a time. `ask_to_go` is heard a look later; what is terminated takes a while to be gone."""

    rules: Rules
    now: int
    queued: int = 0
    desired: int = 0
    machines: dict[str, State] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    made: int = 0
    paid_in_hour: dict[int, int] = field(default_factory=dict)
    decisions: list[tuple[int, Decision]] = field(default_factory=list)

    def of(self, state: State) -> list[str]:
        return [name for name, its in self.machines.items() if its is state]

    def look(self) -> Decision:
        held = len(self.of(State.BUSY))
        seen = Seen(self.now, self.queued, held, self.desired, dict(self.machines))
        made = decide(self.rules, seen, self.memory)
        self.memory = made.memory
        self.decisions.append((self.now, made))
        for name in made.terminate:
            assert self.machines[name] in (State.GONE, State.SILENT)
            self.machines[name] = State.ENDING
        for name in made.ask_to_go:
            assert self.machines[name] is State.IDLE
            self.machines[name] = State.GOING
        self.desired = made.desired
        return made

    def minute_passes(self, starts: int, ends: int, lost: int, *, clears: bool = True) -> None:
        """As many machines start, tasks end and machines fall silent, at most. `clears`: what was ending is gone."""
        hour = self.now // HOUR_MS
        self.paid_in_hour[hour] = self.paid_in_hour.get(hour, 0) + len(self.machines) * MINUTE
        self.now += MINUTE
        if clears:
            self.machines = {name: state for name, state in self.machines.items() if state is not State.ENDING}
        for name in self.of(State.GOING):
            self.machines[name] = State.GONE
        for name in self.of(State.STARTING):
            self.machines[name] = State.IDLE
        for name in self.of(State.BUSY)[:ends]:
            self.machines[name] = State.IDLE
        for name in (self.of(State.IDLE) + self.of(State.BUSY))[:lost]:
            self.machines[name] = State.SILENT
        for name in self.of(State.IDLE)[: self.queued]:
            self.machines[name] = State.BUSY
            self.queued -= 1
        for _ in range(min(starts, self.desired - (len(self.machines) - len(self.of(State.ENDING))))):
            self.made += 1
            self.machines[f"i-{self.made:03d}"] = State.STARTING


minutes = st.lists(
    st.tuples(
        st.one_of(st.just(0), st.integers(0, 20)),  # new tasks
        st.integers(0, 12),  # machines that the group manages to start
        st.integers(0, 4),  # tasks that end
        st.sampled_from([0, 0, 0, 0, 1]),  # machines that fall silent
        st.booleans(),  # what was ending is gone
    ),
    max_size=90,
)


@given(rules, minutes, st.integers(0, 59))
def test_never_too_many_never_too_dear_never_a_busy_one_and_nothing_when_idle(
    rules: Rules, minutes: list[tuple[int, int, int, int, bool]], at: int
) -> None:
    world = World(rules, now=1_000 * HOUR_MS + at * MINUTE)
    for tasks, starts, ends, lost, clears in minutes:
        world.queued += tasks
        world.look()  # asserts that only what has no worker, or does nothing, goes
        assert len(world.machines) <= rules.most
        world.minute_passes(starts, ends, lost, clears=clears)
    for paid_ms in world.paid_in_hour.values():
        assert paid_ms * rules.price <= rules.hourly_cap * HOUR_MS
    world.queued = 0
    for _ in range(2 * rules.cool_down_ms // MINUTE + 16):
        world.look()
        world.minute_passes(starts=0, ends=12, lost=0)
    event(f"had machines: {world.made > 0}")
    assert (world.desired, world.machines) == (0, {})


@given(rules, minutes)
def test_none_goes_within_the_cool_down_after_one_more_was_wanted(
    rules: Rules, minutes: list[tuple[int, int, int, int, bool]]
) -> None:
    """Unless the money is gone."""
    world = World(rules, now=1_000 * HOUR_MS)
    grown_at: int | None = None
    for tasks, starts, ends, _, clears in minutes:
        world.queued += tasks
        before = world.desired
        made = world.look()
        pays_for = affordable(rules, spent(made.memory, world.now), world.now)
        cancels = made.desired < before - len(made.terminate)
        if grown_at is not None and world.now - grown_at < rules.cool_down_ms and before <= pays_for:
            assert not made.ask_to_go and not cancels
        if made.desired > before - len(made.terminate):
            grown_at = world.now
        world.minute_passes(starts, ends, 0, clears=clears)


def world(**given: int) -> World:
    usual = {"most": 10, "price": DOLLAR // 10, "hourly_cap": 2 * DOLLAR, "cool_down_ms": 5 * MINUTE}
    return World(Rules(**(usual | given)), now=1_000 * HOUR_MS)


def test_it_grows_at_once_to_what_is_queued() -> None:
    farm = world()
    farm.queued = 4
    made = farm.look()
    assert made.desired == 4
    assert made.reason == "4 queued, 0 running: 4 machines would do"


def test_the_most_is_the_most_and_it_says_so() -> None:
    farm = world()
    farm.queued = 400
    made = farm.look()
    assert made.desired == 10
    assert made.reason == "400 or more queued, 0 running: 400 machines would do, but 10 is the most"


def test_the_cap_counts_what_this_hour_has_spent() -> None:
    farm = world(hourly_cap=DOLLAR // 2)
    farm.queued = 400
    made = farm.look()
    assert made.desired == 5
    assert "the cap of $0.5 an hour pays for 5 ($0.00 of this hour is spent)" in made.reason
    farm.memory = Memory(looked_at=farm.now, paid=0, spent_ms=4 * HOUR_MS)
    farm.now += 30 * MINUTE
    assert farm.look().desired == 2  # ten cents are left for half an hour
    farm.now += 30 * MINUTE
    assert farm.look().desired == 5  # a new hour


def test_a_burst_late_in_an_hour_is_none_that_the_next_hour_cannot_pay() -> None:
    farm = world(hourly_cap=DOLLAR // 2)
    farm.now += 59 * MINUTE
    farm.queued = 400
    assert farm.look().desired == 5


def test_what_was_needed_within_the_cool_down_stays() -> None:
    farm = world()
    farm.queued, farm.desired, farm.machines = 0, 4, {f"i-{n}": State.IDLE for n in range(4)}
    gone = []
    for minute in range(6):
        farm.queued = 2 if minute == 3 else 0  # others are faster, and take these two
        gone.append(len(farm.look().ask_to_go))
        farm.now += MINUTE
    assert gone == [0, 0, 0, 0, 0, 2]


def test_it_does_not_wait_for_machines_that_the_group_cannot_start() -> None:
    farm = world(cool_down_ms=0)
    farm.queued = 6
    farm.look()
    farm.minute_passes(2, 0, 0)
    farm.queued = 0
    assert farm.look().desired == 2


def test_what_is_silent_is_replaced_while_it_is_needed() -> None:
    farm = world()
    farm.queued, farm.desired, farm.machines = 2, 2, {"i-a": State.SILENT, "i-b": State.BUSY}
    made = farm.look()
    assert made.terminate == ("i-a",)
    assert made.desired == 3
    assert "1 machine without contact" in made.reason
