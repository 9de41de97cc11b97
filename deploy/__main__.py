"""The command line of a checkout: `./millrace deploy`, `destroy`, `status`, `admin-token`,
`migrate`, `cost`.

Exit codes: 0 done; 1 failed; 2 the call itself is wrong; 130 interrupted (CloudFormation goes on by itself).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from . import costing, costs, deployed, deploying, destroying, migrating, telling
from .account import connect
from .build import ARCHITECTURES
from .errors import DeployFailed, WrongUse
from .fleet_options import fleet_options, taken_out
from .stage import Stage
from .wanted import Wanted

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def where(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which farm is meant."""
    region = click.option("--region", help="[default: AWS_DEFAULT_REGION, or the profile's]")
    return click.option("--stage", required=True, help="The farm's name in the account, such as prod.")(region(command))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def millrace() -> None:
    """A farm in an AWS account."""


@millrace.command("deploy")
@where
@click.option("--domain", help="A domain name of your own; with --certificate.")
@click.option("--certificate", metavar="ARN", help="Its certificate (ACM, in the same region).")
@click.option("--cloudfront/--no-cloudfront", default=None, help="Serve the farm through CloudFront. [default: yes]")
@click.option("--door", type=click.Choice(["gateway", "url"]), help="What CloudFront calls. [default: gateway]")
@click.option("--web-acl", metavar="ARN", help="A WAF web ACL.")
@click.option("--alarms/--no-alarms", default=None, help="CloudWatch alarms. [default: yes]")
@click.option("--alarm-email", metavar="ADDRESS", help="Where alarms are sent.")
@click.option("--wait-seconds", type=click.IntRange(0, 20), help="The longest long poll. [default: 0, none]")
@click.option("--push-networks", metavar="CIDR,...", help="Networks whose workers may be called. [default: none]")
@click.option(
    "--hook-networks", metavar="CIDR,...", help="Networks whose webhooks may be called, or public. [default: none]"
)
@click.option("--mail-from", metavar="ADDRESS", help="SES sends webhooks' e-mail from it; '' for none. [default: none]")
@fleet_options
@click.option("--architecture", type=click.Choice(ARCHITECTURES), default="arm64", show_default=True)
@click.option("--url", help="A front door of your own that leads to the farm, for the smoke test.")
@click.option("--only-infra", is_flag=True, help="All but the functions, for `chalice deploy`.")
def deploy(stage: str, region: str | None, only_infra: bool, **wanted: Any) -> None:
    """Bring this checkout to AWS, as one CloudFormation stack. What is not given stays as it is."""
    run = deploying.deploy_infrastructure if only_infra else deploying.deploy
    fleet = taken_out(wanted)
    named, asked = Stage(stage), Wanted(**wanted, fleet=fleet)  # before AWS is asked anything
    if only_infra and fleet.says_something:
        raise WrongUse("a fleet needs the functions: it does not go with --only-infra")
    if only_infra and (idle := asked.only_for_the_whole()):
        raise WrongUse(f"{', '.join(idle)}: only the whole stack has that; it does not go with --only-infra")
    run(connect(region), named, asked, tell)


@millrace.command("destroy")
@where
@click.option("--delete-data", is_flag=True, help="The table and the bucket too: all jobs, blobs and logs.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def destroy(stage: str, region: str | None, delete_data: bool, yes: bool) -> None:
    """Remove a farm from AWS. Its data stays, unless --delete-data is given."""
    named, account = Stage(stage), connect(region)
    if not yes:
        what = "the stack AND ALL DATA" if delete_data else "the stack; the data stays"
        typed = click.prompt(f"Remove {named.stack} in {account.region} ({what})? Type the stage's name", default="")
        if typed != named.name:
            raise DeployFailed("nothing was removed")
    destroying.destroy(account, named, data_too=delete_data, tell=tell)


@millrace.command("status")
@where
@click.option("--url", help="A front door of your own that leads to the farm.")
def status(stage: str, region: str | None, url: str | None) -> None:
    """Tell what there is of a farm on AWS, and whether it works."""
    telling.status(connect(region), Stage(stage), url, tell)


@millrace.command("migrate")
@where
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The data folder of a farm on one machine.",
)
def migrate(stage: str, region: str | None, data: Path) -> None:
    """Copy the data of a farm on one machine, which is stopped, to a farm on AWS that has no jobs yet."""
    named, account = Stage(stage), connect(region)
    migrating.migrate(data, deployed.farm_at(account, named, tell), tell)


@millrace.command("admin-token")
@where
def admin_token(stage: str, region: str | None) -> None:
    """Make a new admin token for a farm on AWS whose admin has lost theirs. The other tokens stay."""
    named, account = Stage(stage), connect(region)
    tell(f"Admin token (told only once): {deployed.another_token(deployed.farm_at(account, named, tell))}")


def tell(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


@millrace.command("cost")
@click.option("--workers", type=click.IntRange(0), default=100, show_default=True)
@click.option("--tasks", type=click.IntRange(0), default=1_000_000, show_default=True, help="In a month.")
@click.option("--task-seconds", type=click.FloatRange(0), default=30.0, show_default=True, help="How long each runs.")
@click.option("--door", type=click.Choice(["gateway", "url"]), default="gateway", show_default=True)
@click.option(
    "--protocol",
    type=click.Choice([one.room for one in costs.PROTOCOLS], case_sensitive=False),
    help="Of whose workers. [default: our own]",
)
def cost(workers: int, tasks: int, task_seconds: float, door: str, protocol: str | None) -> None:
    """What a farm would cost in a month, from measured calls and AWS's prices. Asks AWS nothing."""
    setup = costs.Setup(through_gateway=door == "gateway")
    lines = list(costing.farm_of(setup, workers=workers, tasks=tasks, seconds=task_seconds, protocol=protocol))
    for what, dollars, _ in [*lines, ("Together", sum(dollars for _, dollars, _ in lines), None)]:
        click.echo(f"{what:<45} ${dollars:>12,.2f}")
    click.echo(f"Prices of {setup.prices.noted}; bytes that leave AWS are not in it. docs/cost.md says what is.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (that of the process by default); the exit code."""
    try:
        millrace.main(args=arguments, prog_name="millrace", standalone_mode=False)
        return DONE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except DeployFailed as error:
        click.echo(f"millrace: {error}", err=True)
        return USAGE if isinstance(error, WrongUse) else FAILED
    except (ClientError, BotoCoreError) as error:
        click.echo(f"millrace: AWS says: {error}", err=True)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
