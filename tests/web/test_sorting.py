"""Lists are sorted by name as people read it: capital letters stand among the small ones."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from runners_app.models import Account, Credential, Image, Operation, Runner, RunnerGroup

NAMES = ("apple", "Banana", "cherry", "Damson")


def make_image(account: Account, number: int, name: str) -> None:
    now = timezone.now()
    Image.objects.create(
        account=account,
        source="custom",
        github_id=str(number),
        name=name,
        observed_at=now,
        first_seen_at=now,
    )


def make_group(account: Account, number: int, name: str) -> None:
    now = timezone.now()
    RunnerGroup.objects.create(
        account=account,
        github_id=number,
        name=name,
        visibility="all",
        observed_at=now,
        first_seen_at=now,
    )


def make_operation(account: Account, number: int, name: str) -> None:
    now = timezone.now()
    Operation.objects.create(
        account=account,
        kind="update_runner",
        target="runner",
        target_id=number,
        target_name=name,
        requested_at=now,
        confirmed_at=now,
        state="confirmed",
    )


def make_runner(account: Account, number: int, name: str) -> None:
    now = timezone.now()
    Runner.objects.create(
        account=account,
        github_id=number,
        name=name,
        platform="linux-x64",
        status="Ready",
        status_since=now,
        size="4-core",
        static_ip=True,
        public_ips=[{"enabled": True, "prefix": f"192.0.2.{number}", "length": 32}],
        observed_at=now,
        first_seen_at=now,
    )


@pytest.mark.parametrize(
    ("address", "make"),
    [
        ("/images/?source=custom&", make_image),
        ("/groups/?", make_group),
        ("/operations/?", make_operation),
        ("/static-ips/?", make_runner),
        ("/runners/?", make_runner),
    ],
)
def test_a_list_by_name_folds_case_in_both_directions_and_over_pages(
    as_admin: Client, address: str, make: Callable[[Account, int, str], None]
) -> None:
    api = "https://api.github.com"
    credential = Credential.objects.create(api_url=api, kind="classic", fingerprint="one")
    account = Account.objects.create(
        kind="organization", slug="acme", api_url=api, credential=credential
    )
    names = [f"{name}-{number:02}" for name in NAMES for number in range(9)]
    for number, name in enumerate(reversed(names), start=1):
        make(account, number, name)

    def shown(query: str) -> list[str]:
        """The names in their order, from the first page of 25 to the last."""
        found: list[str] = []
        following = f"{address}{query}&size_of_page=25"
        for _ in range(2):
            page = as_admin.get(following).content.decode()
            found += dict.fromkeys(re.findall(rf">[^<>]*?((?:{'|'.join(NAMES)})-\d\d)\s*<", page))
            link = re.search(r'rel="next" href="([^"]+)"', page)
            following = f"{address.partition('?')[0]}{unescape(link[1])}" if link else ""
        assert not following
        return found

    assert shown("sort=name") == names
    assert shown("sort=-name") == names[::-1]
