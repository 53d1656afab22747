"""Whole numbers given as text, in URLs, forms and search boxes."""

from collections.abc import Iterable


def number_in(text: str) -> int | None:
    """The number, or None if the text is not one or has more digits than a 64-bit column holds."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def numbers_in(texts: Iterable[str]) -> list[int]:
    """The numbers among the texts; everything else is left out."""
    return [number for text in texts if (number := number_in(text)) is not None]
