"""An account without any GitHub behind it: what jobs need of one."""

from __future__ import annotations

import pytest
from django.utils import timezone

from runners_app.models import Account, Credential, Runner, RunnerGroup
from tests.jobs.posting import Sender


@pytest.fixture
def org(db: None) -> Account:
    """An organization with one group of two pools."""
    return make_account("acme", {7: ("builders", ["big-linux", "big-linux-gpu"])})


@pytest.fixture
def sender(org: Account) -> Sender:
    return Sender(org)


def make_account(
    slug: str,
    groups: dict[int, tuple[str, list[str]]],
    kind: str = "organization",
    **fields: object,
) -> Account:
    """An account with groups of pools, by GitHub's id: name and pools."""
    api_url = "http://127.0.0.1:1"
    credential = Credential.objects.create(
        api_url=api_url, kind="classic", fingerprint=f"{kind} {slug}"
    )
    account = Account.objects.create(
        slug=slug, kind=kind, api_url=api_url, credential=credential, **fields
    )
    now = timezone.now()
    seen = {"observed_at": now, "first_seen_at": now}
    for group_id, (name, pools) in groups.items():
        RunnerGroup.objects.create(account=account, github_id=group_id, name=name, **seen)
        for number, pool in enumerate(pools):
            Runner.objects.create(
                account=account,
                github_id=group_id * 100 + number,
                name=pool,
                status="Ready",
                platform="linux-x64",
                group_id=group_id,
                maximum_runners=10,
                status_since=now,
                **seen,
            )
    return account
