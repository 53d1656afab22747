"""Runners over the API: lists, conditional reads, and writes that become operations."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from runners_app.models import Account, Image, Membership, Operation, Runner, RunnerGroup
from tests.api.conftest import MakeToken
from tests.simulator_handle import SimulatorHandle

RUNNERS = "/api/v1/runners"
Work = Callable[[Account], None]


def ready(account: Account) -> Runner:
    return Runner.objects.filter(account=account, status="Ready").order_by("pk")[0]


def patch(client: Client, runner: Runner, body: dict[str, object], **headers: str) -> HttpResponse:
    address = f"{RUNNERS}/{runner.pk}"
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.patch(address, body, content_type="application/json", headers=names)
    assert isinstance(answer, HttpResponse)
    return answer


def errors_of(answer: HttpResponse) -> set[str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return {error["field"] for error in answer.json()["errors"]}  # type: ignore[attr-defined]


def test_a_list_is_paged_by_key_with_link_headers(as_script: Client, acme: Account) -> None:
    names, address = [], f"{RUNNERS}?limit=5"
    for _ in range(10):
        answer = as_script.get(address)
        names += [row["name"] for row in answer.json()["rows"]]
        if "Link" not in answer.headers:
            assert answer.json()["next"] is None
            break
        address = answer.headers["Link"].partition("<")[2].partition(">")[0]
        assert f"after={answer.json()['next']}" in address
        assert "limit=5" in address
    assert names == sorted(Runner.objects.values_list("name", flat=True), key=str.lower)


@pytest.mark.parametrize(
    "query",
    [
        {"q": "org:globex status:ready"},
        {"q": "status:ready", "account": "organization:globex"},
        {"status": "Ready", "account": "globex-pk"},
    ],
)
def test_a_list_takes_the_words_of_the_search_box(
    as_script: Client, acme: Account, globex: Account, query: dict[str, str]
) -> None:
    query = {name: value.replace("globex-pk", str(globex.pk)) for name, value in query.items()}
    rows = as_script.get(RUNNERS, query).json()["rows"]
    expected = Runner.objects.filter(account=globex, status="Ready")
    assert {row["pk"] for row in rows} == set(expected.values_list("pk", flat=True))
    assert {row["account"] for row in rows} == {"organization:globex"}


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "x"}, {"sort": "secret"}])
def test_a_malformed_query_is_refused(as_script: Client, query: dict[str, str]) -> None:
    answer = as_script.get(RUNNERS, query)
    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_a_runner_has_githubs_field_names(as_script: Client, acme: Account) -> None:
    runner = ready(acme)
    group = RunnerGroup.objects.get(account=acme, github_id=runner.group_id or 0)
    shown = as_script.get(f"{RUNNERS}/{runner.pk}").json()
    assert (shown["id"], shown["name"]) == (runner.github_id, runner.name)
    assert shown["machine_size_details"]["id"] == runner.size
    assert shown["image_details"]["display_name"] == runner.image_name
    assert (shown["group"], shown["account"]) == (group.name, "organization:acme")
    assert as_script.get(shown["url"]).json() == shown


def test_an_unchanged_runner_is_answered_304(as_script: Client, acme: Account) -> None:
    address = f"{RUNNERS}/{ready(acme).pk}"
    etag = as_script.get(address).headers["ETag"]
    answer = as_script.get(address, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    Runner.objects.update(maximum_runners=7)
    assert as_script.get(address, headers={"If-None-Match": etag}).status_code == 200


def test_an_account_named_on_two_servers_is_not_found(as_script: Client, acme: Account) -> None:
    assert as_script.get("/api/v1/accounts/organization:ACME").json()["pk"] == acme.pk
    Account.objects.create(
        kind="organization", slug="acme", api_url="https://other", credential=acme.credential
    )
    assert as_script.get("/api/v1/accounts/organization:acme").status_code == 404
    assert as_script.get(f"/api/v1/accounts/{acme.pk}").status_code == 200


def test_a_runner_is_created_changed_and_deleted(
    as_script: Client, acme: Account, work: Work, simulator: SimulatorHandle
) -> None:
    template = ready(acme)
    image = Image.objects.filter(account=acme, source="github", platform="linux-x64")[0]
    body = {
        "name": "from-a-script",
        "image": {"id": image.github_id, "source": "github"},
        "size": "4-core",
        "runner_group_id": template.group_id,
        "maximum_runners": 3,
    }
    created = as_script.post(
        "/api/v1/accounts/organization:acme/runners", body, content_type="application/json"
    )
    assert created.status_code == 202, created.content
    operation = created.json()["operation"]
    assert created.headers["Location"] == operation["url"]
    simulator.set_speed(100_000)
    work(acme)
    work(acme)
    assert as_script.get(operation["url"]).json()["state"] == "confirmed"
    runner = Runner.objects.get(name="from-a-script")

    changed = patch(as_script, runner, {"maximum_runners": 4})
    assert changed.status_code == 202, changed.content
    work(acme)
    sent = simulator.requests("PATCH")[-1]["body"]
    assert sent == {"maximum_runners": 4}

    deleted = as_script.delete(f"{RUNNERS}/{runner.pk}")
    assert deleted.status_code == 202
    detail = as_script.get(deleted.headers["Location"]).json()
    assert (detail["kind"], detail["requested_by"]) == ("delete_runner", "ada")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "with a space"}, "name"),
        ({"size": "3-core"}, "size"),
        ({"runner_group_id": 999_999}, "runner_group_id"),
        ({"maximum_runners": 0}, "maximum_runners"),
        ({"image_id": "nothing"}, "image_id"),
        ({"colour": "red"}, "body.colour"),
        ({"maximum_runners": "many"}, "body.maximum_runners"),
    ],
)
def test_an_invalid_change_names_the_field(
    as_script: Client, acme: Account, change: dict[str, object], field: str
) -> None:
    answer = patch(as_script, ready(acme), change)
    assert answer.status_code == 422
    assert field in errors_of(answer)
    assert not Operation.objects.exists()


def test_a_change_without_effect_is_refused(as_script: Client, acme: Account) -> None:
    runner = ready(acme)
    answer = patch(as_script, runner, {"maximum_runners": runner.maximum_runners})
    assert answer.status_code == 422


def test_a_dry_run_answers_the_changes_and_creates_nothing(
    as_script: Client, acme: Account
) -> None:
    runner = ready(acme)
    address = f"{RUNNERS}/{runner.pk}?dry_run=1"
    answer = as_script.patch(address, {"maximum_runners": 99}, content_type="application/json")
    assert answer.status_code == 200
    before = runner.maximum_runners
    assert answer.json()["changes"] == [{"field": "maximum_runners", "before": before, "after": 99}]
    assert not Operation.objects.exists()


def test_if_match_follows_settings_and_not_status(as_script: Client, acme: Account) -> None:
    runner = ready(acme)
    etag = as_script.get(f"{RUNNERS}/{runner.pk}").json()["settings_etag"]
    Runner.objects.filter(pk=runner.pk).update(status="Shutdown")
    assert patch(as_script, runner, {"maximum_runners": 98}, If_Match=etag).status_code == 202
    Runner.objects.filter(pk=runner.pk).update(size="16-core")
    refused = patch(as_script, runner, {"maximum_runners": 97}, If_Match=f'"{etag}"')
    assert refused.status_code == 412
    assert Operation.objects.count() == 1


def test_an_idempotency_key_makes_one_operation(
    as_script: Client, acme: Account, lead: User, make_token: MakeToken
) -> None:
    runner = ready(acme)
    first = patch(as_script, runner, {"maximum_runners": 98}, Idempotency_Key="any text ä")
    Runner.objects.filter(pk=runner.pk).update(maximum_runners=98)
    again = patch(as_script, runner, {"maximum_runners": 98}, Idempotency_Key="any text ä")
    assert first.status_code == again.status_code == 202
    assert first.headers["Location"] == again.headers["Location"]
    other = patch(as_script, runner, {"maximum_runners": 97}, Idempotency_Key="any text ä")
    assert other.status_code == 422
    assert Operation.objects.count() == 1

    Membership.objects.create(user=lead, account=acme, role="manager")
    theirs = Client(headers={"Authorization": f"Bearer {make_token(lead)}"})
    answer = patch(theirs, runner, {"maximum_runners": 97}, Idempotency_Key="any text ä")
    assert answer.status_code == 202
    assert Operation.objects.count() == 2


def test_a_deletion_sent_again_answers_the_first_operation(
    as_script: Client, acme: Account
) -> None:
    runner = ready(acme)
    address, headers = f"{RUNNERS}/{runner.pk}", {"Idempotency-Key": "one"}
    first = as_script.delete(address, headers=headers)
    Runner.objects.filter(pk=runner.pk).update(gone_at=runner.observed_at)
    assert as_script.delete(address).status_code == 404
    again = as_script.delete(address, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())


def test_waiting_ends_with_202_while_the_outcome_is_unknown(
    as_script: Client, acme: Account
) -> None:
    answer = as_script.delete(f"{RUNNERS}/{ready(acme).pk}?wait=1")
    assert (answer.status_code, answer.json()["operation"]["state"]) == (202, "requested")


def test_an_operation_that_was_not_sent_is_cancelled(as_script: Client, acme: Account) -> None:
    location = as_script.delete(f"{RUNNERS}/{ready(acme).pk}").headers["Location"]
    assert as_script.post(f"{location}/cancel").json()["state"] == "cancelled"
    assert as_script.post(f"{location}/cancel").status_code == 409


@pytest.mark.parametrize("column", ["observe_only", "paused"])
def test_a_write_is_refused_with_the_reason(as_script: Client, acme: Account, column: str) -> None:
    Account.objects.update(**{column: True})
    answer = as_script.delete(f"{RUNNERS}/{ready(acme).pk}")
    assert answer.status_code == 403
    assert column.replace("_", " ") in answer.json()["detail"]


def test_a_session_may_read_but_not_write(as_admin: Client, acme: Account) -> None:
    assert as_admin.get(RUNNERS).status_code == 200
    assert as_admin.delete(f"{RUNNERS}/{ready(acme).pk}").status_code == 401
    assert not Operation.objects.exists()


def test_a_list_costs_the_same_queries_for_any_number_of_runners(
    as_script: Client, acme: Account, globex: Account, django_assert_max_num_queries: object
) -> None:
    assert callable(django_assert_max_num_queries)
    with django_assert_max_num_queries(8):
        assert len(as_script.get(f"{RUNNERS}?limit=100").json()["rows"]) == 24
