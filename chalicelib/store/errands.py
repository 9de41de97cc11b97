"""The `Errands` in AWS: one SQS queue, which calls `handlers/queue.py` and repeats what fails.

A message is JSON, `{"settle": "<job id>"}` or `{"collect": "<collection id>"}`. The client is made when the first
errand is left; most processes leave none.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger(__name__)


class QueuedErrands:
    """`Errands` on SQS. `make_client` gives `boto3.client("sqs")`."""

    def __init__(self, make_client: Callable[[], Any], queue_url: str) -> None:
        self._make_client = make_client
        self._queue_url = queue_url
        self._lock = threading.Lock()
        self._client: Any = None

    def settle(self, job_id: int) -> None:
        """Leaves a message. If the queue does not take it, the log says so and the sweep settles the job."""
        self._leave("settle", job_id, job=str(job_id))

    def collect(self, collection_id: int) -> None:
        """As above; the sweep leaves another."""
        self._leave("collect", collection_id)

    def _leave(self, errand: str, number: int, **ids: str) -> None:
        try:
            self._sqs().send_message(QueueUrl=self._queue_url, MessageBody=json.dumps({errand: str(number)}))
        except (ClientError, BotoCoreError):
            log.exception("%s %s could not be queued", errand, number, extra={"action": "errand_lost", **ids})

    def _sqs(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._make_client()
            return self._client
