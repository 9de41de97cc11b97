"""`python -m tests.chaos`: many rounds, several at once; the first line of what each found, and a summary.

Interrupted (Ctrl-C, SIGTERM) it ends the rounds that are under way and sums up those that were played. Killed, it
leaves network namespaces; the next start removes them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from pathlib import Path

from tests.chaos import hosts
from tests.chaos.round import Outcome, abandon_all, broken, play

INTERRUPTED = 130
ENDING_SECONDS = 5.0
"""For rounds that are abandoned to undo what they did to disks."""


def main() -> int:
    options = _options()
    if left := hosts.remove_leftovers():
        print(f"removed what a process that is gone had left: {', '.join(left)}", flush=True)
    seeds = range(options.seed, options.seed + options.rounds)
    folder = Path(tempfile.mkdtemp(prefix="millrace-chaos-"))
    begun_at = time.monotonic()
    outcomes: list[Outcome] = []
    pool = ThreadPoolExecutor(options.at_once)
    rounds = {pool.submit(play, seed, folder / str(seed)): seed for seed in seeds}
    try:
        for future in as_completed(rounds):
            outcomes.append(_outcome(future, rounds[future]))
            _tell(outcomes[-1], folder)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        told = {outcome.seed for outcome in outcomes}
        for future in [future for future, seed in rounds.items() if future.done() and seed not in told]:
            outcomes.append(_outcome(future, rounds[future]))
            _tell(outcomes[-1], folder)
        _interrupt(pool, rounds, {outcome.seed for outcome in outcomes}, folder)
        _sum_up(outcomes, time.monotonic() - begun_at, folder)
        sys.stdout.flush()
        os._exit(INTERRUPTED)  # a round may wait for minutes before it sees that it is over
    pool.shutdown()
    return _sum_up(outcomes, time.monotonic() - begun_at, folder)


def _outcome(future: Future[Outcome], seed: int) -> Outcome:
    try:
        return future.result()
    except Exception as error:  # told with its seed, and its folder stays
        return broken(seed, error)


def _interrupt(pool: ThreadPoolExecutor, rounds: dict[Future[Outcome], int], played: set[int], folder: Path) -> None:
    """End what is under way; it has found nothing, so its folders go."""
    running = {future: seed for future, seed in rounds.items() if future.running()}
    print(f"interrupted; {len(rounds) - len(played)} rounds were not played to their end", flush=True)
    pool.shutdown(wait=False, cancel_futures=True)
    abandon_all()
    wait(running, ENDING_SECONDS)
    abandon_all()
    for seed in set(rounds.values()) - played:
        shutil.rmtree(folder / str(seed), ignore_errors=True)


def _sum_up(outcomes: Sequence[Outcome], seconds: float, folder: Path) -> int:
    """Print it; the exit code."""
    bad = sorted(outcome.seed for outcome in outcomes if outcome.found)
    print(
        f"{len(outcomes)} rounds in {seconds:.0f} s: "
        f"{sum(outcome.exchanges for outcome in outcomes)} requests, "
        f"{sum(outcome.undelivered for outcome in outcomes)} of them without an answer, "
        f"{sum(outcome.grants for outcome in outcomes)} grants"
    )
    faults: Counter[str] = sum((outcome.faults for outcome in outcomes), Counter())
    for name, number in faults.most_common():
        print(f"  {number:5d} {name.replace('_', ' ')}")
    conditions: Counter[str] = sum((outcome.conditions for outcome in outcomes), Counter())
    for name, number in conditions.most_common():
        print(f"  {number:5d} with {name}")
    print(f"{len(outcomes) - len(bad)} passed, {len(bad)} failed")
    if bad:
        print(f"seeds {bad}; their logs and histories are in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="millrace chaos", description="Rounds of faults on farms of real processes.")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next ones follow")
    parser.add_argument("--at-once", type=int, default=4, help="rounds that run side by side")
    return parser.parse_args()


def _tell(outcome: Outcome, folder: Path) -> None:
    if not outcome.found:
        shutil.rmtree(folder / str(outcome.seed), ignore_errors=True)
        return
    print(f"seed {outcome.seed}: {len(outcome.found)} found", flush=True)
    for sentence in outcome.found[:5]:
        print(f"    {sentence}", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
