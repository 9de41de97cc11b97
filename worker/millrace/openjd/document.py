"""What travels to the worker: the template with the values of its parameters, and where its paths lie there.

    {"library": "0.14.0", "template": {...}, "values": {"Frames": {"type": "STRING", "value": "1-9"}},
     "rules": [{"format": "POSIX", "source": "/shots", "folder": "input/0"}]}

The order of a step's tasks is the library's, so the worker must have the same: that is what `library` is for.
"""

from __future__ import annotations

import json
import os
from typing import Any

from millrace.openjd.capabilities import tags_wanted
from millrace.openjd.paths import Layout
from millrace.openjd.template import ReadyJob, tasks_of


def document_of(job: ReadyJob, layout: Layout) -> bytes:
    from openjd.model import version

    here = "WINDOWS" if os.name == "nt" else "POSIX"
    content = {
        "library": version,
        "template": job.template.content,
        "values": {name: {"type": one.type.value, "value": str(one.value)} for name, one in job.values.items()},
        "rules": [{"format": here, "source": rule.source, "folder": rule.folder} for rule in layout.rules],
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=str).encode()


def steps_of(job: ReadyJob) -> list[dict[str, Any]]:
    """The steps as the farm's job type `openjd` takes them, each after those that it depends on."""
    from openjd.model import StepDependencyGraph

    ordered = StepDependencyGraph(job=job.job).topo_sorted()
    return [
        {
            "name": step.name,
            "count": len(tasks_of(step)),
            "after": [dependency.dependsOn for dependency in step.dependencies or ()],
            "tags": tags_wanted(step),
        }
        for step in ordered
    ]


def settings_of(job: ReadyJob, layout: Layout) -> dict[str, Any]:
    """All but the blobs: `document` and `manifest`."""
    return {"steps": steps_of(job), "outputs": layout.has_outputs}
