"""Join tokens: one lets one machine in, whatever is lost, repeated, crashes or comes at once; on every engine."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from chalicelib.core import access, joining
from chalicelib.core.errors import BadInput, FarmError, Forbidden
from chalicelib.core.farm import Farm
from chalicelib.core.joining import JoinTokenUsed, NotAJoinToken
from chalicelib.core.ports import TableUnavailable
from chalicelib.core.records.keys import INDEXES
from chalicelib.store.sqlite import SqliteTable
from tests.core.conftest import make_farm
from tests.core.test_stateful import InterleavedTable
from tests.engines.simulated import Crash, Faults, SimulatedClock, SimulatedTable
from tests.store.engines import dynamo_table_with, moto_client

MINUTE = 60_000


@pytest.fixture(params=["sqlite", "simulated", "dynamodb"])
def farm(request: pytest.FixtureRequest, tmp_path: Path, clock: SimulatedClock) -> Iterator[Farm]:
    if request.param == "sqlite":
        table = SqliteTable(tmp_path / "farm.db", INDEXES)
        yield make_farm(table, clock)
        table.close()
    elif request.param == "simulated":
        yield make_farm(SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock), clock)
    else:
        with moto_client() as client:
            yield make_farm(dynamo_table_with(client, INDEXES), clock)


def made(farm: Farm, minutes: int = 15) -> str:
    return joining.make(farm, "for node7", minutes)[1]


def test_a_join_token_becomes_a_token_that_registers_one_worker_and_opens_nothing(farm: Farm) -> None:
    lasting = joining.join(farm, made(farm), "node7", "n" * 20)
    who = access.principal(farm, lasting)
    assert who is not None
    who.require_to_register("node7")
    for wrong in ("node8", "", "NODE7"):
        with pytest.raises(Forbidden, match="node7"):
            who.require_to_register(wrong)
    for scope in access.Scope:
        with pytest.raises(Forbidden, match="for nothing else"):
            who.require(scope)


def test_a_join_token_itself_opens_nothing(farm: Farm) -> None:
    assert access.principal(farm, made(farm)) is None


def test_the_second_machine_is_refused_and_the_first_may_ask_again(farm: Farm, clock: SimulatedClock) -> None:
    text = made(farm)
    lasting = joining.join(farm, text, "node7", "a" * 20)
    clock.advance(20 * MINUTE)  # its own lifetime has ended meanwhile: the answer was lost all the same
    for name, nonce in (("node7", "b" * 20), ("node8", "a" * 20), ("node8", "b" * 20)):
        with pytest.raises(JoinTokenUsed):
            joining.join(farm, text, name, nonce)
    assert joining.join(farm, text, "node7", "a" * 20) == lasting
    clock.advance(60 * MINUTE)
    with pytest.raises(NotAJoinToken):
        joining.join(farm, text, "node7", "a" * 20)
    assert access.principal(farm, lasting) is not None


def test_a_join_token_ends_and_is_not_listed_any_more(farm: Farm, clock: SimulatedClock) -> None:
    text = made(farm, minutes=2)
    [listed] = access.tokens(farm)
    assert (listed.scopes, listed.ends_at) == (("join",), clock.now() + 2 * MINUTE)
    clock.advance(2 * MINUTE)
    assert access.tokens(farm) == []
    with pytest.raises(NotAJoinToken):
        joining.join(farm, text, "node7", "a" * 20)


def test_both_can_be_revoked(farm: Farm) -> None:
    unused, used = made(farm), made(farm)
    lasting = joining.join(farm, used, "node7", "a" * 20)
    [mine] = [token for token in access.tokens(farm) if token.scopes == ("worker",)]
    assert (mine.name, mine.worker) == ("node7", "node7")
    access.revoke(farm, mine.id)
    assert access.principal(farm, lasting) is None
    with pytest.raises(Forbidden, match="revoked"):
        joining.join(farm, used, "node7", "a" * 20)
    for token in access.tokens(farm):
        access.revoke(farm, token.id)
    with pytest.raises(NotAJoinToken):
        joining.join(farm, unused, "node8", "a" * 20)


@pytest.mark.parametrize("minutes", [0, -1, 24 * 60 + 1])
def test_it_lives_for_a_day_at_most(farm: Farm, minutes: int) -> None:
    with pytest.raises(BadInput, match="1 to 1440 minutes"):
        made(farm, minutes)


def test_old_ones_are_removed_when_another_is_made(farm: Farm, clock: SimulatedClock) -> None:
    for _ in range(3):
        made(farm)
    clock.advance(joining.KEPT_MS)
    made(farm)
    made(farm)
    assert len(farm.table.query("LIST#join-tokens", index="listing").items) == 2


def test_of_many_machines_at_the_same_moment_one_gets_in(tmp_path: Path, clock: SimulatedClock) -> None:
    """Threads, with connections of their own to one file."""
    tables = [SqliteTable(tmp_path / "farm.db", INDEXES) for _ in range(4)]
    farms = [make_farm(table, clock) for table in tables]
    for _ in range(10):
        text = made(farms[0])
        start, lasting = threading.Barrier(len(farms)), list[str]()

        def try_it(number: int, text: str = text, start: threading.Barrier = start, got: list[str] = lasting) -> None:
            start.wait()
            try:
                got.append(joining.join(farms[number], text, f"node{number}", f"nonce-of-node-{number}"))
            except JoinTokenUsed:
                pass

        threads = [threading.Thread(target=try_it, args=(number,)) for number in range(len(farms))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(lasting) == 1
    for table in tables:
        table.close()


def test_a_manager_that_dies_at_any_point_strands_nobody(clock: SimulatedClock) -> None:
    def story(table: SimulatedTable, text: str) -> str:
        return joining.join(make_farm(table, clock), text, "node7", "a" * 20)

    def fresh() -> tuple[SimulatedTable, str]:
        table = SimulatedTable(INDEXES, seed=1, lag_ms=(0, 0), clock=clock)
        return table, made(make_farm(table, clock))

    table, text = fresh()
    before = table.points
    story(table, text)
    assert table.points > before
    for point in range(before, table.points):
        table, text = fresh()
        table.crash_at = point
        with pytest.raises(Crash):
            story(table, text)
        table.calm()
        lasting = story(table, text)
        assert access.principal(make_farm(table, clock), lasting) is not None
        with pytest.raises(JoinTokenUsed):
            joining.join(make_farm(table, clock), text, "node8", "b" * 20)


class Joining(RuleBasedStateMachine):
    """Machines that join with tokens of which some have the same, over a table that loses and repeats, while between
    any two of its calls another machine may be served. Known: who holds what; true at the end: one for each token."""

    @initialize(seed=st.integers(0, 2**32), rate=st.sampled_from([0.0, 0.05, 0.2]), often=st.sampled_from([0.0, 0.3]))
    def begin(self, seed: int, rate: float, often: float) -> None:
        self.clock = SimulatedClock()
        self.faults = Faults(
            lost_answer=rate, repeated=rate, refused=rate, conflict=rate, unreadable=rate, crash=rate / 2
        )
        self.table = SimulatedTable(INDEXES, seed=seed, lag_ms=(0, 500), clock=self.clock)
        self.texts = [made(make_farm(self.table, self.clock), minutes=60) for _ in range(2)]
        self.held: dict[tuple[int, int], str] = {}
        self.chance = random.Random(seed)
        self.often = often
        self.table.faults = self.faults

    @rule(token=st.integers(0, 1), machine=st.integers(0, 3))
    def joins(self, token: int, machine: int) -> None:
        def somebody_else() -> None:
            self.ask(self.table, self.chance.randrange(2), self.chance.randrange(4))

        self.ask(InterleavedTable(self.table, somebody_else, self.chance, self.often), token, machine)

    def ask(self, table: object, token: int, machine: int) -> None:
        try:
            farm = make_farm(table, self.clock)  # type: ignore[arg-type]
            lasting = joining.join(farm, self.texts[token], f"node{machine}", f"nonce-{machine}-of-{token}-long")
        except (FarmError, TableUnavailable, Crash):
            return
        assert self.held.setdefault((token, machine), lasting) == lasting, "an answer was repeated with another token"

    @rule(seconds=st.integers(1, 60))
    def waits(self, seconds: int) -> None:
        self.clock.advance(seconds * 1000)

    def teardown(self) -> None:
        if not hasattr(self, "table"):
            return
        self.table.calm()
        farm = make_farm(self.table, self.clock)
        for token in range(2):
            holders = [machine for (its, machine) in self.held if its == token]
            assert len(holders) <= 1, f"machines {holders} got in with one token"
            for machine in range(4):
                self.ask(self.table, token, machine)
            now = [machine for (its, machine) in self.held if its == token]
            assert len(now) == 1 and (not holders or now == holders)
        assert all(access.principal(farm, lasting) is not None for lasting in self.held.values())
        self.clock.advance(1000)
        assert sum(token.scopes == ("worker",) for token in access.tokens(farm)) == 2


def test_machines_with_the_same_join_token_under_faults() -> None:
    run_state_machine_as_test(Joining, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))  # type: ignore[no-untyped-call]
