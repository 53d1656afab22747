"""The border: whatever a server sends becomes a value both databases can store, or a sensible
default.

What is unreadable becomes the default. Only a missing id is an error (`Unreadable`), because an
item without one cannot be told from the others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeGuard

TEXT_LIMIT = 500
ELLIPSIS = "…"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

SENDABLE = re.compile(r"[\x21-\x7e]+")  # what a header can carry as a token
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SMALLEST_ID, _LARGEST_ID = -(2**63), 2**63 - 1
_LARGEST_COUNT = 2**31 - 1
_LARGEST_EXACT_FLOAT = 2**53


class Unreadable(ValueError):
    """The answer has not the shape it must have; says what is missing, never what was there."""


def clean(value: str, limit: int = TEXT_LIMIT) -> str:
    """The text without NUL and lone surrogates, which neither PostgreSQL nor UTF-8 takes, cut to
    `limit` characters.
    """
    if len(value) > limit:
        value = value[: limit - 1] + ELLIPSIS
    return _UNSTORABLE.sub(REPLACEMENT, value)


def text(value: object) -> str:
    """A string from anything: numbers are written out, null and structures become empty."""
    return optional_text(value) or ""


def optional_text(value: object) -> str | None:
    """Like `text`, but None where there is nothing to read."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return clean(_digits(value))
    return None


def _digits(value: float) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to write out numbers of thousands of digits
        return ""


def https_url(value: object) -> str | None:
    """An address that may become a link on a page: `https` only, None for anything else."""
    address = optional_text(value)
    if address is None or not address.startswith("https://") or ELLIPSIS in address:
        return None
    return address


def flag(value: object, default: bool = False) -> bool:
    """True or False from a real boolean, otherwise the default."""
    return value if isinstance(value, bool) else default


def whole_number(value: object) -> int | None:
    """A JSON number without a fraction; `3.0` counts, `true` does not."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if (
        isinstance(value, float)
        and math.isfinite(value)
        and value == int(value)
        and abs(value) <= _LARGEST_EXACT_FLOAT
    ):
        return int(value)
    return None


def optional_identity(value: object) -> int | None:
    """An id of GitHub's: a whole number within signed 64 bit (beyond 2^53 is fine), or None."""
    number = whole_number(value)
    return number if number is not None and _SMALLEST_ID <= number <= _LARGEST_ID else None


def identity(value: object) -> int:
    """Like `optional_identity`, for what must have one."""
    number = optional_identity(value)
    if number is None:
        raise Unreadable("something has no usable id")
    return number


def name(value: object) -> str:
    """A string that tells one thing from another, and so must not be empty."""
    word = text(value)
    if not word:
        raise Unreadable("something has no usable name")
    return word


def count(value: object) -> int | None:
    """A number of things (machines, cores, GB): 0 to 2^31-1, otherwise None."""
    number = whole_number(value)
    return number if number is not None and 0 <= number <= _LARGEST_COUNT else None


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether the JSON value is an object (whose keys are always strings)."""
    return isinstance(value, dict)


def must_be_object(value: object) -> Mapping[str, object]:
    """The JSON object, or Unreadable."""
    if not is_object(value):
        raise Unreadable("an object is missing")
    return value


def mapping(value: object) -> Mapping[str, object]:
    """A JSON object, or an empty one in place of anything else."""
    return value if is_object(value) else {}


def items(value: object) -> list[object]:
    """A JSON array, or an empty one in place of anything else."""
    return value if isinstance(value, list) else []


def text_mapping(value: object) -> dict[str, str]:
    """A JSON object of strings; pairs with another kind of value are left out."""
    pairs = mapping(value).items()
    return {clean(key): clean(word) for key, word in pairs if isinstance(word, str)}


def moment(value: object) -> datetime | None:
    """An aware UTC time from ISO 8601 text (without an offset: UTC); None if unreadable."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        return _in_utc(datetime.fromisoformat(value.strip()))
    except (ValueError, OverflowError):
        return None


def http_date(value: str | None) -> datetime | None:
    """An aware UTC time from an HTTP date header; None if absent or unreadable."""
    try:
        return _in_utc(parsedate_to_datetime(value)) if value else None
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def epoch(value: object) -> datetime | None:
    """An aware UTC time from seconds since 1970 (number or digits); None if unreadable."""
    seconds = header_number(value) if isinstance(value, str) else whole_number(value)
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
    except (ValueError, OverflowError, OSError):
        return None


def header_number(value: str | None) -> int | None:
    """A non-negative whole number from a header; None if absent, unreadable or absurdly long."""
    value = (value or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def _in_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
