"""Collect the facts for `chain.explain` from our tables: runners, groups, repositories.

An enterprise's runners come from two sides. The organization is shown the runners of the groups it
inherits. Users who also see the enterprise get those that are not shared, too, with links to them.
Groups of the two are matched by name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from runners_app.credentials.rights import needed_for, why_missing
from runners_app.credentials.wake import wake_on_commit
from runners_app.explain.chain import (
    Answer,
    GroupFacts,
    RepositoryFacts,
    RunnerFacts,
    SharingFacts,
    explain,
)
from runners_app.groups.workflows import Workflow
from runners_app.models import (
    AccessCheck,
    Account,
    GroupAccess,
    Reading,
    Repository,
    Runner,
    RunnerGroup,
    SelfHostedRunner,
    SharedRunner,
)
from runners_app.models.access import RepositoryQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import User

R = Reading.Resource
ENTERPRISE = Account.Kind.ENTERPRISE
AnyRunner = Runner | SelfHostedRunner | SharedRunner


@dataclass(frozen=True)
class Explained:
    """One runner and the answer for one repository.

    `group` is the organization's row of its group, `theirs` the enterprise's. `key` is unique on
    the page; `pk` is set for larger runners, which have a page. `as_of` is the age of the oldest
    reading used, None if one never succeeded.
    """

    key: str
    name: str
    status: str
    self_hosted: bool
    pk: int | None
    account: Account
    group: RunnerGroup | None
    theirs: RunnerGroup | None
    answer: Answer
    as_of: datetime | None


@dataclass(frozen=True)
class Candidate:
    """A runner with the group rows that decide who may use it; `sharing` for an enterprise's."""

    row: AnyRunner
    account: Account
    group: RunnerGroup | None
    theirs: RunnerGroup | None
    sharing: SharingFacts | None


@dataclass
class Known:
    """What our tables hold about an organization and its groups, and possibly one repository.

    `readings` by (account pk, resource); `groups` by (account pk, GitHub's id); `listed` are the
    primary keys of groups whose access list has the repository, or the organization.
    """

    organization: Account
    enterprises: list[Account]
    readings: dict[tuple[int, str], Reading] = field(default_factory=dict)
    groups: dict[tuple[int, int], RunnerGroup] = field(default_factory=dict)
    listed: set[int] = field(default_factory=set)

    def reading(self, account: Account, resource: str) -> Reading | None:
        """Return the reading, or None if the account does not have it."""
        return self.readings.get((account.pk, resource))

    @property
    def inherited(self) -> dict[str, RunnerGroup]:
        """Groups that the organization inherits, by name."""
        own = self.organization.pk
        return {
            group.name: group
            for (account, _), group in self.groups.items()
            if account == own and group.inherited
        }


def look_up(organization: Account, accounts: Iterable[Account], repository: str) -> Known:
    """Load readings and groups of the organization and of its server's enterprises in `accounts`.

    `repository` is a name without owner, or empty. Two queries.
    """
    enterprises = [
        each
        for each in accounts
        if each.kind == ENTERPRISE and each.api_url == organization.api_url
    ]
    known = Known(organization, enterprises)
    all_accounts = [organization, *enterprises]
    by_pk = {account.pk: account for account in all_accounts}
    for reading in Reading.objects.filter(account__in=all_accounts):
        known.readings[reading.account_id, reading.resource] = reading
    lines = GroupAccess.objects.filter(group=OuterRef("pk"))
    listed = Q(account=organization) & Q(Exists(lines.filter(name__iexact=repository)))
    listed |= ~Q(account=organization) & Q(Exists(lines.filter(name__iexact=organization.slug)))
    seen = Exists(RunnerGroup.objects.within(all_accounts).filter(pk=OuterRef("pk")))
    # As keyword arguments mypy reports these as duplicate attributes.
    facts = {"is_listed": listed, "is_seen": seen}
    groups = RunnerGroup.objects.present().filter(account__in=all_accounts).annotate(**facts)
    for group in groups:
        group.account = by_pk[group.account_id]
        known.groups[group.account_id, group.github_id] = group
        if group.is_listed:
            known.listed.add(group.pk)
    return known


def explain_all(
    known: Known, repository: RepositoryFacts, workflow: Workflow | None
) -> list[Explained]:
    """Explain every runner that the organization could use, its own first, then by name.

    Three queries.
    """
    accounts = [known.organization, *_relevant_enterprises(known)]
    by_pk = {account.pk: account for account in accounts}
    by_group = {group.pk: group for group in known.groups.values()}
    shared = [
        row
        for row in SharedRunner.objects.filter(group__account=known.organization)
        if row.group_id in by_group
    ]
    shared_ids = {(row.group_id, row.github_id) for row in shared}

    candidates: list[Candidate] = []
    seen: set[tuple[int, int]] = set()
    for row in _present(Runner, accounts) + _present(SelfHostedRunner, accounts):
        candidate = _candidate(known, by_pk[row.account_id], row, shared_ids)
        if candidate is not None:
            candidates.append(candidate)
            if candidate.group is not None and isinstance(row, Runner):
                seen.add((candidate.group.pk, row.github_id))
    for line in shared:
        group = by_group[line.group_id]
        if group.is_seen and (group.pk, line.github_id) not in seen:
            sharing = SharingFacts("The enterprise", group.name, shared=True)
            candidates.append(Candidate(line, known.organization, group, None, sharing))

    found = []
    for candidate in candidates:
        is_listed = candidate.group is not None and candidate.group.pk in known.listed
        found.append(_explained(known, candidate, repository, workflow, is_listed=is_listed))
    return sorted(
        found, key=lambda one: (one.account != known.organization, one.name.lower(), one.key)
    )


def explain_repositories(
    known: Known, runner: Runner, repositories: Sequence[Repository]
) -> list[tuple[Repository, Explained]]:
    """Explain which of the organization's repositories may use one runner. Two queries."""
    account = next(
        (each for each in known.enterprises if each.pk == runner.account_id), known.organization
    )
    shared = SharedRunner.objects.filter(
        group__account=known.organization, github_id=runner.github_id
    )
    shared_ids = set(shared.values_list("group_id", "github_id"))
    candidate = _candidate(known, account, runner, shared_ids)
    if candidate is None:
        return []

    ids = [repository.github_id for repository in repositories]
    lines = GroupAccess.objects.filter(group=candidate.group, github_id__in=ids)
    listed = set(lines.values_list("github_id", flat=True))
    found = []
    for repository in repositories:
        facts = repository_facts(known.organization, repository.name, repository)
        is_listed = repository.github_id in listed
        found.append((repository, _explained(known, candidate, facts, None, is_listed=is_listed)))
    return found


def _present(
    model: type[Runner] | type[SelfHostedRunner], accounts: Sequence[Account]
) -> list[Runner | SelfHostedRunner]:
    return list(model.objects.present().within(accounts))


def _relevant_enterprises(known: Known) -> list[Account]:
    """Enterprises that share a group with the organization, or name it on an access list."""
    inherited = known.inherited
    relevant = {
        group.account_id
        for group in known.groups.values()
        if group.name in inherited or group.pk in known.listed
    }
    return [account for account in known.enterprises if account.pk in relevant]


def _candidate(
    known: Known,
    account: Account,
    row: Runner | SelfHostedRunner,
    shared_ids: set[tuple[int, int]],
) -> Candidate | None:
    """The runner with its groups; None for an enterprise's runner whose group is not known."""
    group = theirs = known.groups.get((account.pk, row.group_id or 0))
    if account.kind != ENTERPRISE:
        return Candidate(row, account, group, None, None)
    if theirs is None:
        return None
    group = known.inherited.get(theirs.name)
    is_shown = (
        isinstance(row, SelfHostedRunner)
        or group is None
        or (group.pk, row.github_id) in shared_ids
    )
    sharing = _sharing(known, account, theirs, group, is_shown)
    return Candidate(row, account, group, theirs, sharing)


def _is_proven(known: Known, enterprise: Account, theirs: RunnerGroup) -> bool:
    """Whether an inherited group of this name can only be this enterprise's.

    An organization belongs to one enterprise at most: the one whose access lists name it.
    """
    named = [group for group in known.groups.values() if group.name == theirs.name]
    rivals = {group.account_id for group in named if group.account_id != known.organization.pk}
    if len(rivals) < 2:
        return True
    naming = {group.account_id for group in known.groups.values() if group.pk in known.listed}
    return naming & {each.pk for each in known.enterprises} == {enterprise.pk}


def _sharing(
    known: Known,
    enterprise: Account,
    theirs: RunnerGroup,
    group: RunnerGroup | None,
    is_shown: bool,
) -> SharingFacts:
    def facts(shared: bool | None, reason: str = "") -> SharingFacts:
        return SharingFacts(str(enterprise), theirs.name, shared=shared, reason=reason)

    here = known.organization
    if group is not None and not _is_proven(known, enterprise, theirs):
        reason = (
            f"More than one enterprise has a group named {theirs.name}, and nothing read so far "
            f"shows which of them {here} belongs to. A group of its enterprise that names {here} "
            "on its access list would prove it."
        )
        return facts(None, reason)
    if group is not None and is_shown:
        return facts(True)
    if group is not None:
        return facts(None, f"GitHub does not show this runner in {here}.")
    if theirs.visibility == "selected" and theirs.access_observed_at is None:
        return facts(None, "The group's list of organizations has not been read yet.")
    if theirs.visibility == "selected" and theirs.pk not in known.listed:
        return facts(False)
    if theirs.default:
        reason = (
            "It is the enterprise's default group, "
            f"which GitHub does not list among the groups of {here}."
        )
        return facts(None, reason)
    reading = known.reading(here, R.GROUPS)
    if reading is None or reading.error or reading.last_good_at is None:
        return facts(None, f"The groups of {here} could not be read.")
    return facts(False, f"GitHub does not list {theirs.name} among the groups of {here}.")


def _explained(
    known: Known,
    candidate: Candidate,
    repository: RepositoryFacts,
    workflow: Workflow | None,
    *,
    is_listed: bool,
) -> Explained:
    row = candidate.row
    self_hosted = isinstance(row, SelfHostedRunner)
    answer = explain(
        RunnerFacts(row.name, row.status, self_hosted),
        facts_of(candidate.group, is_listed) if candidate.group else None,
        repository,
        workflow,
        candidate.sharing,
        missing=missing_of(known),
    )
    return Explained(
        key=f"{_KEYS[type(row)]}{row.pk}",
        name=row.name,
        status=row.status,
        self_hosted=self_hosted,
        pk=row.pk if isinstance(row, Runner) else None,
        account=candidate.account,
        group=candidate.group,
        theirs=candidate.theirs,
        answer=answer,
        as_of=_as_of(known, candidate.account, row, answer),
    )


_KEYS = {Runner: "r", SelfHostedRunner: "s", SharedRunner: "e"}


def facts_of(group: RunnerGroup, is_listed: bool) -> GroupFacts:
    """Return the group's facts; `is_listed` is ignored while its list was never read."""
    return GroupFacts(
        name=group.name,
        visibility=group.visibility,
        inherited=group.inherited,
        allows_public=group.allows_public_repositories,
        enterprise_allows_public=group.inherited_allows_public_repositories,
        restricted=group.restricted_to_workflows,
        workflows=tuple(group.selected_workflows),
        restricted_by_enterprise=group.workflow_restrictions_read_only,
        listed=None if group.access_observed_at is None else is_listed,
    )


def _as_of(known: Known, account: Account, row: AnyRunner, answer: Answer) -> datetime | None:
    """When the oldest reading that the answer is based on succeeded; None if one never did."""
    used = dict.fromkeys(answer.reads, known.organization)
    if isinstance(row, SharedRunner):
        used.pop(R.RUNNERS, None)
        used[R.GROUP_ACCESS] = known.organization
    elif isinstance(row, SelfHostedRunner):
        used[R.SELF_HOSTED_RUNNERS] = account
    else:
        used[R.RUNNERS] = account
    readings = [known.reading(owner, resource) for resource, owner in used.items()]
    times = [reading.last_good_at if reading else None for reading in readings]
    return None if None in times else min((time for time in times if time), default=None)


def missing_of(known: Known) -> dict[str, str]:
    """Return why readings are missing, by resource: the permission lacking, or not read yet."""
    own = known.organization
    reasons: dict[str, str] = {
        resource: why_missing(known.reading(own, resource), needed_for(own, resource))
        for resource in (R.GROUPS, R.GROUP_ACCESS, R.REPOSITORIES)
    }
    lists = [(each, known.reading(each, R.GROUP_ACCESS)) for each in known.enterprises]
    unread = [
        why_missing(reading, needed_for(each, R.GROUP_ACCESS))
        for each, reading in lists
        if reading and reading.error
    ]
    return {**reasons, "sharing": unread[0] if unread else ""}


def repositories_of(organization: Account) -> RepositoryQuerySet:
    """Return the repositories visible in an account that was loaded with `visible_to`.

    None for users limited to some groups.
    """
    return Repository.objects.present().within([organization])


def repository_of(organization: Account, name: str) -> Repository | None:
    """Return the visible repository of this name, ignoring case."""
    return repositories_of(organization).filter(name__iexact=name).first()


def repository_facts(organization: Account, name: str, row: Repository | None) -> RepositoryFacts:
    """Return the facts of a repository, or of a name without a visible row."""
    return RepositoryFacts(
        organization.slug, row.name if row else name, row.private if row else None
    )


@transaction.atomic
def ask_github(organization: Account, repository: str, *, by: "User") -> None:
    """Have a worker ask GitHub which groups a repository may use, unless it is asking already."""
    name = repository.lower()
    checks = AccessCheck.objects.filter(account=organization, repository=name)
    if not checks.unanswered().exists():
        AccessCheck.objects.update_or_create(
            account=organization,
            repository=name,
            defaults={
                "asked_at": timezone.now(),
                "asked_by": by.get_username(),
                "answered_at": None,
                "group_ids": [],
                "refusal": "",
            },
        )
    Reading.objects.schedule_now(organization, R.ACCESS_CHECKS)
    wake_on_commit(organization.credential_id)
