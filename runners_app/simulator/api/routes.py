"""The routes: method and path, the function that responds, and what it requires of the caller."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from runners_app.simulator.api import (
    apps,
    group_contents,
    groups,
    hosted_runners,
    images,
    networks,
    organizations,
    webhooks,
)
from runners_app.simulator.api import self_hosted_runners as machines
from runners_app.simulator.api import workflow_runs as runs
from runners_app.simulator.api.auth import Need
from runners_app.simulator.api.call import Call
from runners_app.simulator.api.wire import Response

Operation = Callable[[Call], Response]


@dataclass(frozen=True)
class Route:
    """One operation of the API. ``hosted`` ones do not exist on GitHub Enterprise Server."""

    method: str
    pattern: re.Pattern[str]
    operation: Operation
    need: Need
    hosted: bool = False


def _compile(path: str) -> re.Pattern[str]:
    def group(match: re.Match[str]) -> str:
        name = match[1]
        return f"(?P<{name}>{r'[0-9]{1,18}' if name.endswith('_id') else '[^/]+'})"

    return re.compile(re.sub(r"\{(\w+)\}", group, path) + r"\Z")


def _reads_and_writes(
    permission: str, scopes: tuple[str, ...], table: str, operations: dict[str, Operation]
) -> list[Route]:
    return [
        Route(
            method,
            _compile(table + rest),
            operation,
            _need(method, permission, scopes),
            "hosted-runners" in table + rest,
        )
        for line, operation in operations.items()
        for method, _, rest in [line.partition(" ")]
    ]


def _need(method: str, permission: str, scopes: tuple[str, ...]) -> Need:
    return Need(scopes, (permission, "read" if method == "GET" else "write"))


HOSTED_RUNNERS: dict[str, Operation] = {
    "GET ": hosted_runners.list_hosted_runners,
    "POST ": hosted_runners.create_hosted_runner,
    "GET /{hosted_runner_id}": hosted_runners.get_hosted_runner,
    "PATCH /{hosted_runner_id}": hosted_runners.update_hosted_runner,
    "DELETE /{hosted_runner_id}": hosted_runners.delete_hosted_runner,
    "GET /images/github-owned": hosted_runners.get_github_owned_images,
    "GET /images/partner": hosted_runners.get_partner_images,
    "GET /limits": hosted_runners.get_limits,
    "GET /machine-sizes": hosted_runners.get_machine_sizes,
    "GET /platforms": hosted_runners.get_platforms,
}
CUSTOM_IMAGES: dict[str, Operation] = {
    "GET ": images.list_custom_images,
    "GET /{image_definition_id}": images.get_custom_image,
    "DELETE /{image_definition_id}": images.delete_custom_image,
    "GET /{image_definition_id}/versions": images.list_custom_image_versions,
    "GET /{image_definition_id}/versions/{version}": images.get_custom_image_version,
    "DELETE /{image_definition_id}/versions/{version}": images.delete_custom_image_version,
}
GROUPS: dict[str, Operation] = {
    "GET ": groups.list_groups,
    "POST ": groups.create_group,
    "GET /{runner_group_id}": groups.get_group,
    "PATCH /{runner_group_id}": groups.update_group,
    "DELETE /{runner_group_id}": groups.delete_group,
    "GET /{runner_group_id}/runners": group_contents.list_machines,
    "PUT /{runner_group_id}/runners": group_contents.set_machines,
    "PUT /{runner_group_id}/runners/{runner_id}": group_contents.add_machine,
    "DELETE /{runner_group_id}/runners/{runner_id}": group_contents.remove_machine,
}
MACHINES: dict[str, Operation] = {
    "GET ": machines.list_machines,
    "GET /{runner_id}": machines.get_machine,
    "DELETE /{runner_id}": machines.delete_machine,
}
ORGANIZATION_MACHINES: dict[str, Operation] = {
    **MACHINES,
    "GET /{runner_id}/labels": machines.list_labels,
}


def _members(noun: str) -> dict[str, Operation]:
    return {
        f"GET /{{runner_group_id}}/{noun}": group_contents.list_members,
        f"PUT /{{runner_group_id}}/{noun}": group_contents.set_members,
        f"PUT /{{runner_group_id}}/{noun}/{{member_id}}": group_contents.add_member,
        f"DELETE /{{runner_group_id}}/{noun}/{{member_id}}": group_contents.remove_member,
    }


def _account_routes(
    root: str, runner_scope: str, group_scope: str, member_noun: str
) -> list[Route]:
    actions = f"{root}/actions"
    self_hosted = "organization_self_hosted_runners"
    runner_scopes, group_scopes = (runner_scope,), (group_scope,)
    of_organization = member_noun == "repositories"
    group_operations = {**GROUPS, **_members(member_noun)}
    if of_organization:
        group_operations["GET /{runner_group_id}/hosted-runners"] = (
            hosted_runners.list_hosted_runners_in_group
        )
    own_machines = ORGANIZATION_MACHINES if of_organization else MACHINES
    custom = "organization_hosted_runner_custom_images"
    hosted = f"{actions}/hosted-runners"
    return [
        *_reads_and_writes("organization_administration", runner_scopes, hosted, HOSTED_RUNNERS),
        *_reads_and_writes(custom, runner_scopes, f"{hosted}/images/custom", CUSTOM_IMAGES),
        *_reads_and_writes(self_hosted, group_scopes, f"{actions}/runner-groups", group_operations),
        *_reads_and_writes(self_hosted, group_scopes, f"{actions}/runners", own_machines),
    ]


def _plain(method: str, path: str, operation: Operation, need: Need) -> Route:
    return Route(method, _compile(path), operation, need)


NETWORKS: dict[str, Operation] = {
    "GET ": networks.list_network_configurations,
    "GET /{network_configuration}": networks.get_network_configuration,
}


ROUTES: list[Route] = [
    *_account_routes("/orgs/{org}", "manage_runners:org", "admin:org", "repositories"),
    *_account_routes(
        "/enterprises/{enterprise}",
        "manage_runners:enterprise",
        "manage_runners:enterprise",
        "organizations",
    ),
    *_reads_and_writes(
        "organization_network_configurations",
        ("read:network_configurations", "write:network_configurations"),
        "/orgs/{org}/settings/network-configurations",
        NETWORKS,
    ),
    *_reads_and_writes(
        "organization_network_configurations",
        ("read:network_configurations", "write:network_configurations"),
        "/enterprises/{enterprise}/network-configurations",
        NETWORKS,
    ),
    _plain("GET", "/orgs/{org}", organizations.get_organization, Need(who="anyone")),
    _plain(
        "GET",
        "/organizations/{organization_id}",
        organizations.get_organization_by_id,
        Need(who="anyone"),
    ),
    _plain("GET", "/orgs/{org}/repos", organizations.list_repositories, Need(who="anyone")),
    _plain("GET", "/user", organizations.get_user, Need()),
    _plain("GET", "/users/{username}", organizations.get_user_by_name, Need(who="anyone")),
    _plain("GET", "/user/orgs", organizations.list_own_organizations, Need(("read:org", "user"))),
    _plain("GET", "/rate_limit", organizations.get_rate_limit, Need(who="anyone")),
    _plain("GET", "/app", apps.get_app, Need(who="app")),
    _plain("GET", "/app/installations", apps.list_installations, Need(who="app")),
    _plain("GET", "/app/installations/{installation_id}", apps.get_installation, Need(who="app")),
    _plain(
        "POST",
        "/app/installations/{installation_id}/access_tokens",
        apps.create_access_token,
        Need(who="app"),
    ),
    _plain("GET", "/orgs/{org}/installation", apps.get_organization_installation, Need(who="app")),
    _plain("GET", "/installation/repositories", apps.list_installation_repositories, Need()),
]


HOOKS: dict[str, Operation] = {
    "GET ": webhooks.list_webhooks,
    "POST ": webhooks.create_webhook,
    "GET /{hook_id}": webhooks.get_webhook,
    "PATCH /{hook_id}": webhooks.update_webhook,
    "DELETE /{hook_id}": webhooks.delete_webhook,
    "GET /{hook_id}/config": webhooks.get_config,
    "PATCH /{hook_id}/config": webhooks.update_config,
    "POST /{hook_id}/pings": webhooks.ping_webhook,
    "GET /{hook_id}/deliveries": webhooks.list_deliveries,
    "GET /{hook_id}/deliveries/{delivery_id}": webhooks.get_delivery,
    "POST /{hook_id}/deliveries/{delivery_id}/attempts": webhooks.redeliver,
}
APP_HOOK: dict[str, Operation] = {
    "GET /config": webhooks.get_app_config,
    "PATCH /config": webhooks.update_app_config,
    "GET /deliveries": webhooks.list_app_deliveries,
    "GET /deliveries/{delivery_id}": webhooks.get_app_delivery,
    "POST /deliveries/{delivery_id}/attempts": webhooks.redeliver_app,
}
WORKFLOW_RUNS: dict[str, Operation] = {
    "GET /runs": runs.list_runs,
    "GET /runs/{run_id}": runs.get_run,
    "GET /runs/{run_id}/attempts/{attempt_id}": runs.get_run_attempt,
    "GET /runs/{run_id}/jobs": runs.list_run_jobs,
    "GET /runs/{run_id}/concurrency_groups": runs.list_run_concurrency_groups,
    "GET /jobs/{job_id}": runs.get_job,
}
ROUTES += [
    *_reads_and_writes("organization_hooks", ("admin:org_hook",), "/orgs/{org}/hooks", HOOKS),
    *_reads_and_writes("actions", ("repo",), "/repos/{owner}/{repo}/actions", WORKFLOW_RUNS),
    _plain(
        "GET",
        "/orgs/{org}/properties/values",
        runs.list_property_values,
        Need(("read:org",), ("organization_custom_properties", "read")),
    ),
    *(
        _plain(method, f"/app/hook{rest}", operation, Need(who="app"))
        for line, operation in APP_HOOK.items()
        for method, _, rest in [line.partition(" ")]
    ),
]


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route for a percent-encoded path with its parameters, decoded; None if there is none.

    A path with a trailing slash has no route.
    """
    wanted = "GET" if method == "HEAD" else method
    for route in ROUTES:
        if route.method == wanted and (match := route.pattern.match(path)):
            return route, {name: unquote(value) for name, value in match.groupdict().items()}
    return None
