"""Text of others on our terminal: names, errors and logs come from whoever submitted a job or runs a worker.

A terminal obeys some characters: it sets its title or the clipboard, moves the cursor over what stands there, turns
text around. Here they become visible instead: ESC is shown as `\\x1b`.
"""

from __future__ import annotations

import re

_JOINERS = "\u200c\u200d"
"""Not printable by themselves, but needed within words and emoji."""
_COLOUR = re.compile(r"(\x1b\[[0-9;]{0,20}m)")
_NOT_IN_JSON = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def plain(text: str, keep: str = "") -> str:
    """One line: line breaks are shown too. `keep`: characters that may pass as they are."""
    if text.isprintable():
        return text
    passes = keep + _JOINERS
    return "".join(one if one.isprintable() or one in passes else _visible(one) for one in text)


def plain_lines(text: str) -> str:
    """Of several lines."""
    return plain(text, keep="\n\t")


def plain_log(text: str) -> str:
    """What a program printed: its colours stay, and each return to the start of the line begins a new one."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(part if _COLOUR.fullmatch(part) else plain_lines(part) for part in _COLOUR.split(lines))


def plain_json(text: str) -> str:
    """JSON escapes the characters below 32 by itself; these it may hold as they are."""
    return _NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _visible(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()
