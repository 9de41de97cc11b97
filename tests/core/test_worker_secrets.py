"""Secrets of workers: what is kept of them, and what fits."""

from __future__ import annotations

import hashlib
import secrets
import string
import time
from typing import Any

import pytest

from chalicelib.core import worker_secrets, workers
from tests.core.conftest import Bench

FIXED = "7e1f0c9a5b3d48628f1a6c0d9e7b25413c8f6a0b9d7e52418f0a6c3b9d1e7f52"
LETTERS = string.ascii_letters + string.digits
WEAK = ["", "x", "swordfish", "a" * 64, "abc" * 30, "password" * 8, "1234567890" * 6, "correct horse battery staple"]


def random_secrets() -> list[str]:
    flamenco = ["".join(secrets.choice(LETTERS) for _ in range(64)) for _ in range(20)]
    ours = [secrets.token_urlsafe(32) for _ in range(20)]
    return [*flamenco, *ours, *(secrets.token_hex(32) for _ in range(20))]


def test_random_secrets_are_hashed_once_and_chosen_ones_are_stretched() -> None:
    assert {worker_secrets.kind_of(secret) for secret in random_secrets()} == {worker_secrets.RANDOM}
    assert {worker_secrets.kind_of(secret) for secret in WEAK} == {worker_secrets.CHOSEN}


@pytest.mark.parametrize("secret", [*WEAK, "pässwörd", "\ud800", FIXED], ids=lambda text: repr(text)[:12])
def test_only_the_secret_fits(secret: str) -> None:
    kept = worker_secrets.kept(secret)
    assert worker_secrets.fits(kept, secret)
    assert not any(worker_secrets.fits(kept, wrong) for wrong in (secret + "x", "y", secrets.token_hex(32)))
    assert len(secret) < 8 or secret not in kept


def test_the_same_secret_is_kept_differently_each_time() -> None:
    assert len({worker_secrets.kept("swordfish") for _ in range(3)}) == 3


@pytest.mark.parametrize("kept", [None, "", "sha256", "sha256:zz:00", "scrypt::", "0" * 64])
def test_nothing_fits_what_is_no_hash(kept: str | None) -> None:
    assert not any(worker_secrets.fits(kept, secret) for secret in ("", "0" * 64, secrets.token_hex(32)))


def test_a_wrong_guess_is_stretched_whether_the_worker_exists_or_not() -> None:
    """Only the presented secret decides how much work there is."""

    def seconds(kept: str | None, guess: str) -> float:
        begun = time.process_time()
        worker_secrets.fits(kept, guess)
        return time.process_time() - begun

    strong, weak = worker_secrets.kept(secrets.token_hex(32)), worker_secrets.kept("swordfish")
    stretched = min(seconds(kept, f"guess {n} of {kept}"[:20]) for n, kept in enumerate((None, strong, weak)))
    quick = max(seconds(kept, secrets.token_hex(32)) for kept in (None, strong, weak))
    assert stretched > 5 * quick


def test_a_wrong_guess_costs_as_much_the_second_time_and_a_right_one_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the time of a repeated guess would tell whether there is such a worker."""
    stretched: list[bytes] = []
    scrypt = hashlib.scrypt

    def counted(data: bytes, **options: Any) -> bytes:
        stretched.append(data)
        return scrypt(data, **options)

    kept = worker_secrets.kept("swordfish")
    monkeypatch.setattr(hashlib, "scrypt", counted)
    for one in (None, kept, kept, None):
        assert not worker_secrets.fits(one, "guess")
    assert stretched == [b"guess"] * 4
    assert all(worker_secrets.fits(kept, "swordfish") for _ in range(3))
    assert stretched == [b"guess"] * 4 + [b"swordfish"]
    assert not worker_secrets.fits(worker_secrets.kept("another"), "swordfish")


def test_a_worker_brings_its_own_secret(bench: Bench) -> None:
    described = workers.Description("w", task_types=("sleep",))
    worker, told = workers.register(bench.farm, described, with_secret=True, secret="swordfish")
    found = workers.get(bench.farm, worker.id)
    assert told == "swordfish" and workers.secret_fits(found, "swordfish") and not workers.secret_fits(found, "Sword")
