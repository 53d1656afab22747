"""What our tables know for `access.explain`: facts about runners, groups and repositories, in a few
queries.

An enterprise's runners come from two sides. The organization is shown those of the groups it
inherits; whoever may see the enterprise, too, also gets those that are not shared, and links to
them. Its groups are matched by name.
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
    """One runner and the answer. `group` is the organization's row of it, `theirs` the
    enterprise's.

    `key` tells the runner from all others on the page; `pk` is that of a larger runner one may
    open.
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


@dataclass
class Known:
    """All that is known about one organization and its groups, for one repository name or for none."""

    organization: Account
    enterprises: list[Account]
    readings: dict[tuple[int, str], Reading] = field(default_factory=dict)
    groups: dict[tuple[int, int], RunnerGroup] = field(default_factory=dict)
    listed: set[int] = field(
        default_factory=set
    )  # primary keys of groups that list the repository, or organization

    def reading(self, account: Account, resource: str) -> Reading | None:
        return self.readings.get((account.pk, resource))

    @property
    def inherited(self) -> dict[str, RunnerGroup]:
        own = self.organization.pk
        return {
            group.name: group
            for (account, _), group in self.groups.items()
            if account == own and group.inherited
        }


def look_up(organization: Account, accounts: Iterable[Account], repository: str) -> Known:
    """Readings and groups of the organization and of the enterprises at the same GitHub among
    `accounts`; 2 queries.
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
    facts = {
        "is_listed": listed,
        "is_seen": seen,
    }  # as keywords mypy takes them for second attributes of these names
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
    """Every runner the organization might use, with the answer: its own by name, then others. Three
    queries.
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
    found: list[Explained] = []
    seen: set[tuple[int, int]] = set()
    for row in _present(Runner, accounts) + _present(SelfHostedRunner, accounts):
        one = _explain_row(known, by_pk[row.account_id], row, shared_ids, repository, workflow)
        if one is not None:
            found.append(one)
            if one.group is not None and isinstance(row, Runner):
                seen.add((one.group.pk, row.github_id))
    for line in shared:
        group = by_group[line.group_id]
        if group.is_seen and (group.pk, line.github_id) not in seen:
            found.append(_explain_shared(known, line, group, repository, workflow))
    return sorted(
        found, key=lambda one: (one.account != known.organization, one.name.lower(), one.key)
    )


def explain_repositories(
    known: Known, runner: Runner, repositories: Sequence[Repository]
) -> list[tuple[Repository, Explained]]:
    """The other way round: which repositories of the organization may use one runner. Two queries."""
    account = next(
        (each for each in known.enterprises if each.pk == runner.account_id), known.organization
    )
    group = known.groups.get((account.pk, runner.group_id or 0))
    if account.kind == ENTERPRISE and group is not None:
        group = known.inherited.get(group.name)
    ids = [repository.github_id for repository in repositories]
    lines = set(
        GroupAccess.objects.filter(group=group, github_id__in=ids).values_list(
            "github_id", flat=True
        )
    )
    shared = SharedRunner.objects.filter(group=group, github_id=runner.github_id).values_list(
        "group_id", "github_id"
    )
    shared_ids, listed = set(shared), known.listed
    found = []
    for repository in repositories:
        known.listed = listed | ({group.pk} if group and repository.github_id in lines else set())
        facts = repository_facts(known.organization, repository.name, repository)
        one = _explain_row(known, account, runner, shared_ids, facts, None)
        if one is not None:
            found.append((repository, one))
    return found


def _present(
    model: type[Runner] | type[SelfHostedRunner], accounts: Sequence[Account]
) -> list[Runner | SelfHostedRunner]:
    return list(model.objects.present().within(accounts))


def _relevant_enterprises(known: Known) -> list[Account]:
    """Those that share a group with the organization, or name it on a list."""
    inherited = known.inherited
    relevant = {
        group.account_id
        for group in known.groups.values()
        if group.name in inherited or group.pk in known.listed
    }
    return [account for account in known.enterprises if account.pk in relevant]


def _explain_row(
    known: Known,
    account: Account,
    row: Runner | SelfHostedRunner,
    shared_ids: set[tuple[int, int]],
    repository: RepositoryFacts,
    workflow: Workflow | None,
) -> Explained | None:
    group = theirs = known.groups.get((account.pk, row.group_id or 0))
    sharing = None
    if account.kind == ENTERPRISE:
        if theirs is None:
            return None
        group = known.inherited.get(theirs.name)
        is_shown = (
            isinstance(row, SelfHostedRunner)
            or group is None
            or (group.pk, row.github_id) in shared_ids
        )
        sharing = _sharing(known, account, theirs, group, is_shown)
    return _explained(
        known, account, row, group, theirs if sharing else None, sharing, repository, workflow
    )


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
    if group is not None:
        return (
            facts(True) if is_shown else facts(None, f"GitHub does not show this runner in {here}.")
        )
    if theirs.visibility == "selected" and theirs.access_observed_at is None:
        return facts(None, "The group's list of organizations was not read yet.")
    if theirs.visibility == "selected" and theirs.pk not in known.listed:
        return facts(False)
    if theirs.default:
        return facts(
            None,
            f"It is the enterprise's default group, which GitHub does not list among those of {here}.",
        )
    reading = known.reading(here, R.GROUPS)
    if reading is None or reading.error or reading.last_good_at is None:
        return facts(None, f"The groups of {here} could not be read.")
    return facts(False, f"GitHub does not list {theirs.name} among the groups of {here}.")


def _explain_shared(
    known: Known,
    line: SharedRunner,
    group: RunnerGroup,
    repository: RepositoryFacts,
    workflow: Workflow | None,
) -> Explained:
    sharing = SharingFacts("The enterprise", group.name, shared=True)
    return _explained(known, known.organization, line, group, None, sharing, repository, workflow)


def _explained(
    known: Known,
    account: Account,
    row: AnyRunner,
    group: RunnerGroup | None,
    theirs: RunnerGroup | None,
    sharing: SharingFacts | None,
    repository: RepositoryFacts,
    workflow: Workflow | None,
) -> Explained:
    self_hosted = isinstance(row, SelfHostedRunner)
    runner = RunnerFacts(row.name, row.status, self_hosted)
    facts = facts_of(group, group.pk in known.listed) if group else None
    answer = explain(runner, facts, repository, workflow, sharing, missing=missing_of(known))
    return Explained(
        key=f"{_KEYS[type(row)]}{row.pk}",
        name=row.name,
        status=row.status,
        self_hosted=self_hosted,
        pk=row.pk if isinstance(row, Runner) else None,
        account=account,
        group=group,
        theirs=theirs,
        answer=answer,
        as_of=_as_of(known, account, row, answer),
    )


_KEYS = {Runner: "r", SelfHostedRunner: "s", SharedRunner: "e"}


def facts_of(group: RunnerGroup, is_listed: bool) -> GroupFacts:
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
    """The oldest of the readings the answer rests on; nothing when one was never good."""
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
    """For an unknown: which permission is lacking, by the reading that lacks it, or that it was not
    read yet.
    """
    own = known.organization
    said: dict[str, str] = {
        resource: why_missing(known.reading(own, resource), needed_for(own, resource))
        for resource in (R.GROUPS, R.GROUP_ACCESS, R.REPOSITORIES)
    }
    lists = [(each, known.reading(each, R.GROUP_ACCESS)) for each in known.enterprises]
    unread = [
        why_missing(reading, needed_for(each, R.GROUP_ACCESS))
        for each, reading in lists
        if reading and reading.error
    ]
    return {**said, "sharing": unread[0] if unread else ""}


def repositories_of(organization: Account) -> RepositoryQuerySet:
    """Those one may see, of an account read with `visible_to`: none for who is limited to some
    groups.
    """
    return Repository.objects.present().within([organization])


def repository_of(organization: Account, name: str) -> Repository | None:
    return repositories_of(organization).filter(name__iexact=name).first()


def repository_facts(organization: Account, name: str, row: Repository | None) -> RepositoryFacts:
    return RepositoryFacts(
        organization.slug, row.name if row else name, row.private if row else None
    )


@transaction.atomic
def ask_github(organization: Account, repository: str, *, by: "User") -> None:
    """Have a worker ask GitHub which groups a repository may use. A question on its way is not
    asked twice.
    """
    name = repository.lower()
    waiting = (
        AccessCheck.objects.unanswered().filter(account=organization, repository=name).exists()
    )
    if not waiting:
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
