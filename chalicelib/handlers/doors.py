"""The Lambda functions that are not HTTP, as Chalice declares them. Each hands its event to a handler beside this file.

A blueprint, so that Lambda imports this module and not `app.py`: these functions start without the rooms, and each
without the handlers of the others. What they
listen to is named by the stack (`infra/functions.yaml`); by `chalice deploy` it is read from the variables that
`./millrace deploy --only-infra` writes into `.chalice/config.json`.
"""

from __future__ import annotations

import os
from typing import Any

from chalice import Blueprint, Rate

from ..edge import current
from .failures import Failed

STREAM_ARN = os.environ.get("MILLRACE_STREAM_ARN") or "arn:aws:dynamodb:us-east-1:000000000000:table/none/stream/none"
QUEUE_ARN = os.environ.get("MILLRACE_QUEUE_ARN") or "arn:aws:sqs:us-east-1:000000000000:none"
BLOB_STORED = {
    "source": ["aws.s3"],
    "detail-type": ["Object Created"],
    "detail": {
        "bucket": {"name": [os.environ.get("MILLRACE_BUCKET") or "none"]},
        "object": {"key": [{"prefix": "blobs/"}]},
    },
}
BATCH_RECORDS, BATCH_SECONDS = 100, 1

blueprint = Blueprint(__name__)


@blueprint.on_dynamodb_record(STREAM_ARN, BATCH_RECORDS, "LATEST", maximum_batching_window_in_seconds=BATCH_SECONDS)
def table_changed(event: Any) -> Failed:
    from . import stream

    return stream.table_changed(current.farm(), event.to_dict()["Records"])


@blueprint.on_cw_event(BLOB_STORED)
def object_stored(event: Any) -> None:
    from . import objects

    objects.object_stored(current.farm(), event.to_dict()["detail"])


@blueprint.on_sqs_message(queue_arn=QUEUE_ARN, batch_size=1)
def errand_left(event: Any) -> Failed:
    from . import queue

    return queue.errands_left(current.farm(), event.to_dict()["Records"])


@blueprint.schedule(Rate(1, unit=Rate.MINUTES))
def minute_passed(event: Any) -> None:
    from . import schedule

    schedule.minute_passed(current.farm(), current.settings().stage, event.to_dict()["time"])
