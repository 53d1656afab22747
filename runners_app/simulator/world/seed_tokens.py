"""Seeded tokens: one with all rights per account, then one for each way of being refused."""

import hashlib

from runners_app.simulator.world.state import Account, Token, World

DAY = 86_400
FULL_ORGANIZATION_SCOPES = [
    "admin:org",
    "admin:org_hook",
    "read:user",
    "repo",
    "write:network_configurations",
]
FULL_ENTERPRISE_SCOPES = ["admin:enterprise", "read:user", "write:network_configurations"]
FULL_PERMISSIONS = {
    "actions": "read",
    "metadata": "read",
    "organization_administration": "write",
    "organization_hosted_runner_custom_images": "write",
    "organization_network_configurations": "read",
    "organization_self_hosted_runners": "write",
}


def add_tokens(world: World, wall: float) -> None:
    for account in world.accounts.values():
        add_main_token(world, account)
    organizations = list(world.organizations())
    for account in organizations[:1]:
        _add_limited_tokens(world, account, wall)
    if organizations:
        _add(
            world,
            "classic",
            "many-organizations",
            organizations,
            scopes=list(FULL_ORGANIZATION_SCOPES),
        )
        _add(world, "classic", "everything", list(world.accounts.values()), scopes=_every_scope())
    for account in [each for each in world.accounts.values() if each.kind == "enterprise"][:1]:
        _add(
            world,
            "classic",
            "enterprise-runners-only",
            [account],
            scopes=["manage_runners:enterprise"],
        )
        _add(world, "classic", "enterprise-read-only", [account], scopes=["read:enterprise"])


def add_main_token(world: World, account: Account) -> None:
    """Add a token with all rights on the account alone."""
    scopes = FULL_ORGANIZATION_SCOPES if account.kind == "organization" else FULL_ENTERPRISE_SCOPES
    _add(world, "classic", "main", [account], scopes=list(scopes))


def _every_scope() -> list[str]:
    return sorted({*FULL_ORGANIZATION_SCOPES, *FULL_ENTERPRISE_SCOPES})


def _add_limited_tokens(world: World, account: Account, wall: float) -> None:
    """Add tokens for one organization that each lack something."""
    one = [account]
    _add(world, "classic", "read-only", one, scopes=["read:org"])
    _add(world, "classic", "no-scope", one, scopes=["repo"])
    _add(world, "classic", "runners-only", one, scopes=["manage_runners:org"])
    _add(world, "classic", "expired", one, scopes=["admin:org"], expires_on=wall - DAY)
    _add(world, "classic", "expiring", one, scopes=["admin:org"], expires_on=wall + 7 * DAY)
    _add(world, "classic", "revoked", one, scopes=["admin:org"], revoked=True)
    _add(world, "classic", "sso-missing", one, scopes=["admin:org"], sso_missing=[account.key])
    _add_fine_grained(world, "fine-grained", account, **FULL_PERMISSIONS)
    _add_fine_grained(
        world, "fine-grained-read-only", account, **dict.fromkeys(FULL_PERMISSIONS, "read")
    )
    lacking = (
        ("fine-grained-without-administration", "organization_administration"),
        ("fine-grained-without-self-hosted-runners", "organization_self_hosted_runners"),
        ("fine-grained-without-custom-images", "organization_hosted_runner_custom_images"),
    )
    for note, name in lacking:
        granted = {each: level for each, level in FULL_PERMISSIONS.items() if each != name}
        _add_fine_grained(world, note, account, **granted)


def _add_fine_grained(world: World, note: str, account: Account, **permissions: str) -> None:
    _add(world, "fine_grained", note, [account], permissions=permissions)


def _add(
    world: World,
    kind: str,
    note: str,
    accounts: list[Account],
    *,
    scopes: list[str] | None = None,
    permissions: dict[str, str] | None = None,
    expires_on: float | None = None,
    sso_missing: list[str] | None = None,
    revoked: bool = False,
) -> None:
    login = f"{accounts[0].slug}-{note}"
    origin = f"{world.seed}/{accounts[0].kind}/{login}"
    text = _token_text(origin, kind)
    if text in world.tokens:  # of an account that has been renamed since
        text = _token_text(f"{origin}/{accounts[0].id}", kind)
    world.tokens[text] = Token(
        text,
        kind,
        login,
        f"user/{accounts[0].kind}/{login}",
        [account.key for account in accounts],
        note,
        scopes or [],
        permissions or {},
        expires_on,
        sso_missing or [],
        revoked,
    )


def _token_text(origin: str, kind: str) -> str:
    noise = hashlib.sha512(origin.encode()).hexdigest()
    return f"ghp_{noise[:36]}" if kind == "classic" else f"github_pat_{noise[:22]}_{noise[22:81]}"


def main_token(world: World, account: Account) -> Token:
    """The token with all rights on an account."""
    return next(
        each
        for each in world.tokens.values()
        if each.note == "main" and each.accounts == [account.key]
    )
