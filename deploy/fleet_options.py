"""`./millrace deploy --fleet ...`: what may be said about the fleet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from .build import ARCHITECTURES
from .fleet import FleetWanted

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--fleet/--no-fleet", "fleet_on", default=None, help="Workers on EC2, as work asks for. [default: no]"
    ),
    click.option("--fleet-types", metavar="TYPE,...", help="Up to six, of one architecture. [default: c7g.large, ...]"),
    click.option(
        "--fleet-architecture", type=click.Choice(ARCHITECTURES), help="Of the default types. [default: arm64]"
    ),
    click.option(
        "--fleet-gpu", is_flag=True, default=None, help="Types with a GPU, an image with its driver, tag gpu."
    ),
    click.option(
        "--fleet-image", metavar="AMI", help="ami-..., or resolve:ssm:PATH. [default: Amazon Linux 2023, the newest]"
    ),
    click.option("--fleet-max", "fleet_most", type=click.IntRange(1, 1000), help="Machines. [default: 4]"),
    click.option("--fleet-price", type=click.FloatRange(0, min_open=True), help="Of one machine, in dollars an hour."),
    click.option("--fleet-hourly-cap", type=click.FloatRange(0), help="Of all machines, in dollars an hour."),
    click.option("--fleet-on-demand", type=click.IntRange(0), help="So many are not Spot. [default: 0]"),
    click.option(
        "--fleet-spot-strategy", type=click.Choice(["price-capacity-optimized", "capacity-optimized"]), help="Of Spot."
    ),
    click.option("--fleet-slots", type=click.IntRange(1, 256), help="Tasks at a time on one machine. [default: 1]"),
    click.option(
        "--fleet-tasks-per-slot", type=click.IntRange(1, 10_000), help="A machine more for so many. [default: 1]"
    ),
    click.option("--fleet-task-types", metavar="TYPE,...", help="What its workers take. [default: a worker's own]"),
    click.option("--fleet-runtimes", metavar="NAME,...", help="Runtimes of functions. [default: python3,bash]"),
    click.option("--fleet-tags", metavar="TAG,...", help="What its workers say of themselves, besides `fleet`."),
    click.option("--fleet-cool-down-minutes", type=click.IntRange(0, 120), help="Before idle ones go. [default: 5]"),
    click.option(
        "--fleet-silent-minutes", type=click.IntRange(4, 120), help="One without contact is replaced. [default: 10]"
    ),
    click.option("--fleet-subnets", metavar="ID,...", help="[default: those of the default network]"),
    click.option("--fleet-disk-gb", type=click.IntRange(8, 16_384), help="[default: 30]"),
    click.option("--fleet-root-device", help="The image's name of its first disk. [default: /dev/xvda]"),
)


def fleet_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def taken_out(options: dict[str, Any]) -> FleetWanted:
    """Takes the fleet's options out of all that a command was given."""
    names = [name for name in options if name.startswith("fleet_")]
    return FleetWanted(**{name.removeprefix("fleet_"): options.pop(name) for name in names})
