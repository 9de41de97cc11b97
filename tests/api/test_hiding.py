"""Commands are shown without what looks like a secret, and otherwise as they are."""

from __future__ import annotations

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
