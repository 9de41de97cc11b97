"""JSON as the original's decoder takes it (Go, encoding/json), and as its encoder writes it. Pure functions.

Every field is a string and optional, names match without regard to case, unknown fields are ignored, of repeated ones
the last counts. What is wrong is said in the decoder's words where those are known, else in words of the same kind.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from ...core.errors import BadInput

SPACE = " \t\r\n"
_LITERALS = ("true", "false", "null", "-")
_SYNTAX = (
    # What Python says is wrong at a character, and where the original would say that it stands.
    ("Expecting property name", "looking for beginning of object key string"),
    ("Expecting ':'", "after object key"),
    ("Expecting ','", "after object key:value pair"),
    ("Invalid control character", "in string literal"),
    ("Invalid \\", "in string escape code"),
)


class Malformed(BadInput):
    """The body is not what this call takes."""


class _Object(list[tuple[str, Any]]):
    """A JSON object with every pair in its place, repeated keys too."""


def texts(body: bytes, struct: str, fields: Sequence[str]) -> dict[str, str]:
    """The fields' values, empty for those that are absent or null. `struct`: the original's name for this body.

    Raises Malformed.
    """
    found = dict.fromkeys(fields, "")
    value = _parsed(body.decode("utf-8", "replace"))
    if value is None:
        return found
    if not isinstance(value, _Object):
        raise Malformed(f"json: cannot unmarshal {_kind(value)} into Go value of type main.{struct}")
    by_folded_name = {field.casefold(): field for field in fields}
    for name, given in value:
        field = by_folded_name.get(name.casefold())
        if field is None or given is None:
            continue
        if not isinstance(given, str):
            place = f"Go struct field {struct}.{field} of type string"
            raise Malformed(f"json: cannot unmarshal {_kind(given)} into {place}")
        found[field] = _without_lone_surrogates(given)
    return found


def compact(value: Any) -> bytes:
    """One line, with its end. The original writes what means something in HTML as escapes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode() + b"\n"


def _parsed(text: str) -> Any:
    try:
        value, end = _DECODER.raw_decode(text, len(text) - len(text.lstrip(SPACE)))
    except json.JSONDecodeError as error:
        raise Malformed(_syntax_error(text.rstrip(SPACE), error)) from None
    except RecursionError:
        raise Malformed("exceeded max depth") from None
    rest = text[end:].lstrip(SPACE)
    if rest:
        raise Malformed(f"invalid character {_quoted(rest[0])} after top-level value")
    return value


def _syntax_error(text: str, error: json.JSONDecodeError) -> str:
    rest = text[error.pos :]
    if not rest or error.msg.startswith("Unterminated") or any(word.startswith(rest) for word in _LITERALS):
        return "unexpected end of JSON input"
    where = (said for python, said in _SYNTAX if error.msg.startswith(python))
    return f"invalid character {_quoted(rest[0])} {next(where, 'looking for beginning of value')}"


def _refuse_constant(word: str) -> NoReturn:
    """NaN and the infinities, which Python's decoder would take."""
    where = "in numeric literal" if word.startswith("-") else "looking for beginning of value"
    raise Malformed(f"invalid character {_quoted(word.lstrip('-')[0])} {where}")


_DECODER = json.JSONDecoder(
    # Numbers are wrong wherever they count, so their size may be lost; Python refuses very long integers otherwise.
    object_pairs_hook=_Object,
    parse_int=float,
    parse_float=float,
    parse_constant=_refuse_constant,
)


def _kind(value: Any) -> str:
    """The decoder's name for what stands there."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, _Object) else "array"


def _without_lone_surrogates(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _quoted(character: str) -> str:
    if character == "'":
        return r"'\''"
    return f"'{character}'" if character.isprintable() else f"'\\u{ord(character):04x}'"
