"""Accounts of one name on two servers are told apart in lists, filters, exports and the API."""

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.accounts.accounts import connect, disconnect
from runners_app.models import Account, Credential, Operation, Reading, Runner
from runners_app.operations.requests import request_operation

HERE, THERE = "https://api.github.com", "https://github.example.com/api/v3"


def connect_at(api_url: str) -> Account:
    credential = Credential.objects.create(kind="classic", api_url=api_url)
    return connect("acme", kind="organization", credential=credential, by=None)


@pytest.fixture
def both(db: None) -> tuple[Account, Account]:
    """Two organizations named acme, each with a runner."""
    now = timezone.now()
    pair = connect_at(HERE), connect_at(THERE)
    Reading.objects.update(last_good_at="2026-11-29T12:00:00Z")
    for account in pair:
        account.refresh_from_db()
        Runner.objects.create(
            account=account,
            github_id=1,
            name=f"at-{account.server}",
            status="Ready",
            status_since=now,
            observed_at=now,
            first_seen_at=now,
        )
    return pair


def test_a_name_has_a_server_only_while_it_is_not_unique(both: tuple[Account, Account]) -> None:
    assert [str(account) for account in both] == ["acme@github.com", "acme@github.example.com"]
    disconnect(both[1], by=None)
    assert str(Account.objects.get()) == "acme"


def test_lists_and_the_filter_tell_them_apart(
    both: tuple[Account, Account], as_admin: Client
) -> None:
    page = as_admin.get("/runners/").content.decode()
    assert "acme@github.com</td>" in page
    assert "acme@github.example.com</td>" in page
    page = as_admin.get("/runners/?q=org:acme@github.com").content.decode()
    assert "at-github.com" in page
    assert "at-github.example.com" not in page
    assert f"/runners/new/?account={both[0].pk}" in page
    assert "at-github.example.com" in as_admin.get("/runners/?q=org:acme").content.decode()


def test_exports_and_the_api_tell_them_apart(
    both: tuple[Account, Account], as_admin: Client, admin: User
) -> None:
    rows = json.loads(as_admin.get("/runners/export.json").getvalue())
    assert {row["account"] for row in rows} == {"acme@github.com", "acme@github.example.com"}
    for account in both:
        request_operation(
            account,
            Operation.Kind.DELETE_RUNNER,
            {"by": admin, "nonce": f"at {account.server}"},
            target_name="one",
            target_id=1,
        )
    address = "/operations/export.json?account=acme@github.example.com"
    assert [row["account"] for row in json.loads(as_admin.get(address).getvalue())] == [
        "acme@github.example.com"
    ]
    found = as_admin.get("/api/v1/accounts/organization:acme@github.example.com")
    assert found.json()["api_url"] == THERE
    assert as_admin.get("/api/v1/accounts/organization:acme").status_code == 404
