"""`docs/runbook.md` knows every alarm, and every action that the logs can name."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "runbook.md").read_text()
KNOWN = set(re.findall(r"`([a-z_-]+)`", PAGE))
MANAGER = re.compile(r'extra\b.*?"action": "([a-z_]+)"|_complain\(\s*"[^"]+", "([a-z_]+)"|trace\.attempt\("([a-z]+)"')
WORKER = re.compile(r'\bsay\(\s*"([a-z-]+)"')


def named(folder: str, pattern: re.Pattern[str]) -> set[str]:
    texts = (path.read_text() for path in (ROOT / folder).rglob("*.py"))
    return {next(filter(None, found.groups())) for text in texts for found in pattern.finditer(text)}


def test_every_alarm_is_explained() -> None:
    alarms = set(
        re.findall(r"AlarmName: !Sub millrace-\$\{Stage\}-([a-z-]+)", (ROOT / "infra/alarms.yaml").read_text())
    )
    assert len(alarms) >= 7
    assert alarms - KNOWN == set(), "docs/runbook.md should say what these mean and what to do"


def test_every_action_of_the_logs_is_explained() -> None:
    manager, worker = named("chalicelib", MANAGER), named("worker/millrace", WORKER)
    assert {"settle_failed", "change_passed_over", "claimed"} <= manager and {"claim", "report"} <= worker
    assert (manager | worker) - KNOWN == set(), "docs/runbook.md should say what these mean and what to do"
