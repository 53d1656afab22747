"""How long a job may wait for a pool."""

from __future__ import annotations

from collections.abc import Iterable

from runners_app.models import PoolSlo, Runner

LINUX_SECONDS, OTHER_SECONDS, GPU_SECONDS = 60, 180, 600


def default_seconds(platform: str, size: str) -> int:
    """What is usual: machines with a GPU are scarce, Windows and arm64 ones start more slowly."""
    if "gpu" in size.casefold():
        return GPU_SECONDS
    return LINUX_SECONDS if platform in ("linux-x64", "") else OTHER_SECONDS


def slo_seconds(pools: Iterable[int]) -> dict[int, int]:
    """Seconds by the pool's primary key, as somebody set them or as usual. 0, the unknown pool, is
    as Linux.
    """
    pools = set(pools)
    rows = Runner.objects.filter(pk__in=pools).values_list("pk", "platform", "size")
    usual = {pk: default_seconds(platform, size) for pk, platform, size in rows}
    chosen = dict(PoolSlo.objects.filter(pool__in=pools).values_list("pool_id", "seconds"))
    return {0: LINUX_SECONDS, **usual, **chosen}
