"""The page of an organization, and its pictures of runners and static IPs over time."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.accounts.accounts import connect
from runners_app.models import (
    Account,
    Credential,
    FieldChange,
    Image,
    Limits,
    Membership,
    Runner,
    RunnerGroup,
)
from runners_app.overview.history import (
    History,
    moments_of,
    static_ip_history,
    status_history,
)

NOW = timezone.now().replace(second=0, microsecond=0)
HOUR = timedelta(hours=1)


@pytest.fixture
def account(db: None) -> Account:
    credential = Credential.objects.create(kind="classic", api_url="https://api.github.com")
    return connect("acme", kind="organization", credential=credential, by=None)


def add_runner(account: Account, name: str, first_seen: datetime, **values: object) -> Runner:
    return Runner.objects.create(
        account=account,
        github_id=Runner.objects.count() + 1,
        name=name,
        first_seen_at=first_seen,
        status_since=first_seen,
        observed_at=NOW,
        **{"status": "Ready", **values},
    )


def told_at(history: History, moment: datetime) -> dict[str, int]:
    """The numbers at the last moment that is not after this one."""
    index = max(n for n, each in enumerate(history.moments) if each <= moment)
    return {line.label: line.values[index] for line in history.series if line.values[index]}


def test_the_history_of_statuses_is_walked_back_from_now(account: Account) -> None:
    old = add_runner(account, "old", NOW - 100 * HOUR, status="Stuck")
    add_runner(account, "new", NOW - 5 * HOUR)
    add_runner(account, "gone", NOW - 100 * HOUR, gone_at=NOW - 10 * HOUR, status="Shutdown")
    FieldChange.objects.create(
        account=account,
        item="runner",
        item_pk=old.pk,
        field="status",
        before="Ready",
        after="Stuck",
        at=NOW - 2 * HOUR,
    )
    moments = moments_of("24h", NOW)
    history = status_history(Runner.objects.all(), FieldChange.objects.all(), moments)
    assert told_at(history, NOW) == {"Ready": 1, "Stuck": 1}
    assert told_at(history, NOW - 3 * HOUR) == {"Ready": 2}
    assert told_at(history, NOW - 7 * HOUR) == {"Ready": 1}
    assert told_at(history, NOW - 12 * HOUR) == {"Ready": 1, "Shutdown": 1}
    assert history.since is None
    assert history.rows[0][0] == NOW


def test_the_history_of_static_ips_sums_accounts_and_begins_with_the_first_reading(
    account: Account,
) -> None:
    for hours, used in ((20, 2), (4, 5)):
        Limits.objects.filter(account=account).update(current=False)
        Limits.objects.create(
            account=account, maximum=10, used=used, observed_at=NOW - hours * HOUR
        )
    history = static_ip_history([account], moments_of("24h", NOW))
    assert told_at(history, NOW - 23 * HOUR) == {}
    assert len(history.rows) < len(history.moments)
    assert told_at(history, NOW - 10 * HOUR) == {"Used": 2, "Maximum": 10}
    assert told_at(history, NOW) == {"Used": 5, "Maximum": 10}
    assert history.since == NOW - 20 * HOUR


def fill(account: Account) -> None:
    group = RunnerGroup.objects.create(
        account=account,
        github_id=7,
        name="builders",
        visibility="all",
        first_seen_at=NOW,
        observed_at=NOW,
    )
    add_runner(account, "linux-1", NOW - HOUR, group_id=group.github_id)
    Image.objects.create(
        account=account,
        github_id="9",
        name="golden",
        source="custom",
        first_seen_at=NOW,
        observed_at=NOW,
    )
    Limits.objects.create(account=account, maximum=10, used=3, observed_at=NOW - HOUR)


def test_the_page_brings_everything_of_an_organization_together(
    as_admin: Client, account: Account, lead: User
) -> None:
    fill(account)
    Membership.objects.create(user=lead, account=account, role="manager")
    page = as_admin.get(f"/accounts/{account.pk}/overview/?period=24h").content.decode()
    for text in ("builders", "1 runner", "golden", "lin", "Static IPs used", "Runners by status"):
        assert text in page
    assert "<title>" in page.partition('class="hover"')[2]
    assert "The numbers as a table" in page
    assert "?period=90d" in page


def test_a_member_sees_whom_to_ask_and_a_limited_one_no_totals(
    client: Client, account: Account, lead: User, admin: User
) -> None:
    fill(account)
    address = f"/accounts/{account.pk}/overview/"
    client.force_login(lead)
    assert client.get(address).status_code == 404
    membership = Membership.objects.create(user=lead, account=account)
    manager = User.objects.create_user("mia")
    Membership.objects.create(user=manager, account=account, role="manager")
    Membership.objects.create(user=User.objects.create_user("victoria"), account=account)
    page = client.get(address).content.decode()
    assert "mia" in page
    assert "victoria" not in page
    membership.limited = True
    membership.save()
    Account.objects.raise_versions()
    page = client.get(address).content.decode()
    assert "linux-1" not in page
    assert "builders" not in page
    assert "Static IPs used" not in page
