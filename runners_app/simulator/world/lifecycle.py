"""How the world changes with time. It is computed on demand; no thread runs in the background."""

import random
import zlib
from datetime import UTC, datetime

from runners_app.simulator.world.state import Account, Clock, Runner

RANGE_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")  # reserved for documentation


def elapsed(clock: Clock, wall: float) -> float:
    """Simulated seconds at the wall-clock time ``wall``."""
    return clock.seconds + (wall - clock.wall_on) * clock.speed


def advance(clock: Clock, wall: float, seconds: float) -> None:
    clock.seconds = elapsed(clock, wall) + seconds
    clock.wall_on = wall


def change_speed(clock: Clock, wall: float, speed: float) -> None:
    """A speed of 0 stops simulated time."""
    advance(clock, wall, 0)
    clock.speed = speed


def wall_time_of(clock: Clock, at: float) -> float:
    """The wall-clock time of the simulated moment ``at``."""
    since_anchor = at - clock.seconds
    return clock.wall_on + (
        since_anchor / clock.speed if since_anchor > 0 and clock.speed else since_anchor
    )


def durations(seed: int, account: Account, runner_id: int) -> random.Random:
    """A random generator for one runner that depends on the seed alone."""
    return random.Random(f"{seed}/{account.key}/{runner_id}")  # noqa: S311 - reproducible on purpose


def settle_durations(runner: Runner, dice: random.Random) -> None:
    """Choose how many simulated seconds provisioning, static IPs and deletion take."""
    runner.provisioning_takes = dice.uniform(40, 120)
    runner.static_ip_takes = dice.uniform(20, 60)
    runner.deleting_takes = dice.uniform(30, 60)


def status(runner: Runner, at: float) -> str:
    """GitHub's status of a runner, which must not be gone, at the simulated moment ``at``."""
    if runner.deleted_at is not None:
        return "Deleting"
    if at < runner.created_at + runner.provisioning_takes:
        return "Provisioning"
    return runner.settled_status


def is_gone(runner: Runner, at: float) -> bool:
    return runner.deleted_at is not None and at >= runner.deleted_at + runner.deleting_takes


def remove_gone_runners(account: Account, at: float) -> None:
    gone = [runner.id for runner in account.runners.values() if is_gone(runner, at)]
    for runner_id in gone:
        del account.runners[runner_id]


def public_ips(runner: Runner, at: float) -> list[dict[str, object]]:
    """The runner's static ranges; assigned some time after provisioning and switching them on."""
    begun = max(runner.static_ip_at, runner.created_at + runner.provisioning_takes)
    if not runner.static_ip or at < begun + runner.static_ip_takes:
        return []
    # The id alone would give every account the same ranges.
    number = zlib.crc32(f"{runner.id} {runner.name} {runner.static_ip_takes}".encode())
    network = RANGE_NETWORKS[number // 16 % len(RANGE_NETWORKS)]
    return [{"enabled": True, "prefix": f"{network}.{number % 16 * 16}", "length": 28}]


def last_active_on(runner: Runner, clock: Clock, at: float) -> float | None:
    """Wall-clock time of the last job; a busy runner has had one every ``busy_every`` seconds."""
    ready_at = runner.created_at + runner.provisioning_takes
    if not runner.busy_every or at < ready_at or status(runner, at) != "Ready":
        return runner.last_active_on
    jobs_done = int((at - ready_at) / runner.busy_every)
    return wall_time_of(clock, ready_at + jobs_done * runner.busy_every)


def precise_timestamp(epoch: float) -> str:
    """``2026-11-20T07:58:00.1234567Z``: GitHub sends last_active_on with up to seven decimals."""
    whole = datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    decimals = f"{epoch % 1:.7f}"[2:].rstrip("0")
    return f"{whole}.{decimals}Z" if decimals else f"{whole}Z"


def timestamp(epoch: float) -> str:
    """``2026-11-20T07:58:00Z``"""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
