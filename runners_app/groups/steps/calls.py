"""The two steps of a change to a runner group, `settings` and `access`.

For each: send it, take it back, see whether it took effect or was not applied at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runners_app.github import Answer, AnswerUnusable, none_known
from runners_app.groups.readings import (
    group_values,
    is_page_of,
    line_values,
    pages_of_list,
    publish_list,
)
from runners_app.groups.settings import WORKFLOW_FIELDS, GroupSettings
from runners_app.models import (
    Account,
    CachedResponse,
    FieldChange,
    GroupAccess,
    Operation,
    Reading,
    RunnerGroup,
)
from runners_app.operations.send import Work
from runners_app.operations.steps import step
from runners_app.readings.fetcher import IncompleteList, check_whole
from runners_app.readings.publish import RowSet
from runners_app.readings.rows import Values
from runners_app.readings.run import publish_fresh

R = Reading.Resource


@dataclass(frozen=True)
class GroupNow:
    """A group as GitHub has it now. `lines` are the ids on its access list, None if not read."""

    row: RunnerGroup
    settings: GroupSettings
    lines: frozenset[int] | None


def group_now(operation: Operation, work: Work) -> GroupNow:
    """Read the group, and its access list if the operation changes it; publish both.

    Raises GitHubError. GitHub: actions/get-self-hosted-runner-group-for-org.
    """
    group = work.client.get_runner_group(operation.account.owner, operation.target_github_id).data
    row = publish_group(operation, group, work, made_by_operation=False)
    lines = None
    if changes_access(operation) and row.has_access_list:
        lines = _read_list(row, work)
    return GroupNow(row, GroupSettings.of(row), lines)


def changes_access(operation: Operation) -> bool:
    """Return whether the operation changes the access list."""
    return bool(operation.wanted.get("add") or operation.wanted.get("remove"))


def publish_group(
    operation: Operation, group: Any, work: Work, *, made_by_operation: bool = True
) -> RunnerGroup:
    """Publish a group from GitHub's answer; return its row."""
    account = operation.account
    rows = RowSet(
        RunnerGroup,
        {"account": account},
        "github_id",
        {group.id: group_values(group)},
        complete=False,
    )
    by = operation if made_by_operation else None
    publish_fresh(rows, account=account, lease=work.lease, operation=by, resource=R.GROUPS)
    row = RunnerGroup.objects.get(account=account, github_id=group.id)
    row.account = account
    return row


def _read_list(row: RunnerGroup, work: Work) -> frozenset[int]:
    """Read and publish the whole list; drop its cached pages, which may be older.

    Raises GitHubError.
    """
    found = RowSet(GroupAccess, {"group": row}, "github_id")
    pages = list(pages_of_list(work.client, row, none_known))
    lines = [line for page in pages for line in page.items or ()]
    try:
        check_whole([line.id for line in lines], {page.total_count for page in pages})
    except IncompleteList as error:  # the PUT would remove missing lines at GitHub
        raise AnswerUnusable(str(error), pages[-1].meta) from None
    found.rows.update((line.id, line_values(line)) for line in lines)
    with step(work):
        counts = publish_list(row, found, first=row.access_observed_at is None)
        cached = CachedResponse.objects.filter(
            reading__account=row.account, reading__resource=R.GROUP_ACCESS
        )
        stale = [page.pk for page in cached.only("pk", "url") if is_page_of(page.url, row)]
        cached.filter(pk__in=stale).delete()
        if counts.any:
            Account.objects.filter(pk=row.account.pk).raise_versions()
    return frozenset(found.rows)


def attribute_to(operation: Operation) -> None:
    """Attribute changes read after sending to the operation, not to an edit outside Trackside."""
    row = RunnerGroup.objects.filter(
        account=operation.account, github_id=operation.target_github_id
    ).first()
    if row is None or operation.sent_at is None:
        return
    noun = (
        "repositories" if operation.account.kind == Account.Kind.ORGANIZATION else "organizations"
    )
    fields = {*GroupSettings.names_in(operation.changed_fields), f"{noun}_added", f"{noun}_removed"}
    changes = FieldChange.objects.filter(
        item=FieldChange.Item.GROUP, item_pk=row.pk, operation=None
    )
    changes.filter(at__gte=operation.sent_at, field__in=fields).update(operation=operation)


# --- Settings: PATCH


def settings_shown(operation: Operation, now: GroupNow) -> bool:
    """Return whether the group has all requested settings."""
    return all(
        now.settings.stored()[field] == value
        for field, value in GroupSettings.names_in(operation.changed_fields).items()
    )


def settings_untouched(operation: Operation, now: GroupNow) -> bool:
    """Return whether the group still has all previous settings."""
    changed = GroupSettings.names_in(operation.changed_fields)
    return all(now.settings.stored()[field] == operation.base.get(field) for field in changed)


def send_settings(operation: Operation, work: Work, now: GroupNow) -> Callable[[], Answer[Any]]:
    """Return the call of actions/update-self-hosted-runner-group-for-org."""
    return _patch(operation, work, now, GroupSettings.names_in(operation.changed_fields))


def take_back_settings(
    operation: Operation, work: Work, now: GroupNow
) -> Callable[[], Answer[Any]]:
    """Return the call that restores the previous settings."""
    changed = GroupSettings.names_in(operation.changed_fields)
    return _patch(operation, work, now, {field: operation.base.get(field) for field in changed})


def _patch(
    operation: Operation, work: Work, now: GroupNow, changes: Values
) -> Callable[[], Answer[Any]]:
    """Send every flag, changed or not: GitHub documents defaults for those left out."""
    body = {**now.settings.stored(), **changes}
    if "network_configuration_id" not in changes:
        del body["network_configuration_id"]
    if now.row.workflow_restrictions_read_only:
        body = {name: value for name, value in body.items() if name not in WORKFLOW_FIELDS}
    owner = operation.account.owner
    return lambda: work.client.update_runner_group(owner, now.row.github_id, body)


# --- Access: PUT or DELETE of one line, PUT of the whole list


def access_shown(operation: Operation, now: GroupNow) -> bool:
    """Return whether the list has every line to add and none to remove."""
    return now.lines is not None and not _missing(operation, now.lines, back=False)


def access_untouched(operation: Operation, now: GroupNow) -> bool:
    """Return whether no line was changed. GitHub takes a list whole, so never half of them."""
    return now.lines is None or not _missing(operation, now.lines, back=True)


def send_access(operation: Operation, work: Work, now: GroupNow) -> Callable[[], Answer[Any]]:
    """Return the call that adds and removes the requested lines."""
    return _change_lines(operation, work, now, back=False)


def take_back_access(operation: Operation, work: Work, now: GroupNow) -> Callable[[], Answer[Any]]:
    """Return the call that undoes send_access."""
    return _change_lines(operation, work, now, back=True)


def _ids(operation: Operation, name: str) -> set[int]:
    return {int(key) for key in operation.wanted.get(name) or {}}


def _changes(operation: Operation, *, back: bool) -> tuple[set[int], set[int]]:
    add, remove = _ids(operation, "add"), _ids(operation, "remove")
    return (remove, add) if back else (add, remove)


def _missing(operation: Operation, lines: frozenset[int], *, back: bool) -> bool:
    add, remove = _changes(operation, back=back)
    return bool(add - lines or remove & lines)


def _change_lines(
    operation: Operation, work: Work, now: GroupNow, *, back: bool
) -> Callable[[], Answer[Any]]:
    """Send only what differs from the current list: one line alone, or else the whole list.

    GitHub: actions/add-repo-access-to-self-hosted-runner-group-in-org,
    actions/set-repo-access-to-self-hosted-runner-group-in-org, and the enterprise's.
    """
    add, remove = _changes(operation, back=back)
    lines = now.lines or frozenset()
    add, remove = add - lines, remove & lines
    owner, group_id, client = operation.account.owner, now.row.github_id, work.client
    is_organization = owner.kind == "organization"
    if len(add) + len(remove) != 1:
        whole = sorted((lines | add) - remove)
        put = (
            client.set_repositories_with_access
            if is_organization
            else client.set_organizations_with_access
        )
        return lambda: put(owner, group_id, whole)
    if add:
        one = (
            client.add_repository_with_access
            if is_organization
            else client.add_organization_with_access
        )
    else:
        one = (
            client.remove_repository_with_access
            if is_organization
            else client.remove_organization_with_access
        )
    return lambda: one(owner, group_id, *(add or remove))
