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


def needed_for(account: Account, resource: str) -> str:
    """The permission a reading about groups needs, in the words of the credential's kind."""
    if account.kind == Account.Kind.ENTERPRISE:
        return f"scope {ENTERPRISE_SCOPE}"
    if account.credential.kind == Credential.Kind.CLASSIC:
        return "scope repo" if resource == R.REPOSITORIES else "scope admin:org"
    return "permission “Metadata: read”" if resource == R.REPOSITORIES else "permission “Self-hosted runners: read”"


def why_missing(reading: Reading | None, needed: str) -> str:
    """Why something is not known, and which permission would change that."""
    if reading is not None and reading.error:
        return f"Needs the {needed}. {reading.error_message}"
    if reading is None or reading.last_good_at is None:
        return f"It is read within minutes, if the token has the {needed}."
    if reading.resource == R.REPOSITORIES:
        return f"The token does not list it: check the name, or give the token the {needed} for it."
    return f"It is read again within minutes. If it stays so, the token lacks the {needed}."
