"""Whole numbers that come as text, from addresses, forms and search boxes."""

from collections.abc import Iterable


def number_in(text: str) -> int | None:
    """Nothing for text that is no such number, or a longer one than any id or column has."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def numbers_in(texts: Iterable[str]) -> list[int]:
    return [number for text in texts if (number := number_in(text)) is not None]
