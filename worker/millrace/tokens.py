"""Tokens as people hand them over: out of files and variables, with what stood around them."""

from __future__ import annotations

JOINS = "mrj_"
"""How a join token begins; all others begin with `mr_`."""
WRONG = "MILLRACE_TOKEN, or the token that was given, has a space or another character in it that no token has"


def cleaned(token: str) -> str | None:
    """Without spaces and line ends around it; None if it can be no token, and could not be sent as a header."""
    token = token.strip()
    return token if token.isascii() and token.isprintable() and " " not in token else None
