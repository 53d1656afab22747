"""What a credential may do in an account, what each action needs, and how to grant it."""

from dataclasses import dataclass

from runners_app.models import Account, App, Credential, Operation, Reading
from runners_app.models.accounts import web_origin

R, K = Reading.Resource, Operation.Kind
ENTERPRISE_SCOPE = "manage_runners:enterprise"
RUNNERS, GROUPS, REPOSITORIES = "manage_runners:org", "admin:org", "repo"
# Scopes that include others.
CONTAINS = {"admin:org": {RUNNERS}, "admin:enterprise": {ENTERPRISE_SCOPE}}
LEVELS = {"read": {"read", "write", "admin"}, "write": {"write", "admin"}}
ADMINISTRATION = ("organization_administration", "Administration")
SELF_HOSTED = ("organization_self_hosted_runners", "Self-hosted runners")
ACTIONS = ("actions", "Actions")
IMAGES = ("organization_hosted_runner_custom_images", "Hosted runner custom images")


@dataclass(frozen=True)
class Need:
    """Something Trackside does: the scope or permission it needs.

    A good `reading`, or a confirmed operation of these `kinds`, proves that it is granted.
    """

    what: str
    scope: str
    permission: tuple[str, str]
    level: str
    reading: str = ""
    kinds: tuple[str, ...] = ()


NEEDS = (
    Need(
        "See runners, static IPs, sizes and GitHub's images",
        RUNNERS,
        ADMINISTRATION,
        "read",
        R.RUNNERS,
    ),
    Need(
        "Create, edit and delete runners",
        RUNNERS,
        ADMINISTRATION,
        "write",
        kinds=(K.CREATE_RUNNER, K.UPDATE_RUNNER, K.DELETE_RUNNER),
    ),
    Need("See runner groups", GROUPS, SELF_HOSTED, "read", R.GROUPS),
    Need("Change who may use runner groups", GROUPS, SELF_HOSTED, "write"),
    Need("See custom images", RUNNERS, IMAGES, "read", R.CUSTOM_IMAGES),
    Need(
        "Delete custom images",
        RUNNERS,
        IMAGES,
        "write",
        kinds=(K.DELETE_IMAGE, K.DELETE_IMAGE_VERSION),
    ),
    Need("See jobs that no event told of", REPOSITORIES, ACTIONS, "read", R.JOB_HISTORY),
)


@dataclass(frozen=True)
class Right:
    """Whether a need is met; `has` is None if unknown.

    `needs` and `how` (how to grant it) are in the terms of the credential's kind.
    """

    what: str
    needs: str
    has: bool | None
    how: str = ""
    how_url: str = ""


def rights_of(account: Account, readings: list[Reading]) -> list[Right]:
    """All rights in one account, given its readings.

    Answers count more than what GitHub lists, because single sign-on and policies can also stand
    in the way. With a disabled credential all are unknown, and no scope would change that.
    """
    is_enterprise = account.kind == Account.Kind.ENTERPRISE
    needs = [
        need
        for need in NEEDS
        if not (is_enterprise and need.reading in Reading.OF_ORGANIZATIONS_ONLY)
    ]
    if account.credential.quarantined_at:
        return [Right(need.what, _requirement(account, need), None) for need in needs]
    by_resource = {reading.resource: reading for reading in readings}
    return [_right(account, need, by_resource) for need in needs]


def _right(account: Account, need: Need, readings: dict[str, Reading]) -> Right:
    reading = readings.get(need.reading)
    has = _was_read(reading) if need.reading else _was_written(account, need.kinds)
    if has is None:
        has = _is_granted(account, need)
    needs = _requirement(account, need)
    if has:
        return Right(need.what, needs, has)
    if reading is not None and reading.error_help_url:
        how = "Authorise the token for the organization's single sign-on"
        return Right(need.what, needs, has, how, reading.error_help_url)
    return Right(need.what, needs, has, *_how(account, need))


def _requirement(account: Account, need: Need) -> str:
    if account.credential.kind == Credential.Kind.CLASSIC:
        return f"scope {_scope(account, need)}"
    level = "read and write" if need.level == "write" else "read"
    return f"permission “{need.permission[1]}: {level}”"


def _scope(account: Account, need: Need) -> str:
    return ENTERPRISE_SCOPE if account.kind == Account.Kind.ENTERPRISE else need.scope


def _was_read(reading: Reading | None) -> bool | None:
    if reading is None:
        return None
    if reading.error in ("permission", "sso", "not_found", "credential"):
        return False
    if reading.error in ("forbidden", "ip_allow_list", "suspended", "token_policy"):
        return None  # refused, for reasons that say nothing about this right
    return True if reading.last_good_at else None


def _was_written(account: Account, kinds: tuple[str, ...]) -> bool | None:
    """Whether GitHub accepted the last change made with this credential; False after a 403."""
    if not kinds:
        return None
    ended = Operation.objects.filter(
        account=account, kind__in=kinds, sent_at__gt=account.credential.stored_at
    )
    last = (
        ended.filter(state__in=(Operation.State.CONFIRMED, Operation.State.REJECTED))
        .order_by("-finished_at")
        .first()
    )
    if last is None:
        return None
    if last.state == Operation.State.CONFIRMED:
        return True
    return False if (last.refusal or {}).get("status") == 403 else None


def _is_granted(account: Account, need: Need) -> bool | None:
    """As GitHub lists it: scopes of classic tokens, permissions of installations, else None."""
    credential = account.credential
    if credential.kind == Credential.Kind.CLASSIC:
        if credential.scopes is None:
            return None
        granted = set(credential.scopes).union(
            *(CONTAINS.get(has, set()) for has in credential.scopes)
        )
        return _scope(account, need) in granted
    if not credential.permissions:
        return None
    # GitHub never lists the permission for custom images, whether an App has it or not.
    if need.permission == IMAGES and need.permission[0] not in credential.permissions:
        return None
    return credential.permissions.get(need.permission[0]) in LEVELS[need.level]


def _how(account: Account, need: Need) -> tuple[str, str]:
    credential, origin = account.credential, web_origin(account.api_url)
    if credential.kind == Credential.Kind.CLASSIC:
        return f"Add the scope {_scope(account, need)} to the token", f"{origin}/settings/tokens"
    level = "Read and write" if need.level == "write" else "Read"
    if credential.kind == Credential.Kind.FINE_GRAINED:
        how = f"Edit the token: organization permission {need.permission[1]}, {level}"
        return how, f"{origin}/settings/personal-access-tokens"
    how = (
        f"Set the App's permission {need.permission[1]} to {level}; "
        "an owner of the organization then accepts it"
    )
    return how, _permissions_page(credential.app, origin)


def _permissions_page(app: App | None, origin: str) -> str:
    if app is None or not app.slug:
        return f"{origin}/settings/apps"
    return f"{origin}/apps/{app.slug}"


def needed_for(account: Account, resource: str) -> str:
    """What a reading about groups needs, in the terms of the credential's kind."""
    if account.kind == Account.Kind.ENTERPRISE:
        return f"scope {ENTERPRISE_SCOPE}"
    if account.credential.kind == Credential.Kind.CLASSIC:
        return "scope repo" if resource == R.REPOSITORIES else "scope admin:org"
    return (
        "permission “Metadata: read”"
        if resource == R.REPOSITORIES
        else "permission “Self-hosted runners: read”"
    )


def why_missing(reading: Reading | None, needed: str) -> str:
    """Why something is unknown, and what would change that.

    A permission is said to be missing only where GitHub said so.
    """
    if reading is not None and reading.error:
        missing = f"Needs the {needed}. " if reading.error == "permission" else ""
        return f"{missing}{reading.error_message}"
    if reading is None or reading.last_good_at is None:
        return f"It is read within minutes, if the token has the {needed}."
    if reading.resource == R.REPOSITORIES:
        return f"The token does not list it: check the name, or give the token the {needed} for it."
    return f"It is read again within minutes. If not, check that the token has the {needed}."
