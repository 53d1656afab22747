"""The initial world: the same for the same seed, except that times count back from now."""

import hashlib
import random
from dataclasses import dataclass

from runners_app.simulator.world import names
from runners_app.simulator.world.inherited_groups import update_inherited_groups
from runners_app.simulator.world.seed_runners import add_images, add_runners
from runners_app.simulator.world.seed_tokens import add_main_token, add_tokens
from runners_app.simulator.world.state import (
    Account,
    Clock,
    GitHubApp,
    Group,
    Installation,
    Machine,
    NetworkConfiguration,
    Repository,
    World,
)

DAY = 86_400
APP_PERMISSIONS = {
    "actions": "read",
    "metadata": "read",
    "organization_administration": "write",
    "organization_hosted_runner_custom_images": "write",
    "organization_network_configurations": "read",
    "organization_plan": "read",
    "organization_self_hosted_runners": "write",
}


@dataclass(frozen=True)
class Size:
    """The size of the world. ``runners`` is per account."""

    seed: int = 1
    organizations: int = 3
    enterprises: int = 1
    runners: int = 40
    speed: float = 1.0


def make_world(size: Size, wall: float) -> World:
    """Build the world. Every third organization stands alone; the others belong to an enterprise.

    ``wall`` is the wall-clock time in seconds since 1970.
    """
    app = GitHubApp(
        4242,
        f"Iv23li{_digest(size.seed, 'app')[:14]}",
        "trackside-demo",
        "Trackside demo",
        wall,
        {},
    )
    world = World(size.seed, wall, Clock(wall, 0.0, size.speed), app)
    for number in range(size.enterprises):
        _add_account(
            world, "enterprise", *names.nth_name(names.ENTERPRISES, number), number, size, wall
        )
    for number in range(size.organizations):
        account = _add_account(
            world, "organization", *names.nth_name(names.ORGANIZATIONS, number), number, size, wall
        )
        if size.enterprises and number % 3 != 2:
            account.enterprise = names.nth_name(names.ENTERPRISES, number // 3 % size.enterprises)[
                0
            ]
        else:
            account.plan = "team"
    for account in world.accounts.values():
        _add_content(world, account, size, wall)
    for account in world.accounts.values():
        update_inherited_groups(world, account)
    for account in world.organizations():
        _configure_inherited_groups(account)
    _install_app(world, wall)
    add_tokens(world, wall)
    return world


def add_account(world: World, kind: str, slug: str, wall: float, runners: int = 12) -> Account:
    """Add an account that belongs to no enterprise, with content and a token, to a seeded world."""
    size = Size(seed=world.seed, runners=runners)
    account = _add_account(world, kind, slug, slug.title(), len(world.accounts), size, wall)
    account.id = max(each.id for each in world.accounts.values()) + 1
    _add_content(world, account, size, wall)
    add_main_token(world, account)
    return account


def _digest(seed: int, about: str) -> str:
    return hashlib.sha256(f"{seed}/{about}".encode()).hexdigest()


def _add_account(
    world: World, kind: str, slug: str, name: str, number: int, size: Size, wall: float
) -> Account:
    base = 1_000_000 if kind == "organization" else 5_000
    account = Account(
        "organization" if kind == "organization" else "enterprise",
        slug,
        base + size.seed * 1000 + number,
        name,
        plan="enterprise",
        created_on=wall - (900 + number) * DAY,
    )
    world.accounts[account.key] = account
    return account


def _add_content(world: World, account: Account, size: Size, wall: float) -> None:
    dice = random.Random(f"{size.seed}/{account.key}")  # noqa: S311 - reproducible on purpose
    if account.kind == "organization":
        _add_repositories(account, dice, wall)
        _add_organization_groups(account)
    else:
        _add_enterprise_groups(world, account)
    _add_networks(account, wall)
    add_images(account, dice, wall)
    _add_machines(account)
    add_runners(world, account, size.runners, dice, wall)


def _add_repositories(account: Account, dice: random.Random, wall: float) -> None:
    for position, (name, private) in enumerate(names.REPOSITORIES):
        repository_id = account.id * 100 + position
        created_on = wall - dice.randint(100, 890) * DAY
        account.repositories[repository_id] = Repository(repository_id, name, private, created_on)


def _add_group(account: Account, name: str, visibility: str, **fields: object) -> Group:
    group = Group(account.next_id("group"), name, visibility)
    for field, value in fields.items():
        setattr(group, field, value)
    account.groups[group.id] = group
    return group


def _add_organization_groups(account: Account) -> None:
    private = [repository.id for repository in account.repositories.values() if repository.private]
    _add_group(account, "Default", "all", default=True)
    workflows = [
        f"{account.slug}/{name}/.github/workflows/deploy.yaml@refs/heads/main"
        for name in ("api", "web")
    ]
    workflows.append(f"{account.slug}/infrastructure/.github/workflows/apply.yaml@v2")
    _add_group(
        account,
        "production-deploys",
        "selected",
        restricted_to_workflows=True,
        selected_workflows=workflows,
        selected_ids=private[:4],
    )
    _add_group(account, "gpu-research", "selected", selected_ids=private[5:7])
    _add_group(account, "open-source", "all", allows_public_repositories=True)
    _add_group(account, "sandbox", "private")


def _add_enterprise_groups(world: World, account: Account) -> None:
    members = [member.id for member in world.members_of(account)]
    _add_group(account, "Default", "all", default=True)
    _add_group(account, "enterprise-shared", "all")
    workflow = "acme/infrastructure/.github/workflows/scan.yaml@refs/heads/main"
    _add_group(
        account,
        "enterprise-security",
        "selected",
        restricted_to_workflows=True,
        selected_workflows=[workflow],
        selected_ids=members[:1],
    )
    _add_group(account, "enterprise-gpu", "selected")


def _configure_inherited_groups(account: Account) -> None:
    """Open the inherited groups without workflow restrictions, as the owners would."""
    for group in account.groups.values():
        if group.inherited_from is not None and group.name == "enterprise-shared":
            group.visibility = "all"


def _add_networks(account: Account, wall: float) -> None:
    """Two configurations, of which the second group uses the first."""
    for number, name in enumerate(("private-eu-west", "private-us-east")):
        digest = hashlib.sha256(f"{account.key}/{name}".encode()).hexdigest().upper()
        account.networks[digest[:16]] = NetworkConfiguration(
            digest[:16], name, wall - (200 - number) * DAY, network_settings_ids=[digest[16:32]]
        )
    account.groups[2].network_configuration_id = next(iter(account.networks))


def _add_machines(account: Account) -> None:
    for name, os, architecture, group_id, status, busy in (
        ("onprem-rack-01", "linux", "X64", 1, "online", True),
        ("onprem-rack-02", "linux", "X64", 1, "online", False),
        ("onprem-mac-mini", "macos", "ARM64", 1, "offline", False),
        ("deploy-bastion", "linux", "ARM64", 2, "online", False),
    ):
        machine = Machine(
            account.next_id("machine"), name, os, architecture, group_id, status, busy, ["onprem"]
        )
        account.machines[machine.id] = machine


def _install_app(world: World, wall: float) -> None:
    world.app.permissions = dict(APP_PERMISSIONS)
    world.app.created_on = wall - 400 * DAY
    for number, account in enumerate(world.organizations()):
        installation = Installation(
            90_001 + number, account.key, dict(APP_PERMISSIONS), wall - (300 + number) * DAY
        )
        world.app.installations[installation.id] = installation
