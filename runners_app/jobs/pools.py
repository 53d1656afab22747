"""The pools that jobs of an account may run on: its own, and those of enterprises whose groups it
inherits.
"""

from __future__ import annotations

from collections import defaultdict

from runners_app.jobs.attribution import Pool
from runners_app.models import Account, Runner, RunnerGroup

Rows = list[tuple[int, str, int | None, object]]


def pools_of(account: Account) -> list[Pool]:
    """Also those gone since, because jobs are told of late."""
    own = Runner.objects.filter(account=account, group_id__isnull=False)
    pools = [
        Pool(pk, name, group_id or 0, gone_at)
        for pk, name, group_id, gone_at in own.values_list("pk", "name", "group_id", "gone_at")
    ]
    return pools + _inherited(account)


def _inherited(account: Account) -> list[Pool]:
    """An enterprise's group has another id in each organization, but the same name."""
    shared = RunnerGroup.objects.filter(account=account, inherited=True)
    ids: dict[str, list[int]] = defaultdict(list)
    for name, github_id in shared.values_list("name", "github_id"):
        ids[name].append(github_id)
    if not ids:
        return []
    enterprises = RunnerGroup.objects.filter(
        account__kind=Account.Kind.ENTERPRISE, account__api_url=account.api_url, name__in=ids
    )
    groups = {
        (owner, github_id): ids[name]
        for owner, github_id, name in enterprises.values_list("account_id", "github_id", "name")
    }
    runners = Runner.objects.filter(
        account__in={owner for owner, _ in groups}, group_id__in={gid for _, gid in groups}
    )
    found = runners.values_list("pk", "name", "group_id", "gone_at", "account_id")
    return [
        Pool(pk, name, group_id, gone_at, owner, theirs)
        for pk, name, theirs, gone_at, owner in found
        for group_id in groups.get((owner, theirs or 0), ())
    ]
