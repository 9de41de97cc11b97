"""What `./millrace deploy` was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from chalicelib import config
from chalicelib.core.hooks import is_mail_address

from .errors import WrongUse
from .fleet import FleetWanted


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
