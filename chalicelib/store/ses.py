"""The `Mailer` on AWS: SES, from one address, through a `boto3.client("sesv2")`."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ..core.ports import MailFailed


def client_config() -> Config:
    """No tries of its own: the outbox tries again, and a try whose answer was lost may have sent the e-mail."""
    return Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=5)


class SesMailer:
    def __init__(self, client: Any, sender: str) -> None:
        self._client = client
        self._sender = sender

    def send(self, to: str, subject: str, text: str) -> None:
        content = {"Subject": _utf8(subject), "Body": {"Text": _utf8(text)}}
        try:
            self._client.send_email(
                FromEmailAddress=self._sender, Destination={"ToAddresses": [to]}, Content={"Simple": content}
            )
        except ClientError as error:
            said = error.response["Error"]
            raise MailFailed(f"SES says {said.get('Code')}: {said.get('Message')}") from None
        except BotoCoreError as error:
            raise MailFailed(f"SES gave no answer: {error}") from None


def _utf8(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}
