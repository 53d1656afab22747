"""Fetch runner groups, access lists, shared runners, repositories and self-hosted runners.

An access list is published whole: lines that GitHub no longer has are deleted, and the group's
history records which.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import models

from runners_app.github import (
    BadCredentials,
    Forbidden,
    GitHubClient,
    HostedRunner,
    NotFound,
    Page,
    RateLimited,
    Refused,
)
from runners_app.github import Organization as GitHubOrganization
from runners_app.github import Repository as GitHubRepository
from runners_app.github import RunnerGroup as GitHubRunnerGroup
from runners_app.github import SelfHostedRunner as GitHubSelfHostedRunner
from runners_app.models import (
    AccessCheck,
    Account,
    FieldChange,
    GroupAccess,
    Operation,
    Reading,
    Repository,
    RunnerGroup,
    SelfHostedRunner,
    SharedRunner,
)
from runners_app.models.clock import database_now
from runners_app.readings.fetcher import Fetched, Fetcher
from runners_app.readings.publish import Counts, RowSet
from runners_app.readings.rows import Values

NAMES_IN_HISTORY = 20
QUESTIONS_AT_ONCE = 20
Line = GitHubRepository | GitHubOrganization


def fetch_groups(fetcher: Fetcher) -> None:
    """GitHub: actions/list-self-hosted-runner-groups-for-org, or the enterprise's."""
    pages = fetcher.client.list_runner_groups(fetcher.owner, known=fetcher.known)
    into = RowSet(RunnerGroup, {"account": fetcher.account}, "github_id")
    fetcher.collect(
        pages,
        into,
        lambda group: group.id,
        group_values,
        get=lambda key: fetcher.client.get_runner_group(fetcher.owner, key),
    )


def fetch_repositories(fetcher: Fetcher) -> None:
    """GitHub: repos/list-for-org."""
    pages = fetcher.client.list_organization_repositories(fetcher.owner, known=fetcher.known)
    into = RowSet(Repository, {"account": fetcher.account}, "github_id")
    fetcher.collect(pages, into, lambda repository: repository.id, repository_values)


def fetch_self_hosted_runners(fetcher: Fetcher) -> None:
    """GitHub: actions/list-self-hosted-runners-for-org, or the enterprise's."""
    pages = fetcher.client.list_self_hosted_runners(fetcher.owner, known=fetcher.known)
    into = RowSet(SelfHostedRunner, {"account": fetcher.account}, "github_id")
    fetcher.collect(
        pages,
        into,
        lambda runner: runner.id,
        self_hosted_runner_values,
        get=lambda key: fetcher.client.get_self_hosted_runner(fetcher.owner, key),
    )


def fetch_group_access(fetcher: Fetcher) -> None:
    """Fetch each group's access list and each inherited group's runners: one request each, free
    while unchanged.

    A group that was deleted in between is left to the reading of groups. If every list answers
    404 the credential lacks the permission: raises NotFound.
    GitHub: actions/list-repo-access-to-self-hosted-runner-group-in-org,
    actions/list-github-hosted-runners-in-group-for-org, and the enterprise's.
    """
    groups = RunnerGroup.objects.present().filter(account=fetcher.account).order_by("pk")
    listed = [group for group in groups if group.has_access_list]
    vanished = [error for group in listed if (error := _fetch_list(fetcher, group)) is not None]
    if vanished and len(vanished) == len(listed):
        raise vanished[0]
    if fetcher.account.kind == Account.Kind.ORGANIZATION:
        for group in groups:
            if group.inherited:
                _fetch_shared_runners(fetcher, group)


def _fetch_list(fetcher: Fetcher, group: RunnerGroup) -> NotFound | None:
    into = RowSet(GroupAccess, {"group": group}, "github_id")
    try:
        fetcher.read(
            pages_of_list(fetcher.client, group, fetcher.known),
            into,
            lambda line: line.id,
            line_values,
        )
    except NotFound as error:
        fetcher.fetched.requests += 1
        return error
    fetcher.fetched.others.append(partial(_publish_fetched_list, group, into))
    return None


def pages_of_list(
    client: GitHubClient, group: RunnerGroup, known: Callable[[str], Any]
) -> Iterator[Page[Any]]:
    """Request the access list of a group: repositories, or organizations of an enterprise."""
    owner = group.account.owner
    if owner.kind == "organization":
        return client.list_repositories_with_access(owner, group.github_id, known=known)
    return client.list_organizations_with_access(owner, group.github_id, known=known)


def line_values(line: Line) -> Values:
    """Return the columns of one line of an access list."""
    if isinstance(line, GitHubRepository):
        return {"name": line.name, "private": line.private}
    return {"name": line.login, "private": None}


def _fetch_shared_runners(fetcher: Fetcher, group: RunnerGroup) -> None:
    into = RowSet(SharedRunner, {"group": group}, "github_id")
    pages = fetcher.client.list_hosted_runners_in_group(
        fetcher.owner, group.github_id, known=fetcher.known
    )
    try:
        fetcher.read(pages, into, lambda runner: runner.id, _shared_values)
    except (NotFound, Forbidden):
        # A server without larger runners, or a credential that may not see the enterprise's.
        fetcher.fetched.requests += 1
        return
    fetcher.fetched.others.append(lambda fetched: _replace(into).counts)


def _shared_values(runner: HostedRunner) -> Values:
    return {
        "name": runner.name,
        "status": runner.status,
        "size": runner.size.id,
        "platform": runner.platform,
    }


def _publish_fetched_list(group: RunnerGroup, found: RowSet, fetched: Fetched) -> Counts:
    """Publish the list unless a later one was written since this reading began.

    In that case its cached pages are dropped, so that the next reading fetches them again. Lines
    that the list lacks are deleted once a second list, ABSENCE_PROOF_SECONDS later, lacks them too.
    """
    row = RunnerGroup.objects.filter(pk=group.pk)
    written_at, since = row.values_list("access_observed_at", "access_missing_since").get()
    if written_at is not None and written_at > fetched.begun:
        forget_pages(fetched.responses, group)
        return Counts()

    lines = found.model._default_manager.filter(**found.scope)
    absent = {*lines.values_list("github_id", flat=True)} - found.rows.keys() - found.kept
    is_proven = since is not None and since <= fetched.begun - timedelta(
        seconds=settings.ABSENCE_PROOF_SECONDS
    )
    if absent and not (found.complete and is_proven):
        # Shown until a second list, read unconditionally, agrees.
        found.kept |= absent
        forget_pages(fetched.responses, group)
        since = since or database_now()
    else:
        since = None
    row.update(access_missing_since=since)
    counts = publish_list(group, found, first=written_at is None)
    counts.missing_since = since
    return counts


def forget_pages(responses: dict[str, Any], group: RunnerGroup) -> None:
    """Drop the pages of the group's access list from the responses to cache, by URL."""
    for url in [url for url in responses if is_page_of(url, group)]:
        del responses[url]


def is_page_of(url: str, group: RunnerGroup) -> bool:
    """Return whether the URL is a page of the group's access list."""
    path = url.partition("?")[0]
    return path.endswith(
        tuple(
            f"/runner-groups/{group.github_id}/{noun}" for noun in ("repositories", "organizations")
        )
    )


def publish_list(
    group: RunnerGroup, found: RowSet, *, first: bool, operation: Operation | None = None
) -> Counts:
    """Replace the stored access list, inside a transaction; return how many lines changed.

    Changes go into the group's history, except for the first list read (`first`).
    """
    replaced = _replace(found)
    if replaced.counts.any or first:
        RunnerGroup.objects.filter(pk=group.pk).update(access_observed_at=database_now())
    if not first and (replaced.added or replaced.removed):
        _keep_history(group, replaced, operation)
    return replaced.counts


class Replaced:
    """What replacing a list changed, with the names of lines added and removed."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.added: list[str] = []
        self.removed: list[str] = []


def _replace(found: RowSet) -> Replaced:
    replaced = Replaced()
    stored = {row.github_id: row for row in found.model._default_manager.filter(**found.scope)}  # type: ignore[attr-defined]
    fresh = [
        found.model(**found.scope, github_id=key, **row)
        for key, row in found.rows.items()
        if key not in stored
    ]
    found.model._default_manager.bulk_create(fresh, batch_size=500)
    gone = []
    if found.complete:
        listed = found.rows.keys() | found.kept
        gone = [row for key, row in stored.items() if key not in listed]
    found.model._default_manager.filter(pk__in=[row.pk for row in gone]).delete()
    changed = [
        row
        for key, values in found.rows.items()
        if key in stored and _assign(row := stored[key], values)
    ]
    if changed:
        fields = sorted(next(iter(found.rows.values())))
        found.model._default_manager.bulk_update(changed, fields, batch_size=200)
    replaced.counts = Counts(len(fresh), len(changed), len(gone))
    replaced.added, replaced.removed = (
        sorted(str(row) for row in fresh),
        sorted(str(row) for row in gone),
    )
    return replaced


def _assign(row: models.Model, values: Values) -> bool:
    """Set the values on the row. Return whether any differed."""
    differing = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in differing.items():
        setattr(row, name, value)
    return bool(differing)


def _keep_history(group: RunnerGroup, replaced: Replaced, operation: Operation | None) -> None:
    noun = "repositories" if group.account.kind == Account.Kind.ORGANIZATION else "organizations"
    now = database_now()
    FieldChange.objects.bulk_create(
        FieldChange(
            account=group.account,
            item=FieldChange.Item.GROUP,
            item_pk=group.pk,
            field=f"{noun}_{what}",
            before=None,
            after=_shortened(names),
            at=now,
            operation=operation,
        )
        for what, names in (("added", replaced.added), ("removed", replaced.removed))
        if names
    )


def _shortened(names: list[str]) -> list[str]:
    more = len(names) - NAMES_IN_HISTORY
    return [*names[:NAMES_IN_HISTORY], f"and {more} more"] if more > 0 else names


def fetch_access_checks(fetcher: Fetcher) -> None:
    """Ask GitHub which groups a repository may use, for each check that users requested.

    A refusal is stored as the answer to the check; it is not a failure of the reading.
    GitHub: actions/list-self-hosted-runner-groups-for-org with visible_to_repository.
    """
    unanswered = AccessCheck.objects.unanswered().filter(account=fetcher.account)
    for check in unanswered.order_by("asked_at")[:QUESTIONS_AT_ONCE]:
        fetcher.fetched.others.append(_check(fetcher, check))
        fetcher.between_pages()
    fetcher.fetched.others.append(partial(_continue_with_rest, fetcher.reading))


def _continue_with_rest(reading: Reading, fetched: Fetched) -> Counts:
    """Schedule the next reading now if checks are left, instead of after the interval."""
    if AccessCheck.objects.unanswered().filter(account=reading.account).exists():
        Reading.objects.filter(pk=reading.pk).update(due_at=database_now())
    return Counts()


def _check(fetcher: Fetcher, check: AccessCheck) -> Callable[[Fetched], Counts]:
    pages = fetcher.client.list_runner_groups(fetcher.owner, visible_to_repository=check.repository)
    ids: list[int] = []
    try:
        for page in pages:
            fetcher.fetched.requests += 1
            ids.extend(group.id for group in page.items or ())
    except (BadCredentials, RateLimited):
        raise
    except Refused as error:
        fetcher.fetched.requests += 1
        return partial(_answer, check, group_ids=[], refusal=str(error))
    return partial(_answer, check, group_ids=ids, refusal="")


def _answer(check: AccessCheck, fetched: Fetched, *, group_ids: list[int], refusal: str) -> Counts:
    rows = AccessCheck.objects.filter(pk=check.pk, asked_at=check.asked_at)
    written = rows.update(answered_at=database_now(), group_ids=group_ids, refusal=refusal)
    return Counts(changed=written)


def group_values(group: GitHubRunnerGroup) -> Values:
    """Return the columns of a group."""
    return {
        "name": group.name,
        "visibility": group.visibility,
        "default": group.default,
        "inherited": group.inherited,
        "allows_public_repositories": group.allows_public_repositories,
        "inherited_allows_public_repositories": group.inherited_allows_public_repositories,
        "restricted_to_workflows": group.restricted_to_workflows,
        # A set: GitHub answers them in varying order.
        "selected_workflows": sorted(group.selected_workflows),
        "workflow_restrictions_read_only": group.workflow_restrictions_read_only,
        "network_configuration_id": group.network_configuration_id or "",
    }


def repository_values(repository: GitHubRepository) -> Values:
    """Return the columns of a repository."""
    return {
        "name": repository.name,
        "private": repository.private,
        "visibility": repository.visibility,
        "archived": repository.archived,
    }


def self_hosted_runner_values(runner: GitHubSelfHostedRunner) -> Values:
    """Return the columns of a self-hosted runner; `labels` are [name, type]."""
    return {
        "name": runner.name,
        "group_id": runner.group_id,
        "os": runner.os,
        "status": runner.status,
        "busy": runner.busy,
        "labels": [[label.name, label.type] for label in runner.labels],
    }
