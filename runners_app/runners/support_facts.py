"""What GitHub's support asks for about a runner, as plain text to paste."""

from collections.abc import Iterable

from runners_app.models import Operation, OperationEvent, Runner

REQUESTS = 5


def support_facts(runner: Runner, operations: Iterable[Operation]) -> str:
    """Facts, one on each line, and the ids of GitHub's last answers about this runner. Nothing
    secret is among them.
    """
    account = runner.account
    lines = [
        f"{account.get_kind_display()}: {account.slug} at {account.api_url}",
        f"GitHub-hosted larger runner: {runner.name}, id {runner.github_id}",
        f"Status: {runner.status} since {runner.status_since:%Y-%m-%d %H:%M:%S} UTC",
        f"Image: {runner.image_name or 'unknown'}, id {runner.image_id or 'unknown'}, source"
        f" {runner.image_source or 'unknown'}, version {runner.image_version or 'latest'}",
        f"Size: {runner.size or 'unknown'}, platform {runner.platform or 'unknown'}",
        f"Runner group: {runner.group_name or 'name unknown'}, id {runner.group_id}",
        f"Maximum runners: {runner.maximum_runners}",
        f"Static IPs: {', '.join(runner.ip_ranges) or ('on, no ranges told' if runner.static_ip else 'off')}",
        f"Last active: {f'{runner.last_active_on:%Y-%m-%d %H:%M:%S} UTC' if runner.last_active_on else 'never'}",
        f"Last seen so: {runner.observed_at:%Y-%m-%d %H:%M:%S} UTC",
    ]
    if runner.gone_at:
        lines.append(f"Not listed any more since: {runner.gone_at:%Y-%m-%d %H:%M:%S} UTC")
    answered = OperationEvent.objects.filter(
        operation__in=[operation.pk for operation in operations]
    )
    for event in (
        answered.exclude(request_id="").select_related("operation").order_by("-pk")[:REQUESTS]
    ):
        kind = event.operation.get_kind_display()
        lines.append(f"Request id: {event.request_id} ({kind}, {event.at:%Y-%m-%d %H:%M:%S} UTC)")
    return "\n".join(lines)
