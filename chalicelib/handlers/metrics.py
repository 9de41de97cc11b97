"""Numbers for CloudWatch, as lines of the log in its embedded metric format: no call, and nothing to permit."""

from __future__ import annotations

import json

from ..core.ports import Clock

NAMESPACE = "Millrace"


def line(clock: Clock, stage: str, **seconds: int) -> str:
    """One line that CloudWatch reads as metrics of this stage."""
    metrics = [{"Name": name, "Unit": "Seconds"} for name in seconds]
    about = {"Namespace": NAMESPACE, "Dimensions": [["Stage"]], "Metrics": metrics}
    return json.dumps({"_aws": {"Timestamp": clock.now(), "CloudWatchMetrics": [about]}, "Stage": stage, **seconds})
