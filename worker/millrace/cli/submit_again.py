"""`millrace rerun JOB`: the same job once more, for some of its frames, or with other settings."""

from __future__ import annotations

from typing import Any

import click

from millrace.cli.options import Invocation, command, pass_invocation
from millrace.cli.submitting import job_options, pair_of, submit_and_follow


@command("rerun")
@click.argument("job")
@click.option("--frames", metavar="FRAMES", help="Only these, such as 12,40-45. [default: all]")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting that is to be different.")
@job_options
@pass_invocation
def rerun(invocation: Invocation, /, job: str, frames: str | None, pairs: tuple[str, ...], **options: Any) -> int:
    """Submit JOB once more as a new job: for some of its frames, or with other settings.

    Fetched into the same folder, its results take the place of those they replace. Some frames alone get no preview
    video, but for --set preview=true: the one there shows all. (What failed or was canceled runs
    again within its own job with `millrace retry`.)

      millrace rerun JOB --frames 12,40-45 --set samples=512 --to frames
    """
    farm = invocation.farm()
    before = farm.job(job)
    settings = dict(before.settings)
    if frames is not None and "frames" not in settings:
        raise click.BadParameter(f"a job of type {before.type} has no frames", param_hint="--frames")
    if added := settings.pop("added", None):
        settings["frames"] = ",".join([settings["frames"], *added])
    if frames is not None:
        settings["frames"] = frames
        if "output_path" not in settings:  # a video of these few would take the place of that of all
            settings.pop("preview", None)
    settings |= dict(map(pair_of, pairs))
    options["name"] = options["name"] or f"{before.name} again"[:200]
    options["tags"] = options["tags"] or before.tags
    for limit in ("max_workers", "max_retries", "on_failure"):
        options[limit] = getattr(before, limit) if options[limit] is None else options[limit]
    if click.get_current_context().get_parameter_source("priority") is click.core.ParameterSource.DEFAULT:
        options["priority"] = before.priority
    return submit_and_follow(invocation, farm, before.type, settings, retry=before.retry, **options)
