"""What ends a command: the message says what is wrong and what would be right."""

from __future__ import annotations


class DeployFailed(Exception):
    """The command cannot go on."""


class WrongUse(DeployFailed):
    """The command line asks for something that does not exist or fit together."""
