"""The one clock by which requests end."""

from __future__ import annotations

import time

# Counts also while the machine is suspended, unlike `monotonic()`. Linux has it, others may not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def uptime() -> float:
    """Seconds since some moment in the past; never set, also counting those spent suspended.

    Only differences within one boot of one machine mean anything.
    """
    return time.clock_gettime(_CLOCK)
