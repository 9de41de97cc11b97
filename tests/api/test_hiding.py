"""Commands are shown without what looks like a secret, and otherwise as they are."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from chalicelib.api.hiding import without_secrets


def shown(settings: dict[str, Any]) -> Any:
    return without_secrets({"name": "exec", "settings": settings})["settings"]


@pytest.mark.parametrize(
    "settings",
    [
        {"password": "hunter2"},
        {"env": {"API_TOKEN": "hunter2"}},
        {"argv": ["upload", "--password", "hunter2", "film.mov"]},
        {"argv": ["upload", "--api-key=hunter2"]},
        {"cmd": "upload --password hunter2 film.mov"},
        {"cmd": "DB_PASSWORD=hunter2 run"},
        {"cmd": "upload --password=hunter2&secret: hunter2 --x-token\thunter2"},
        {"cmd": "-password = hunter2 'my-token=hunter2'"},
        {"url": "ftp://ann:hunter2@files.example/film.mov"},
        {"url": "https://bucket.example/film?X-Amz-Signature=hunter2&x=1"},
        {"nested": [{"credentials": {"user": "ann", "secret_key": "hunter2"}}]},
        {"headers": {"Authorization": "Bearer hunter2"}},
    ],
)
def test_what_looks_like_a_secret_is_left_out(settings: dict[str, Any]) -> None:
    assert "hunter2" not in str(shown(settings)) and "…" in str(shown(settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"cmd": "blender -b shot.blend -f 1..10", "frames": [1, 2], "passes": "beauty", "samples": 64},
        {"argv": ["echo", "the", "token", "is", "gone"], "message": "no password was given"},
        {"url": "https://studio.example/a?b=c", "path": "/mnt/secrets/shot.blend", "password": ""},
        {"pass_index": 3, "nothing": None, "yes": True},
    ],
)
def test_everything_else_is_shown_as_it_is(settings: dict[str, Any]) -> None:
    assert shown(settings) == settings


@pytest.mark.parametrize(
    "many", ["a", "token", "token ", "--token", "token=", "://", "://a:", "a:", "://token:a=", " ", "-"]
)
def test_a_long_text_keeps_nobody_waiting(many: str) -> None:
    """100 KB of anything take a moment: a search that grows with the square of that would go on for many minutes."""
    looks = "import sys; from chalicelib.api.hiding import without_secrets; "
    text = "print(without_secrets({'cmd': '://' + sys.argv[1] * (100_000 // len(sys.argv[1]))})['cmd'])"
    program = [sys.executable, "-c", looks + text, many]
    said = subprocess.run(program, check=True, timeout=60, capture_output=True, encoding="utf-8").stdout.rstrip("\n")
    assert said.startswith("://") and 3 < len(said) <= 3 + 100_000
