"""Changes made past the API. No rule applies to them, so that a test can set up any state."""

from typing import Any

from runners_app.simulator.api.images import choose_image
from runners_app.simulator.api.wire import Body
from runners_app.simulator.world import lifecycle
from runners_app.simulator.world.catalog import SIZES
from runners_app.simulator.world.state import Account, Runner, World, account_key

PLAIN_FIELDS: dict[str, tuple[str, type]] = {
    "name": ("name", str),
    "runner_group_id": ("group_id", int),
    "maximum_runners": ("maximum_runners", int),
    "image_gen": ("image_gen", bool),
    "public_ip_enabled": ("static_ip", bool),
    "enable_static_ip": ("static_ip", bool),
}


def create_runner(world: World, account: Account, body: Body, at: float) -> Runner:
    """Create a runner from the fields of GitHub's POST, all optional, and any field of its
    response. Its status is Ready unless given.
    """
    wanted = dict(body)
    image_body: dict[str, Any] = wanted.pop("image", None) or {"id": "2306"}
    image = choose_image(
        account,
        image_body.get("id"),
        image_body.get("source", "github"),
        image_body.get("version"),
        "",
    )
    if isinstance(image, list):
        raise ValueError(f"No such image: {image_body}")
    runner_id = account.next_id("runner")
    runner = Runner(
        runner_id,
        f"made-elsewhere-{runner_id}",
        image.platform,
        image.details,
        SIZES[wanted.pop("size", "4-core")].id,
        group_id=1,
        static_ip_at=at,
        created_at=at,
    )
    lifecycle.settle_durations(runner, lifecycle.durations(world.seed, account, runner_id))
    if wanted.get("status") == "Provisioning":
        del wanted["status"]
    else:
        runner.provisioning_takes = 0.0
    change_runner(runner, wanted)
    account.runners[runner_id] = runner
    return runner


def change_runner(runner: Runner, body: Body) -> None:
    """Set the fields that the world knows; show all others, and values of the wrong type, as
    given.
    """
    for name, value in body.items():
        plain = PLAIN_FIELDS.get(name)
        if plain and type(value) is plain[1]:
            setattr(runner, plain[0], value)
            runner.shown.pop(name, None)
        elif name == "size" and value in SIZES:
            runner.size = value
        else:
            runner.shown[name] = value


def rename_account(world: World, account: Account, slug: str) -> None:
    """Give an account another slug; its id, content, tokens and installations stay."""
    old, new = account.key, account_key(account.kind, slug)
    if new != old and new in world.accounts:
        raise ValueError(f"{slug} exists.")
    for member in world.organizations():
        if account.kind == "enterprise" and member.enterprise == account.slug:
            member.enterprise = slug
    account.slug = slug
    world.accounts = {account_key(each.kind, each.slug): each for each in world.accounts.values()}
    for token in world.tokens.values():
        token.accounts = [new if key == old else key for key in token.accounts]
        token.sso_missing = [new if key == old else key for key in token.sso_missing]
    for installation in world.app.installations.values():
        if installation.account == old:
            installation.account = new
