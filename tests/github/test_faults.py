"""Faults between us and GitHub, over HTTP: which error comes, and whether a write may have been
applied.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runners_app.github import (
    AnswerLost,
    AnswerMeta,
    AnswerUnusable,
    BadCredentials,
    Conflict,
    Forbidden,
    GitHubClient,
    GitHubError,
    Invalid,
    NewHostedRunner,
    NotFound,
    Owner,
    RateLimited,
    RedirectRefused,
    Refused,
    ServerFailed,
    TokenAuth,
)
from tests.simulator_handle import SimulatorHandle

ACME = Owner("organization", "acme")
NEW = NewHostedRunner(name="brand-new", image_id="2306", size="4-core", runner_group_id=1)
PATH = "/orgs/acme/actions/hosted-runners"


@pytest.fixture
def client(simulator: SimulatorHandle, connect: Callable[..., GitHubClient]) -> GitHubClient:
    return connect(
        simulator.base_url, auth=TokenAuth(simulator.account("acme").token), deadline=1.0
    )


def names(client: GitHubClient) -> list[str]:
    return [runner.name for page in client.list_hosted_runners(ACME) for runner in page.items or ()]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, Refused),
        (401, BadCredentials),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, NotFound),
        (422, Invalid),
        (429, RateLimited),
        (500, ServerFailed),
        (502, ServerFailed),
        (503, ServerFailed),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_each_status_is_its_error(
    simulator: SimulatorHandle,
    client: GitHubClient,
    method: str,
    status: int,
    expected: type[GitHubError],
) -> None:
    simulator.add_fault(method, PATH, "status", status=status, body={"message": "Because"})
    with pytest.raises(expected) as caught:
        if method == "POST":
            client.create_hosted_runner(ACME, NEW)
        else:
            list(client.list_hosted_runners(ACME))
    assert type(caught.value) is expected
    assert caught.value.status == status
    assert caught.value.sent
    assert caught.value.may_have_applied is (status >= 500)
    assert len(simulator.requests(method)) == 1


@pytest.mark.parametrize("applied", [False, True])
def test_a_status_github_does_not_document_leaves_a_write_open(
    simulator: SimulatorHandle, client: GitHubClient, applied: bool
) -> None:
    body = {"message": "Because"}
    simulator.add_fault("POST", PATH, "status", status=451, body=body, apply=applied)
    with pytest.raises(AnswerUnusable) as caught:
        client.create_hosted_runner(ACME, NEW)
    assert caught.value.may_have_applied
    assert ("brand-new" in names(client)) is applied


def test_each_of_githubs_own_errors_survives_the_way(
    simulator: SimulatorHandle, client: GitHubClient, examples: dict[str, Any]
) -> None:
    for name, error in examples["errors"].items():
        if name.startswith("_"):
            continue
        fault = {
            "status": error["status"],
            "headers": error.get("headers", {}),
            "body": error["body"],
        }
        simulator.add_fault("POST", PATH, "status", **fault)
        with pytest.raises(GitHubError) as caught:
            client.create_hosted_runner(ACME, NEW)
        assert caught.value.status == error["status"]
        if isinstance(caught.value, Refused):
            assert caught.value.github_message == error["body"]["message"]


@pytest.mark.parametrize(
    ("action", "fields", "expected", "applied"),
    [
        pytest.param("drop_before_apply", {}, AnswerLost, False, id="dropped before"),
        pytest.param("drop_after_apply", {}, AnswerLost, True, id="dropped after"),
        pytest.param("truncate", {}, AnswerLost, True, id="cut"),
        pytest.param("delay", {"seconds": 2, "after_apply": True}, AnswerLost, True, id="late"),
        pytest.param("trickle", {"seconds": 0.2}, AnswerLost, True, id="trickled body"),
        pytest.param(
            "trickle", {"seconds": 0.2, "whole": True}, AnswerLost, True, id="trickled headers"
        ),
        pytest.param("garbage", {}, AnswerUnusable, False, id="garbage"),
        pytest.param("status", {"status": 502, "apply": True}, ServerFailed, True, id="502 after"),
        pytest.param("status", {"status": 502}, ServerFailed, False, id="502 before"),
    ],
)
def test_a_create_without_a_proper_answer_may_have_happened(
    simulator: SimulatorHandle,
    client: GitHubClient,
    action: str,
    fields: dict[str, Any],
    expected: type[GitHubError],
    applied: bool,
) -> None:
    simulator.add_fault("POST", PATH, action, **fields)
    began = time.monotonic()
    with pytest.raises(expected) as caught:
        client.create_hosted_runner(ACME, NEW)
    assert time.monotonic() - began < 3
    assert caught.value.may_have_applied
    assert ("brand-new" in names(client)) is applied


def test_a_hundred_megabytes_are_not_taken(
    simulator: SimulatorHandle, client: GitHubClient
) -> None:
    simulator.add_fault("GET", PATH, "garbage", bytes=100_000_000)
    with pytest.raises(AnswerUnusable, match="too large"):
        list(client.list_hosted_runners(ACME))
    assert names(client)


def test_a_redirect_elsewhere_is_refused(simulator: SimulatorHandle, client: GitHubClient) -> None:
    simulator.add_fault("GET", PATH, "redirect", location="https://evil.test/steal?token=please")
    with pytest.raises(RedirectRefused) as caught:
        list(client.list_hosted_runners(ACME))
    assert caught.value.host == "evil.test"
    assert "please" not in str(caught.value)


def test_a_failing_page_ends_the_list(simulator: SimulatorHandle, client: GitHubClient) -> None:
    simulator.add_fault("GET", "page=2", "status", status=502)
    pages = client.list_hosted_runners(ACME, per_page=10)
    assert next(pages).items
    with pytest.raises(ServerFailed):
        next(pages)


def test_a_spent_hour_is_told_with_its_end(
    simulator: SimulatorHandle, client: GitHubClient
) -> None:
    simulator.change_token(simulator.account("acme").token, remaining=0, reset_in=900)
    with pytest.raises(RateLimited) as caught:
        list(client.list_hosted_runners(ACME))
    assert caught.value.primary
    assert abs(caught.value.wait_until - datetime.now(UTC) - timedelta(seconds=900)) < timedelta(
        seconds=10
    )


@pytest.mark.parametrize("status", [403, 429])
def test_a_secondary_limit_is_told_with_its_wait(
    simulator: SimulatorHandle, client: GitHubClient, status: int
) -> None:
    simulator.add_fault(
        "GET",
        PATH,
        "status",
        status=status,
        headers={"Retry-After": "33"},
        body={"message": "Slow"},
    )
    with pytest.raises(RateLimited) as caught:
        list(client.list_hosted_runners(ACME))
    assert not caught.value.primary
    assert (
        timedelta(seconds=25) < caught.value.wait_until - datetime.now(UTC) <= timedelta(seconds=33)
    )


def test_a_renamed_organization_is_not_found(
    simulator: SimulatorHandle, client: GitHubClient
) -> None:
    simulator.change_account("organization", "acme", renamed=True)
    with pytest.raises(NotFound):
        list(client.list_hosted_runners(ACME))


def test_each_request_is_announced_and_each_answer_reported(
    simulator: SimulatorHandle, connect: Callable[..., GitHubClient]
) -> None:
    announced: list[str] = []
    reported: list[AnswerMeta] = []
    auth = TokenAuth(simulator.account("acme").token)
    client = connect(
        simulator.base_url, auth=auth, before_request=announced.append, on_answer=reported.append
    )
    list(client.list_hosted_runners(ACME, per_page=10))
    with pytest.raises(NotFound):
        client.delete_hosted_runner(ACME, 999_999)
    assert announced == ["GET", "GET", "GET", "DELETE"]
    assert [meta.status for meta in reported] == [200, 200, 200, 404]
    assert all(meta.rate_limit for meta in reported)
