"""The primary rate limit: requests per hour of a user, an installation or an anonymous address."""

from runners_app.simulator.api.wire import Refused, refuse
from runners_app.simulator.world.state import Bucket, Token, World

WINDOW_SECONDS = 3600
LIMIT, ENTERPRISE_CLOUD_INSTALLATION_LIMIT, ANONYMOUS_LIMIT = 5000, 15_000, 60


def bucket_of(world: World, token: Token | None, address: str, wall: float) -> Bucket:
    """The bucket that this call counts against; a new one once its window has ended."""
    name = token.bucket if token else f"address/{address}"
    bucket = world.buckets.get(name)
    if bucket is None or wall >= bucket.reset_on:
        limit = bucket.limit if bucket else _limit(world, token)
        bucket = world.buckets[name] = Bucket(limit, 0, wall + WINDOW_SECONDS)
    return bucket


def _limit(world: World, token: Token | None) -> int:
    if token is None:
        return ANONYMOUS_LIMIT
    account = world.accounts.get(token.accounts[0]) if token.accounts else None
    if token.kind == "installation" and account and account.plan == "enterprise":
        return ENTERPRISE_CLOUD_INSTALLATION_LIMIT
    return LIMIT


def describe(bucket: Bucket) -> dict[str, int]:
    remaining = max(0, bucket.limit - bucket.used)
    return {
        "limit": bucket.limit,
        "used": bucket.used,
        "remaining": remaining,
        "reset": int(bucket.reset_on),
    }


def headers(bucket: Bucket) -> dict[str, str]:
    return {
        **{f"X-RateLimit-{name.title()}": str(value) for name, value in describe(bucket).items()},
        "X-RateLimit-Resource": "core",
    }


def exceeded(token: Token | None) -> Refused:
    who = token.login if token else "your address"
    return refuse(
        403, f"API rate limit exceeded for {who}.", "/overview/rate-limits-for-the-rest-api"
    )
