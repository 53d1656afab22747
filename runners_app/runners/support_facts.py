"""Facts that GitHub Support asks for about a runner, as plain text to paste."""

from collections.abc import Iterable

from runners_app.models import Operation, OperationEvent, Runner

REQUESTS = 5


def support_facts(runner: Runner, operations: Iterable[Operation]) -> str:
    """One fact per line, then the request ids of GitHub's last responses. Contains no secrets."""
    account = runner.account
    static_ips = ", ".join(runner.ip_ranges)
    if not static_ips:
        static_ips = "on, no ranges assigned yet" if runner.static_ip else "off"
    since = "since" if runner.status_start_was_seen else "at least since"
    last_active = "never"
    if runner.last_active_on:
        last_active = f"{runner.last_active_on:%Y-%m-%d %H:%M:%S} UTC"
    lines = [
        f"{account.get_kind_display()}: {account.slug} at {account.api_url}",
        f"GitHub-hosted larger runner: {runner.name}, id {runner.github_id}",
        f"Status: {runner.status} {since} {runner.status_since:%Y-%m-%d %H:%M:%S} UTC",
        f"Image: {runner.image_name or 'unknown'}, id {runner.image_id or 'unknown'}, source"
        f" {runner.image_source or 'unknown'}, version {runner.image_version or 'latest'}",
        f"Size: {runner.size or 'unknown'}, platform {runner.platform or 'unknown'}",
        f"Runner group: {runner.group_name or 'name unknown'}, id {runner.group_id}",
        f"Maximum runners: {runner.maximum_runners}",
        f"Static IPs: {static_ips}",
        f"Last active: {last_active}",
        f"Last read: {runner.observed_at:%Y-%m-%d %H:%M:%S} UTC",
    ]
    if runner.gone_at:
        lines.append(f"Gone from GitHub's list since: {runner.gone_at:%Y-%m-%d %H:%M:%S} UTC")
    events = OperationEvent.objects.filter(operation__in=[operation.pk for operation in operations])
    for event in (
        events.exclude(request_id="").select_related("operation").order_by("-pk")[:REQUESTS]
    ):
        kind = event.operation.get_kind_display()
        lines.append(f"Request id: {event.request_id} ({kind}, {event.at:%Y-%m-%d %H:%M:%S} UTC)")
    return "\n".join(lines)
