"""`./millrace deploy`, step by step. Each step may be repeated: a deployment that broke off is simply run again."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from . import chalice_config, deployed, fleet, template
from .account import Account
from .build import build
from .bundle import bundle
from .changing import brought_to
from .errors import DeployFailed
from .fleet import FleetWanted, architecture_of
from .stack import Described, Stack, Tell
from .stage import Stage
from .uploading import CodeBucket
from .wanted import Wanted


def deploy(account: Account, stage: Stage, wanted: Wanted, tell: Tell) -> None:
    """The checkout runs as this stage afterwards, or the stack is as it was and DeployFailed says why."""
    before = Stack(account.client("cloudformation"), stage.stack, tell).describe()
    of_fleet = _of_fleet(account, wanted.fleet, before.parameters if before else {})
    code = CodeBucket(account)
    tell(f"Building for {wanted.architecture} ...")
    with tempfile.TemporaryDirectory(prefix="millrace-") as folder:
        built = build(Path(folder), wanted.architecture)
        tell(f"The archive has {built.archive.stat().st_size / 1e6:.1f} MB.")
        place = code.put_archive(built.archive, built.sha256)
        if of_fleet.get("Fleet") == "yes":
            of_fleet |= _bundle_for_fleet(code, Path(folder) / "fleet", architecture_of(of_fleet["FleetType1"]), tell)
    names = stage.names(account.id, account.region)
    url = code.put_template(template.as_text(template.whole(built.template, place, names)))
    there = brought_to(account, stage, url, wanted.parameters() | of_fleet, tell)
    there = _page_let_in(account, stage, url, there, wanted, tell)
    _introduce(account, there, wanted, tell)


def _of_fleet(account: Account, wanted: FleetWanted, before: Mapping[str, str]) -> dict[str, str]:
    """Empty where there is no fleet and none was asked for."""
    asked = wanted.parameters(before)
    if not wanted.is_on(before):
        return asked
    kept = {"FleetType1": before["FleetType1"]} if "FleetType1" in before else {}
    return {**kept, **asked, **fleet.network(account, wanted, before)}


def _bundle_for_fleet(code: CodeBucket, folder: Path, architecture: str, tell: Tell) -> dict[str, str]:
    folder.mkdir()
    made = bundle(folder, architecture)
    tell(f"What machines of the fleet install ({architecture}) has {made.path.stat().st_size / 1e6:.1f} MB.")
    return {"FleetBundle": code.put_bundle(made.path, made.sha256)}


def deploy_infrastructure(account: Account, stage: Stage, wanted: Wanted, tell: Tell) -> None:
    """Everything but the functions, and what `chalice deploy` needs to know of it. `wanted.url`, once that has told it,
    lets the page there use the bucket."""
    before = Stack(account.client("cloudformation"), stage.stack, tell).describe()
    if before is not None and "Url" in before.outputs:
        raise DeployFailed(
            f"{stage.stack} is a whole farm: --only-infra would take its functions and its URL away. Give another "
            "--stage, or destroy that one first (its data stays)"
        )
    names = stage.names(account.id, account.region)
    url = CodeBucket(account).put_template(template.as_text(template.infrastructure(names)))
    there = brought_to(account, stage, url, wanted.parameters(), tell)
    if wanted.url:
        there = _page_let_in(account, stage, url, there, wanted, tell)
    path = chalice_config.write(stage, there, wanted.architecture)
    token = deployed.first_token(deployed.farm_of(account, there))
    tell(f"Wrote the stage {stage.name} into {path}. Next:")
    tell(f"  AWS_DEFAULT_REGION={account.region} .venv/bin/chalice deploy --stage {stage.name}")
    _tell_token(token, tell)


def _page_let_in(account: Account, stage: Stage, url: str, there: Described, wanted: Wanted, tell: Tell) -> Described:
    """The bucket lets the web page in by its origin, known when the stack stands: a second, small change, once.

    Within one change it would be a circle: the page's address comes from the functions, and these need the bucket.
    """
    place = urlsplit(wanted.url or there.outputs["Url"])
    origin = f"{place.scheme}://{place.netloc}"
    if there.parameters.get("PageOrigin") == origin:
        return there
    tell(f"The page at {origin} may read and write the bucket through signed URLs.")
    return brought_to(account, stage, url, {"PageOrigin": origin}, tell)


def _introduce(account: Account, there: Described, wanted: Wanted, tell: Tell) -> None:
    """Token first: it is told only once, and must not get lost when the smoke test fails."""
    farm = deployed.farm_of(account, there)
    url = wanted.url or there.outputs["Url"]
    tell(f"Farm: {url}")
    _tell_token(deployed.first_token(farm), tell)
    if target := there.outputs.get("DomainTarget"):
        tell(f"Point {there.parameters['Domain']} to {target} (a CNAME or alias record).")
        url = there.outputs["StageUrl"]
    deployed.smoke_test(farm, url, tell)


def _tell_token(token: str | None, tell: Tell) -> None:
    if token is not None:
        tell(f"Admin token (told only once): {token}")
