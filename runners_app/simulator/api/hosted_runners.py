"""Larger runners of organizations and enterprises, under ``/actions/hosted-runners``."""

from runners_app.simulator.api import rules
from runners_app.simulator.api.call import Call, wrapped_page
from runners_app.simulator.api.images import ChosenImage, choose_image, current_image
from runners_app.simulator.api.wire import Body, Response, conflict, problem, validation_failed
from runners_app.simulator.world import lifecycle
from runners_app.simulator.world.catalog import PLATFORMS, SIZES, MachineSize, curated_images
from runners_app.simulator.world.state import Account, Clock, Runner

RESOURCE = "HostedRunner"


def describe(runner: Runner, clock: Clock, at: float) -> Body:
    """A runner as GitHub returns it at the simulated moment ``at``."""
    active = lifecycle.last_active_on(runner, clock, at)
    response: Body = {
        "id": runner.id,
        "name": runner.name,
        "runner_group_id": runner.group_id,
        "platform": runner.platform,
        "image_details": _describe_image(runner),
        "machine_size_details": SIZES[runner.size].describe(),
        "status": lifecycle.status(runner, at),
        "maximum_runners": runner.maximum_runners,
        "public_ip_enabled": runner.static_ip,
        "public_ips": lifecycle.public_ips(runner, at),
        "last_active_on": None if active is None else lifecycle.precise_timestamp(active),
        "image_gen": runner.image_gen,
    }
    return {**response, **runner.shown}


def _describe_image(runner: Runner) -> Body | None:
    if runner.image is None:
        return None
    return {name: value for name, value in vars(runner.image).items() if value is not None}


def describe_for(call: Call, runner: Runner) -> Body:
    return describe(runner, call.world.clock, call.at)


def list_hosted_runners(call: Call) -> Response:
    lifecycle.remove_gone_runners(call.account, call.at)
    return _page_of_runners(
        call, sorted(call.account.runners.values(), key=lambda runner: runner.id)
    )


def list_hosted_runners_in_group(call: Call) -> Response:
    """GET .../runner-groups/{id}/hosted-runners; inherited groups have the enterprise's runners."""
    group, owner = call.group(), call.account
    group_id = group.id
    if group.inherited_from is not None:
        enterprise = call.world.enterprise_of(call.account)
        owner, group_id = enterprise or owner, group.inherited_from
    lifecycle.remove_gone_runners(owner, call.at)
    return _page_of_runners(
        call, [runner for runner in owner.runners.values() if runner.group_id == group_id]
    )


def _page_of_runners(call: Call, runners: list[Runner]) -> Response:
    response = wrapped_page(call, "runners", runners)
    response.body["runners"] = [describe_for(call, runner) for runner in response.body["runners"]]
    return response


def get_hosted_runner(call: Call) -> Response:
    return Response(200, describe_for(call, call.runner()))


def create_hosted_runner(call: Call) -> Response:
    """201 with the runner, whose status is Provisioning; a 422 lists every broken rule."""
    body = rules.read_body(call.request, rules.CREATE_RUNNER)
    image_body = rules.check_shape(body["image"], rules.IMAGE, "image.")
    lifecycle.remove_gone_runners(call.account, call.at)
    errors: list[Body] = [
        *_name_problems(call.account, body["name"]),
        *_group_problems(call.account, body["runner_group_id"]),
        *_maximum_problems(body.get("maximum_runners", 10)),
    ]
    image = choose_image(
        call.account,
        image_body.get("id"),
        image_body.get("source", "github"),
        image_body.get("version"),
        "image",
    )
    errors += image if isinstance(image, list) else _size_problems(image, body["size"])
    if errors or isinstance(image, list):
        raise validation_failed(errors)
    static_ip = body.get("enable_static_ip", False)
    if static_ip:
        _require_free_static_ip(call.account)
    runner = Runner(
        id=call.account.next_id("runner"),
        name=body["name"],
        platform=image.platform,
        image=image.details,
        size=body["size"],
        group_id=body["runner_group_id"],
        maximum_runners=body.get("maximum_runners", 10),
        image_gen=body.get("image_gen", False),
        static_ip=static_ip,
        static_ip_at=call.at,
        created_at=call.at,
    )
    lifecycle.settle_durations(
        runner, lifecycle.durations(call.world.seed, call.account, runner.id)
    )
    call.account.runners[runner.id] = runner
    return Response(201, describe_for(call, runner))


def update_hosted_runner(call: Call) -> Response:
    """Change the given fields and no others. 409 while the runner is being deleted."""
    runner = call.runner()
    body = rules.read_body(call.request, rules.UPDATE_RUNNER)
    if runner.deleted_at is not None:
        raise conflict("The runner is being deleted.", "/actions/hosted-runners")
    errors: list[Body] = []
    if "name" in body and body["name"] != runner.name:
        errors += _name_problems(call.account, body["name"], runner.id)
    if "runner_group_id" in body:
        errors += _group_problems(call.account, body["runner_group_id"])
    if "maximum_runners" in body:
        errors += _maximum_problems(body["maximum_runners"])
    image = _image_after(call.account, runner, body)
    if isinstance(image, list):
        errors += image
    elif image is not None and (image.details != runner.image or "size" in body):
        errors += _size_problems(image, body.get("size", runner.size))
    elif body.get("size", runner.size) not in SIZES:
        errors.append(problem(RESOURCE, "size", "invalid", "This machine size does not exist."))
    if errors:
        raise validation_failed(errors)
    if body.get("enable_static_ip") and not runner.static_ip:
        _require_free_static_ip(call.account)
    _apply_update(runner, body, image if isinstance(image, ChosenImage) else None, call.at)
    return Response(200, describe_for(call, runner))


def _image_after(account: Account, runner: Runner, body: Body) -> ChosenImage | list[Body] | None:
    """The image after the update, or the problems with it; None for a runner without an image."""
    image_fields = body.keys() & {"image_id", "image_source", "image_version"}
    current = runner.image
    if not image_fields:
        return current_image(current, runner.platform) if current else None
    source = body.get(
        "image_source", current.source if current and "image_id" not in body else "github"
    )
    image_id = body.get("image_id", current.id if current else None)
    return choose_image(account, image_id, source, body.get("image_version"), "image_id", flat=True)


def _apply_update(runner: Runner, body: Body, image: ChosenImage | None, at: float) -> None:
    runner.name = body.get("name", runner.name)
    runner.group_id = body.get("runner_group_id", runner.group_id)
    runner.maximum_runners = body.get("maximum_runners", runner.maximum_runners)
    runner.size = body.get("size", runner.size)
    runner.image_gen = body.get("image_gen", runner.image_gen)
    if image is not None:
        runner.image, runner.platform = image.details, image.platform
    if body.get("enable_static_ip", runner.static_ip) != runner.static_ip:
        runner.static_ip = body["enable_static_ip"]
        runner.static_ip_at = at
    shown_as = {"enable_static_ip": "public_ip_enabled", "size": "machine_size_details"}
    for name in body:
        runner.shown.pop(
            shown_as.get(name, "image_details" if name.startswith("image_") else name), None
        )


def delete_hosted_runner(call: Call) -> Response:
    """202 with the runner, whose status is Deleting; it can be read until it is gone.

    Deleting it again changes nothing.
    """
    runner = call.runner()
    if runner.deleted_at is None:
        runner.deleted_at = call.at
        runner.shown.pop("status", None)
    return Response(202, describe_for(call, runner))


def get_limits(call: Call) -> Response:
    lifecycle.remove_gone_runners(call.account, call.at)
    limits = {
        "maximum": call.account.static_ip_maximum,
        "current_usage": _static_ips_in_use(call.account),
    }
    return Response(200, {"public_ips": limits})


def get_machine_sizes(call: Call) -> Response:
    return Response(
        200,
        {"total_count": len(SIZES), "machine_specs": [size.describe() for size in SIZES.values()]},
    )


def get_platforms(call: Call) -> Response:
    return Response(200, {"total_count": len(PLATFORMS), "platforms": list(PLATFORMS)})


def get_github_owned_images(call: Call) -> Response:
    return _curated("github")


def get_partner_images(call: Call) -> Response:
    return _curated("partner")


def _curated(source: str) -> Response:
    images = [image.describe() for image in curated_images(source)]
    return Response(200, {"total_count": len(images), "images": images})


def _name_problems(account: Account, name: str, own_id: int | None = None) -> list[Body]:
    if not rules.RUNNER_NAME.fullmatch(name):
        rule = "must have 1 to 64 characters, each a letter, a digit or one of . - _"
        return [problem(RESOURCE, "name", "invalid", f"name {rule}")]
    names = {runner.name.lower() for runner in account.runners.values() if runner.id != own_id}
    return [problem(RESOURCE, "name", "already_exists")] if name.lower() in names else []


def _group_problems(account: Account, group_id: int) -> list[Body]:
    group = account.groups.get(group_id)
    if group is None or group.inherited_from is not None:
        return [
            problem(
                RESOURCE,
                "runner_group_id",
                "missing",
                f"There is no runner group {group_id} to put it in.",
            )
        ]
    return []


def _maximum_problems(maximum: int) -> list[Body]:
    if 1 <= maximum <= rules.LARGEST_POOL:
        return []
    between = f"maximum_runners must be between 1 and {rules.LARGEST_POOL}"
    return [problem(RESOURCE, "maximum_runners", "custom", between)]


def _size_problems(image: ChosenImage, size_id: str) -> list[Body]:
    size = SIZES.get(size_id)
    if size is None:
        return [problem(RESOURCE, "size", "invalid", "This machine size does not exist.")]
    if image.platform not in size.platforms or (
        _is_small_windows(size, image) and not image.small_windows
    ):
        return [
            problem(
                RESOURCE, "size", "unprocessable", f"{size_id} is not available for this image."
            )
        ]
    # Only custom images must fit the disk: GitHub offers its own Ubuntu (86 GB) on 2-core (75 GB).
    if image.details.source == "custom" and size.storage_gb < image.details.size_gb:
        return [
            problem(
                RESOURCE,
                "size",
                "unprocessable",
                f"The image needs {image.details.size_gb} GB of storage.",
            )
        ]
    return []


def _is_small_windows(size: MachineSize, image: ChosenImage) -> bool:
    return size.id == "4-core" and image.platform == "win-x64"


def _static_ips_in_use(account: Account) -> int:
    return sum(runner.static_ip for runner in account.runners.values())


def _require_free_static_ip(account: Account) -> None:
    if _static_ips_in_use(account) >= account.static_ip_maximum:
        raise validation_failed(["Static IP limit reached"])
