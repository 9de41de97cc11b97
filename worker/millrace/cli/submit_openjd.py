"""`millrace submit openjd TEMPLATE` and `submit bundle FOLDER`: jobs in the form of Open Job Description."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from millrace.cli.folders import upload_files
from millrace.cli.options import FarmCommand, Invocation, pass_invocation
from millrace.cli.submitting import job_options, submit_and_follow
from millrace.farm import Farm
from millrace.openjd.errors import Refused, libraries
from millrace.sdk.unsent import Unsent

if TYPE_CHECKING:
    from millrace.openjd.paths import Files

parameter_option = click.option(
    "-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE", help="A parameter's value. May be repeated."
)
shared_option = click.option(
    "--shared", is_flag=True, help="All paths lie on storage that every worker sees; upload nothing, fetch nothing."
)


@click.command("openjd", cls=FarmCommand)
@click.argument("template", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@parameter_option
@shared_option
@job_options
@pass_invocation
def submit_openjd(invocation: Invocation, /, template: Path, pairs: tuple[str, ...], shared: bool, **job: Any) -> int:
    """Submit an Open Job Description TEMPLATE (YAML or JSON).

    Files and folders that its PATH parameters read are uploaded; what it writes into those it declares as OUT comes
    back as the job's output.

      millrace submit openjd render.yaml -p Frames=1-100 --to results
    """
    with refusals():
        return _submit(invocation, template, None, _values(pairs), shared, job)


@click.command("bundle", cls=FarmCommand)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@parameter_option
@shared_option
@job_options
@pass_invocation
def submit_bundle(invocation: Invocation, /, folder: Path, pairs: tuple[str, ...], shared: bool, **job: Any) -> int:
    """Submit a job bundle: a FOLDER with a template, parameter_values and asset_references, as submitters save it."""
    with refusals():
        from millrace.openjd.bundle import template_of, values_of

        template, saved = template_of(folder), values_of(folder)
        return _submit(invocation, template, folder, saved | _values(pairs), shared, job)


@contextmanager
def refusals() -> Iterator[None]:
    """What cannot become a job is a wrong use of the command."""
    try:
        with libraries():
            yield
    except Refused as error:
        raise click.UsageError(str(error)) from None


def _values(pairs: tuple[str, ...]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair or pair.startswith("="):
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="-p")
    return dict(pair.split("=", 1) for pair in pairs)


def _submit(
    invocation: Invocation,
    template: Path,
    bundle: Path | None,
    values: Mapping[str, Any],
    shared: bool,
    options: dict[str, Any],
) -> int:
    # Here, not above: the libraries take half a second, and no other command needs them.
    from millrace.openjd.document import document_of, settings_of
    from millrace.openjd.paths import Files, files_of, layout_of
    from millrace.openjd.template import read_template, ready_job

    job = ready_job(read_template(template), values, bundle or Path())
    files = Files() if shared else files_of(job).also(_assets(bundle))
    layout = layout_of(files)
    settings = settings_of(job, layout)  # refuses what this farm cannot do, before anything is sent
    farm = invocation.farm()
    if layout.inputs:
        settings["manifest"] = Unsent(partial(upload_files, farm, layout.inputs))
    settings["document"] = Unsent(partial(_uploaded, farm, document_of(job, layout)))
    options["name"] = options["name"] or job.job.name[:200]
    return submit_and_follow(invocation, farm, "openjd", settings, **options)


def _uploaded(farm: Farm, document: bytes) -> str:
    with tempfile.TemporaryDirectory(prefix="millrace-") as folder:
        path = Path(folder) / "job.json"
        path.write_bytes(document)
        return farm.upload(path)


def _assets(bundle: Path | None) -> Files:
    from millrace.openjd.bundle import assets_of
    from millrace.openjd.paths import Files

    return Files() if bundle is None else assets_of(bundle)
