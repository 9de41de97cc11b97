"""One farm in an account, and what its things are called."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import WrongUse

_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


@dataclass(frozen=True)
class Stage:
    """`prod`, `dev`, ...: any number of farms may live in one account and region."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise WrongUse(
                f"a stage is 1 to 20 lower-case letters, digits and hyphens and starts with a letter, not {self.name!r}"
            )

    @property
    def stack(self) -> str:
        return f"millrace-{self.name}"

    @property
    def table(self) -> str:
        return f"millrace-{self.name}"

    def bucket(self, account: str, region: str) -> str:
        """Names of buckets are the whole world's."""
        return f"millrace-{self.name}-{account}-{region}"

    def names(self, account: str, region: str) -> dict[str, str]:
        """Of the resources that hold data, by their names in infra/."""
        return {"Table": self.table, "Bucket": self.bucket(account, region)}


def code_bucket(account: str, region: str) -> str:
    """Archives and templates of all stages; made by the first deployment, never deleted by us."""
    return f"millrace-code-{account}-{region}"
