"""`python -m tests.chaos`: many rounds, several at once; the first line of what each found, and a summary."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.chaos.round import Outcome, broken, play


def main() -> int:
    options = _options()
    seeds = range(options.seed, options.seed + options.rounds)
    folder = Path(tempfile.mkdtemp(prefix="millrace-chaos-"))
    begun_at = time.monotonic()
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(options.at_once) as pool:
        rounds = {pool.submit(play, seed, folder / str(seed)): seed for seed in seeds}
        for future in as_completed(rounds):
            try:
                outcomes.append(future.result())
            except Exception as error:  # told with its seed, and its folder stays
                outcomes.append(broken(rounds[future], error))
            _tell(outcomes[-1], folder)
    bad = sorted(outcome.seed for outcome in outcomes if outcome.found)
    print(
        f"{len(outcomes)} rounds in {time.monotonic() - begun_at:.0f} s: "
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
    sys.exit(main())
