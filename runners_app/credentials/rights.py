"""What a credential may do in an account, what each thing needs, and how to add it."""

from dataclasses import dataclass

from runners_app.models import Account, App, Credential, Operation, Reading
from runners_app.models.accounts import web_origin

R, K = Reading.Resource, Operation.Kind
ENTERPRISE_SCOPE = "manage_runners:enterprise"
RUNNERS, GROUPS = "manage_runners:org", "admin:org"
# Scopes that contain others.
CONTAINS = {"admin:org": {RUNNERS}, "admin:enterprise": {ENTERPRISE_SCOPE}}
LEVELS = {"read": {"read", "write", "admin"}, "write": {"write", "admin"}}
ADMINISTRATION = ("organization_administration", "Administration")
SELF_HOSTED = ("organization_self_hosted_runners", "Self-hosted runners")
IMAGES = ("organization_hosted_runner_custom_images", "Hosted runner custom images")


@dataclass(frozen=True)
class Need:
    """One thing Trackside does: the scope or permission it takes, and what would prove it."""

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
)


@dataclass(frozen=True)
class Right:
    """`has` is nothing where no answer shows it. `needs` and `how` are in the words of the
    credential's kind.
    """

    what: str
    needs: str
    has: bool | None
    how: str = ""
    how_url: str = ""


def rights_of(account: Account, readings: list[Reading]) -> list[Right]:
    """Answers count more than what GitHub lists: single sign-on and policies also stand in the way.

    Nothing is known of a credential that is out of use, and no scope or permission would mend that.
    """
    if account.credential.quarantined_at:
        return [Right(need.what, _words(account, need), None) for need in NEEDS]
    by_resource = {reading.resource: reading for reading in readings}
    return [_right(account, need, by_resource) for need in NEEDS]


def _right(account: Account, need: Need, readings: dict[str, Reading]) -> Right:
    proven = (
        _was_read(readings.get(need.reading)) if need.reading else _was_written(account, need.kinds)
    )
    has = proven if proven is not None else _is_granted(account, need)
    needs = _words(account, need)
    if has:
        return Right(need.what, needs, has)
    reading = readings.get(need.reading)
    if reading is not None and reading.error_help_url:
        how = "Authorise the token for the organization's single sign-on"
        return Right(need.what, needs, has, how, reading.error_help_url)
    return Right(need.what, needs, has, *_how(account, need))


def _words(account: Account, need: Need) -> str:
    if account.credential.kind == Credential.Kind.CLASSIC:
        return f"scope {_scope(account, need)}"
    return f"permission “{need.permission[1]}: {'read and write' if need.level == 'write' else 'read'}”"


def _scope(account: Account, need: Need) -> str:
    return ENTERPRISE_SCOPE if account.kind == Account.Kind.ENTERPRISE else need.scope


def _was_read(reading: Reading | None) -> bool | None:
    if reading is None:
        return None
    if reading.error in ("permission", "not_found", "credential"):
        return False
    return True if reading.last_good_at else None


def _was_written(account: Account, kinds: tuple[str, ...]) -> bool | None:
    """The last change with this credential that GitHub took, or refused for want of a right."""
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
    """As GitHub lists it: scopes of a classic token, permissions of an installation; of
    fine-grained tokens nothing.
    """
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
    # Of custom images GitHub's lists say nothing, whether an App has the right or not.
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
    how = f"Set the App's permission {need.permission[1]} to {level}; an owner of the organization then accepts it"
    return how, _permissions_page(credential.app, origin)


def _permissions_page(app: App | None, origin: str) -> str:
    if app is None or not app.slug:
        return f"{origin}/settings/apps"
    return f"{origin}/apps/{app.slug}"


def needed_for(account: Account, resource: str) -> str:
    """The permission a reading about groups needs, in the words of the credential's kind."""
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
    """Why something is not known, and which permission would change that."""
    if reading is not None and reading.error:
        return f"Needs the {needed}. {reading.error_message}"
    if reading is None or reading.last_good_at is None:
        return f"It is read within minutes, if the token has the {needed}."
    if reading.resource == R.REPOSITORIES:
        return f"The token does not list it: check the name, or give the token the {needed} for it."
    return f"It is read again within minutes. If it stays so, the token lacks the {needed}."
