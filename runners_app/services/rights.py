"""What a credential may do in an account, as far as answers have shown, and what each thing needs."""

from collections.abc import Callable
from dataclasses import dataclass

from runners_app.models import Account, Credential, Reading

R = Reading.Resource
ENTERPRISE_SCOPE = "manage_runners:enterprise"
# Scopes that contain others.
CONTAINS = {"admin:org": {"manage_runners:org"}, "admin:enterprise": {ENTERPRISE_SCOPE}}


@dataclass(frozen=True)
class Right:
    """`has` is nothing while no answer has shown it. `needs` is in the words of the kind of credential in use."""

    what: str
    needs: str
    has: bool | None


def rights_of(account: Account, readings: list[Reading]) -> list[Right]:
    """Reading is proven by readings; writing only by the scopes of a classic token."""
    by_resource = {reading.resource: reading for reading in readings}
    is_classic = account.credential.kind == Credential.Kind.CLASSIC
    enterprise = account.kind == Account.Kind.ENTERPRISE

    def needs(scope: str, permission: str) -> str:
        return f"scope {ENTERPRISE_SCOPE if enterprise else scope}" if is_classic else f"permission “{permission}”"

    scope = ENTERPRISE_SCOPE if enterprise else "manage_runners:org"
    return [
        Right(
            "See runners, static IPs, sizes and GitHub's images",
            needs("manage_runners:org", "Administration: read"),
            _was_read(by_resource.get(R.RUNNERS)),
        ),
        Right(
            "See runner groups", needs("admin:org", "Self-hosted runners: read"), _was_read(by_resource.get(R.GROUPS))
        ),
        *([] if enterprise else [_repositories(needs, by_resource)]),
        Right(
            "See custom images",
            needs("manage_runners:org", "Hosted runner custom images: read"),
            _was_read(by_resource.get(R.CUSTOM_IMAGES)),
        ),
        Right(
            "Create, edit and delete runners",
            needs("manage_runners:org", "Administration: read and write"),
            _has_scope(account.credential, scope),
        ),
        Right(
            "Create, edit and delete runner groups",
            needs("admin:org", "Self-hosted runners: read and write"),
            _has_scope(account.credential, ENTERPRISE_SCOPE if enterprise else "admin:org"),
        ),
        Right(
            "Delete custom images",
            needs("manage_runners:org", "Hosted runner custom images: read and write"),
            _has_scope(account.credential, scope),
        ),
    ]


def _repositories(needs: Callable[[str, str], str], readings: dict[str, Reading]) -> Right:
    return Right(
        "See which repositories there are", needs("repo", "Metadata: read"), _was_read(readings.get(R.REPOSITORIES))
    )


def _was_read(reading: Reading | None) -> bool | None:
    if reading is None:
        return None
    if reading.error in ("permission", "not_found", "credential"):
        return False
    return True if reading.last_good_at else None


def _has_scope(credential: Credential, scope: str) -> bool | None:
    if credential.kind != Credential.Kind.CLASSIC or credential.scopes is None:
        return None
    granted = set(credential.scopes).union(*(CONTAINS.get(has, set()) for has in credential.scopes))
    return scope in granted
