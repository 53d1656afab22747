"""Seconds counted in buckets that grow by the same factor, so that every percentile is off by 1 %
at most.

Docs: decisions/0015 says why this is no library.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

ERROR = 0.01
_GROWTH = (1 + ERROR) / (1 - ERROR)
_LOG_GROWTH = math.log(_GROWTH)
ZERO = -10_000  # no wait at all; below every other bucket
_SMALLEST = 0.001

Buckets = Mapping[int, int]


def bucket(seconds: float) -> int:
    """The bucket that holds these seconds: bucket i holds (g^(i-1), g^i]."""
    if seconds < _SMALLEST:
        return ZERO
    return math.ceil(round(math.log(seconds) / _LOG_GROWTH, 9))


def middle(index: int) -> float:
    """The value that is off by at most `ERROR` from every value in the bucket."""
    if index == ZERO:
        return 0.0
    return 2 * math.exp(index * _LOG_GROWTH) / (_GROWTH + 1)


def count(seconds: Iterable[float]) -> dict[int, int]:
    return dict(sorted(Counter(bucket(value) for value in seconds).items()))


def merged(many: Iterable[Buckets]) -> dict[int, int]:
    total: Counter[int] = Counter()
    for buckets in many:
        total.update(buckets)
    return dict(sorted(total.items()))


def percentile(buckets: Buckets, percent: float) -> float | None:
    """Nearest rank: the smallest value with at least `percent` of all at or below it. None of
    nothing.
    """
    total = sum(buckets.values())
    rank, seen = nearest_rank(total, percent), 0
    for index in sorted(buckets):
        seen += buckets[index]
        if seen >= rank:
            return middle(index)
    return None


def exact_percentile(values: list[float], percent: float) -> float | None:
    """Nearest rank over the values themselves, sorted. None of nothing."""
    return values[nearest_rank(len(values), percent) - 1] if values else None


def nearest_rank(total: int, percent: float) -> int:
    """The rank, counted from 1, of the smallest value with at least `percent` of `total` at or
    below it.
    """
    return max(1, math.ceil(round(total * percent / 100, 9)))


def as_text(buckets: Buckets) -> str:
    """`index:count` pairs with commas: what a row keeps."""
    return ",".join(f"{index}:{number}" for index, number in sorted(buckets.items()))


def from_text(text: str) -> dict[int, int]:
    pairs = (pair.split(":") for pair in text.split(",") if pair)
    return {int(index): int(number) for index, number in pairs}
