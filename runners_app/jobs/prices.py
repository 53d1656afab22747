"""GitHub's list prices of larger runners, for estimates. Only time in which jobs run is charged."""

from datetime import date

PRICES_AS_OF = date(2026, 1, 1)
# (platform, machine size) → US dollars per minute and machine.
USD_PER_MINUTE: dict[tuple[str, str], float] = {
    ("linux-arm64", "2-core"): 0.005,
    ("linux-arm64", "4-core"): 0.008,
    ("linux-arm64", "8-core"): 0.014,
    ("linux-arm64", "16-core"): 0.026,
    ("linux-arm64", "32-core"): 0.05,
    ("linux-arm64", "64-core-arm"): 0.098,
    ("linux-x64", "2-core"): 0.006,
    ("linux-x64", "4-core"): 0.012,
    ("linux-x64", "8-core"): 0.022,
    ("linux-x64", "16-core"): 0.042,
    ("linux-x64", "32-core"): 0.082,
    ("linux-x64", "64-core"): 0.162,
    ("linux-x64", "96-core"): 0.252,
    ("linux-x64", "4-core-gpu"): 0.052,
    ("win-arm64", "4-core"): 0.014,
    ("win-arm64", "8-core"): 0.026,
    ("win-arm64", "16-core"): 0.05,
    ("win-arm64", "32-core"): 0.098,
    ("win-arm64", "64-core-arm"): 0.194,
    ("win-x64", "4-core"): 0.022,
    ("win-x64", "8-core"): 0.042,
    ("win-x64", "16-core"): 0.082,
    ("win-x64", "32-core"): 0.162,
    ("win-x64", "64-core"): 0.322,
    ("win-x64", "96-core"): 0.552,
    ("win-x64", "4-core-gpu"): 0.102,
}


def usd_per_hour(platform: str, size: str, machines: int | None) -> float | None:
    """US dollars per hour while all machines of a pool run; None where the price is unknown."""
    price = USD_PER_MINUTE.get((platform, size))
    return None if price is None or machines is None else price * 60 * machines
