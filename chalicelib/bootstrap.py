"""Settings -> Farm: the only module that knows both the core and the engines. Wired by hand, in one visible place.

Each farm's engines are imported where it is made: Lambda has no orjson, and one machine needs no boto3.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .compilers import JOB_TYPES
from .config import Settings, settings_from
from .core import schema
from .core.farm import Farm
from .core.ports import Bell, Mailer
from .core.records.keys import INDEXES
from .edge.clock import SystemClock

if TYPE_CHECKING:
    import boto3

    from .embedded.bell import LocalBell
    from .embedded.feed import ChangeFeed
    from .fleet_settings import FleetSettings
    from .store.change_log import ChangeRecord, Listener
    from .store.scaling_group import ScalingGroup

__all__ = ["aws_farm", "embedded_farm", "farm_from_environment", "mailer_of", "rings", "scaling_group_of"]


def embedded_farm(settings: Settings, bell: LocalBell | None = None) -> Farm:
    """A farm in one folder. Commits ring the bell, so that whoever waits hears of new work at once."""
    from .embedded.bell import LocalBell
    from .store.files import FileObjectStore
    from .store.sqlite import SqliteTable

    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    clock, bell = SystemClock(), bell or LocalBell()
    table = SqliteTable(settings.data / "farm.db", INDEXES)
    schema.stamp(table)
    objects = FileObjectStore(settings.data / "objects", signing_secret(settings.data), clock=clock)
    table.subscribe(rings(bell))
    return Farm(table, objects, clock, bell, JOB_TYPES, settings.limits)


def aws_farm(settings: Settings, session: boto3.session.Session | None = None) -> Farm:
    """A farm on DynamoDB and S3, with a queue for slow work if the settings name one."""
    import boto3

    from .embedded.bell import PollingBell
    from .store import dynamo
    from .store.errands import QueuedErrands
    from .store.s3 import OnFirstUse, S3ObjectStore, client_config

    assert settings.table is not None and settings.bucket is not None
    session = session or boto3.session.Session()
    table = dynamo.DynamoTable(session.client("dynamodb", config=dynamo.client_config()), settings.table, INDEXES)
    # A claim needs no object: its function starts without the client that would take half as long again.
    objects = S3ObjectStore(OnFirstUse(lambda: session.client("s3", config=client_config())), settings.bucket)
    errands = QueuedErrands(lambda: session.client("sqs"), settings.queue) if settings.queue else None
    return Farm(table, objects, SystemClock(), PollingBell(), JOB_TYPES, settings.limits, errands=errands)


def scaling_group_of(fleet: FleetSettings, session: boto3.session.Session | None = None) -> ScalingGroup:
    import boto3

    from .store.scaling_group import ScalingGroup

    return ScalingGroup((session or boto3.session.Session()).client("autoscaling"), fleet.group)


def mailer_of(settings: Settings, session: boto3.session.Session | None = None) -> Mailer | None:
    """None: this farm sends no e-mail."""
    if not settings.mail_from:
        return None
    import boto3

    from .store import ses

    client = (session or boto3.session.Session()).client("sesv2", config=ses.client_config())
    return ses.SesMailer(client, settings.mail_from)


def farm_from_environment(environment: Mapping[str, str] | None = None) -> tuple[Farm, Settings]:
    """The farm of a process that was told nothing but its environment: Lambda, or `chalice local`."""
    settings = settings_from(os.environ if environment is None else environment)
    if not settings.embedded:
        farm = aws_farm(settings)
        schema.check(farm.table)
        return farm, settings
    farm = embedded_farm(settings)
    feed_of(farm).start()
    return farm, settings


def feed_of(farm: Farm) -> ChangeFeed:
    """The reader of an embedded farm's change log, calling the handler that DynamoDB's stream calls on AWS."""
    from .embedded.feed import ChangeFeed
    from .handlers import stream
    from .store.sqlite import SqliteTable

    table = farm.table
    assert isinstance(table, SqliteTable)
    return ChangeFeed(table, lambda records: stream.changed(farm, ((r.pk, r.sk) for r in records)))


def rings(bell: Bell) -> Listener:
    """What a commit rings: the lane of every task that became runnable, and whoever waits for a job."""
    from .handlers import stream

    def ring(records: Sequence[ChangeRecord]) -> None:
        for record in records:
            for topic, times in stream.topics(record.pk, record.sk, record.ready_pk):
                bell.ring(topic, times=times)

    return ring


def signing_secret(data: Path) -> bytes:
    """The farm's own key for signed URLs; made once, readable by its user only."""
    path = data / "secret"
    if not path.exists():
        fresh = path.with_name(f"secret.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # the first of two processes wins
            os.link(fresh, path)
        fresh.unlink()
    return path.read_bytes()
