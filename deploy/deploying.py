"""`./millrace deploy`, step by step. Each step may be repeated: a deployment that broke off is simply run again."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from chalicelib import config
from chalicelib.core.hooks import is_mail_address

from . import chalice_config, deployed, fleet, template
from .account import Account
from .build import build
from .bundle import bundle
from .errors import DeployFailed, WrongUse
from .fleet import FleetWanted, architecture_of
from .stack import Change, Described, Stack, Tell
from .stage import Stage
from .uploading import CodeBucket

DATA = ("Table", "Bucket")
"""The resources that hold what nobody could make again."""


@dataclass(frozen=True)
class Wanted:
    """None: as it was, or the default."""

    architecture: str = "arm64"
    domain: str | None = None
    certificate: str | None = None
    cloudfront: bool | None = None
    door: str | None = None
    web_acl: str | None = None
    alarms: bool | None = None
    alarm_email: str | None = None
    wait_seconds: int | None = None
    push_networks: str | None = None
    hook_networks: str | None = None
    mail_from: str | None = None
    url: str | None = None
    """A front door of one's own: where the smoke test goes, and what is told."""
    fleet: FleetWanted = field(default_factory=FleetWanted)

    def __post_init__(self) -> None:
        if bool(self.domain) != bool(self.certificate):
            raise WrongUse("--domain and --certificate go together: API Gateway serves a domain with its certificate")
        if self.door == "url" and (self.domain or self.cloudfront is False):
            raise WrongUse("--door url is a door for CloudFront: it goes with neither --domain nor --no-cloudfront")
        if self.mail_from and not is_mail_address(self.mail_from):
            raise WrongUse(f"--mail-from must be one plain e-mail address, not {self.mail_from!r}")
        try:  # else the functions start with what they cannot read, and the sweep is one of them
            config.push_networks(self.push_networks or "", "--push-networks")
            config.hook_networks(self.hook_networks or "", "--hook-networks")
        except config.BadSettings as error:
            raise WrongUse(str(error)) from None

    def only_for_the_whole(self) -> list[str]:
        """The options that were given and mean nothing to a stack without functions."""
        options = {
            "--domain": self.domain,
            "--certificate": self.certificate,
            "--cloudfront": self.cloudfront or None,
            "--door": self.door,
            "--web-acl": self.web_acl,
            "--alarms": self.alarms or None,
            "--alarm-email": self.alarm_email,
        }
        return [name for name, value in options.items() if value is not None]

    def parameters(self) -> dict[str, str]:
        """Those of infra/stack.yaml that were given."""
        flags = {"CloudFront": self.cloudfront, "Alarms": self.alarms}
        texts = {
            "Door": self.door,
            "Domain": self.domain,
            "Certificate": self.certificate,
            "WebAcl": self.web_acl,
            "AlarmEmail": self.alarm_email,
            "WaitSeconds": self.wait_seconds,
            "PushNetworks": self.push_networks,
            "HookNetworks": self.hook_networks,
            "MailFrom": self.mail_from,
        }
        given = {name: str(text) for name, text in texts.items() if text is not None}
        return given | {name: "yes" if flag else "no" for name, flag in flags.items() if flag is not None}


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
    there = _brought_to(account, stage, url, wanted.parameters() | of_fleet, tell)
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
    there = _brought_to(account, stage, url, wanted.parameters(), tell)
    if wanted.url:
        there = _page_let_in(account, stage, url, there, wanted, tell)
    path = chalice_config.write(stage, there, wanted.architecture)
    token = deployed.first_token(deployed.farm_of(account, there))
    tell(f"Wrote the stage {stage.name} into {path}. Next:")
    tell(f"  AWS_DEFAULT_REGION={account.region} .venv/bin/chalice deploy --stage {stage.name}")
    _tell_token(token, tell)


def _brought_to(account: Account, stage: Stage, url: str, parameters: dict[str, str], tell: Tell) -> Described:
    stack = Stack(account.client("cloudformation"), stage.stack, tell)
    there = stack.made_ready()
    if there is None or "EdgeSecret" not in there.parameters:
        parameters = {**parameters, "Stage": stage.name, "EdgeSecret": secrets.token_urlsafe(32)}
    imports = there is None and _left_behind(account, stage)
    if imports:
        tell(f"The data of an earlier {stage.stack} is taken up again.")
    change_set = stack.prepare(there, url, parameters, imports=imports)
    if change_set is None:
        tell(f"The stack {stage.stack} is up to date.")
    else:
        goes = parameters.get("Fleet") == "no"
        _carry_out(stack, change_set, tell, _fleet_let_go(account, stage, stack) if goes else nullcontext())
    stack.protect(DATA)
    there = stack.describe()
    assert there is not None
    return there


def _page_let_in(account: Account, stage: Stage, url: str, there: Described, wanted: Wanted, tell: Tell) -> Described:
    """The bucket lets the web page in by its origin, known when the stack stands: a second, small change, once.

    Within one change it would be a circle: the page's address comes from the functions, and these need the bucket.
    """
    place = urlsplit(wanted.url or there.outputs["Url"])
    origin = f"{place.scheme}://{place.netloc}"
    if there.parameters.get("PageOrigin") == origin:
        return there
    tell(f"The page at {origin} may read and write the bucket through signed URLs.")
    return _brought_to(account, stage, url, {"PageOrigin": origin}, tell)


def _carry_out(stack: Stack, change_set: str, tell: Tell, around: AbstractContextManager[None]) -> None:
    """`around`: what holds only while the change is carried out."""
    changes = stack.changes(change_set)
    lost = [one.name for one in changes if one.name in DATA and (one.replaces or one.action == "Remove")]
    if lost:
        stack.discard(change_set)
        raise DeployFailed(f"this would replace what holds the farm's data ({', '.join(lost)}); nothing was changed")
    tell(f"Changing {stack.name}: {_summary(changes)}")
    with around:
        stack.execute(change_set)


@contextmanager
def _fleet_let_go(account: Account, stage: Stage, stack: Stack) -> Iterator[None]:
    """Its machines are protected again if the fleet stays."""
    fleet.let_go(account, stage)
    try:
        yield
    except (DeployFailed, ClientError):
        there = stack.describe()
        if there is not None and not there.status.endswith("_IN_PROGRESS"):  # else CloudFormation may yet remove it
            fleet.hold(account, stage)
        raise


def _summary(changes: Sequence[Change]) -> str:
    actions = [one.action.lower() for one in changes]
    return ", ".join(f"{actions.count(action)} to {action}" for action in dict.fromkeys(actions))


def _left_behind(account: Account, stage: Stage) -> bool:
    """Whether a stack of this name was destroyed and has left its data, or part of it."""
    table = (account.client("dynamodb").describe_table, {"TableName": stage.table})
    bucket = (account.client("s3").head_bucket, {"Bucket": stage.bucket(account.id, account.region)})
    return any(_is_there(call, names) for call, names in (table, bucket))


def _is_there(call: Callable[..., object], names: dict[str, str]) -> bool:
    try:
        call(**names)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFoundException", "404", "NoSuchBucket"):
            return False
        raise
    return True


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
