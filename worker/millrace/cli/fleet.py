"""`millrace workers`: those that the farm knows."""

from __future__ import annotations

from millrace.cli.options import Invocation, command, pass_invocation


@command("workers")
@pass_invocation
def workers(invocation: Invocation) -> None:
    """List the workers that the farm knows."""
    from millrace.cli.rendering import table, when

    found = list(invocation.farm().workers())
    if invocation.as_json:
        return invocation.answer_list(found)
    rows = [
        [
            one.id,
            one.name,
            one.status,
            f"{len(one.tasks)}/{one.slots}",
            ",".join(one.task_types),
            when(one.last_contact_at),
        ]
        for one in found
    ]
    table(["ID", "NAME", "STATUS", "BUSY", "TASK TYPES", "LAST CONTACT"], rows)
