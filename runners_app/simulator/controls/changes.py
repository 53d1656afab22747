"""Changes behind GitHub's back: they obey no rules, so that anything can be met."""

from typing import Any

from runners_app.simulator.api.images import choose_image
from runners_app.simulator.api.wire import Body
from runners_app.simulator.world import lifecycle
from runners_app.simulator.world.catalog import SIZES
from runners_app.simulator.world.state import Account, Runner, World

PLAIN_FIELDS: dict[str, tuple[str, type]] = {
    "name": ("name", str),
    "runner_group_id": ("group_id", int),
    "maximum_runners": ("maximum_runners", int),
    "image_gen": ("image_gen", bool),
    "public_ip_enabled": ("static_ip", bool),
    "enable_static_ip": ("static_ip", bool),
}


def create_runner(world: World, account: Account, body: Body, at: float) -> Runner:
    """A runner with the body of GitHub's POST, all optional, and any field of its answer; Ready
    unless it says else.
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
    """Set what has a place in the world; everything else (and anything of a wrong type) is shown as
    it is.
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
