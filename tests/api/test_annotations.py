"""Owners, tags and saved views over the API: kept in Trackside, never sent to GitHub."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from runners_app.api.tokens import Access
from runners_app.models import Account, FieldChange, Membership, Runner, RunnerGroup, SavedView
from tests.api.conftest import MakeToken
from tests.jobs.test_ingest import viewer

API = "/api/v1"


def send(client: Client, method: str, address: str, body: object) -> Any:
    call = getattr(client, method)
    return call(f"{API}/{address}", body, content_type="application/json")


@pytest.fixture
def pool(org: Account) -> Runner:
    return Runner.objects.get(name="big-linux")


@pytest.mark.parametrize("noun", ["runners", "groups"])
def test_owner_and_tags_change_at_once_and_are_remembered(
    as_script: Client, org: Account, pool: Runner, noun: str
) -> None:
    row = pool if noun == "runners" else RunnerGroup.objects.get(name="builders")
    body = {"owner": "team-web", "tags": ["Nightly", "gpu"], "note": "ask first"}
    answer = send(as_script, "patch", f"{noun}/{row.pk}/annotations", body)
    assert answer.status_code == 200
    expected = {"owner": "team-web", "tags": ["gpu", "nightly"], "note": "ask first"}
    assert answer.json() == expected
    assert as_script.get(f"{API}/{noun}/{row.pk}/annotations").json() == expected
    shown = as_script.get(f"{API}/{noun}/{row.pk}").json()
    assert (shown["owner"], shown["tags"]) == ("team-web", ["gpu", "nightly"])
    assert FieldChange.objects.filter(item_pk=row.pk, field="owner", after="team-web").exists()

    answer = send(as_script, "patch", f"{noun}/{row.pk}/annotations", {"owner": ""})
    assert answer.json() == {**expected, "owner": None}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tags": ["two words?"]}, "tags"),
        ({"owner": "x" * 201}, "owner"),
        ({"colour": "red"}, "body.colour"),
    ],
)
def test_a_malformed_annotation_names_the_field(
    as_script: Client, pool: Runner, body: object, field: str
) -> None:
    answer = send(as_script, "patch", f"runners/{pool.pk}/annotations", body)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {field}
    assert not FieldChange.objects.exists()


def test_many_runners_are_annotated_or_none(
    as_script: Client, pool: Runner, lead: User, make_token: MakeToken
) -> None:
    Runner.objects.filter(pk=pool.pk).update(owner="team-web", tags="old")
    keys = list(Runner.objects.values_list("pk", flat=True))
    body = {"runners": keys, "add_tags": ["new"], "remove_tags": ["old"]}
    answer = send(as_script, "post", "runners/annotations", body)
    assert answer.json() == {"changed": 3}
    assert set(Runner.objects.values_list("tags", flat=True)) == {"new"}
    pool.refresh_from_db()
    assert pool.owner == "team-web"

    answer = send(as_script, "post", "runners/annotations", {**body, "runners": [*keys, 999_999]})
    assert answer.status_code == 404
    answer = send(as_script, "post", "runners/annotations", {**body, "runners": [2**63]})
    assert answer.status_code == 422
    Membership.objects.create(user=lead, account=pool.account)
    theirs = Client(headers={"Authorization": f"Bearer {make_token(lead)}"})
    answer = send(theirs, "post", "runners/annotations", {**body, "owner": "team-lead"})
    assert answer.status_code == 403
    assert not Runner.objects.filter(owner="team-lead").exists()


def test_owners_and_tags_are_counted_among_what_the_user_sees(
    as_script: Client, org: Account, make_token: MakeToken
) -> None:
    Runner.objects.filter(name="big-linux").update(owner="team-web", tags="gpu nightly")
    Runner.objects.filter(name="secret-pool").update(owner="secret-team", tags="secret gpu")
    RunnerGroup.objects.filter(name="builders").update(owner="team-web", tags="gpu")
    owners = [
        {"owner": "secret-team", "runners": 1, "groups": 0},
        {"owner": "team-web", "runners": 1, "groups": 1},
    ]
    assert as_script.get(f"{API}/owners").json()["rows"] == owners
    limited = Client(headers={"Authorization": f"Bearer {make_token(viewer(org, 7))}"})
    assert limited.get(f"{API}/owners").json()["rows"] == owners[1:]
    assert limited.get(f"{API}/tags").json()["rows"] == [
        {"tag": "gpu", "runners": 1, "groups": 1},
        {"tag": "nightly", "runners": 1, "groups": 0},
    ]


def test_a_view_is_saved_replaced_and_deleted(
    as_script: Client, as_admin: Client, org: Account
) -> None:
    body = {"name": "stuck ones", "query": "q=status:stuck", "default": True}
    answer = send(as_script, "post", "views", body)
    view = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (201, view["url"])
    assert (view["query"], view["default"]) == ("q=status%3Astuck", True)
    assert "stuck ones" in as_admin.get("/runners/view/").content.decode()

    answer = send(as_script, "post", "views", {**body, "query": "q=size:8-core"})
    assert (answer.status_code, answer.json()["pk"]) == (200, view["pk"])
    (row,) = as_script.get(f"{API}/views").json()["rows"]
    assert (row["query"], row["default"]) == ("q=size%3A8-core", True)

    assert as_script.delete(view["url"]).status_code == 204
    assert as_script.get(view["url"]).status_code == 404
    assert as_script.get(f"{API}/views").json()["rows"] == []
    assert send(as_script, "post", "views", {"name": "  "}).status_code == 422


def test_a_limited_token_reads_no_saved_views(
    admin: User, org: Account, make_token: MakeToken
) -> None:
    SavedView.objects.create(user=admin, list="runners", name="x", query="q=org:globex")
    text = make_token(admin, access=[Access(org, None)])
    client = Client(headers={"Authorization": f"Bearer {text}"})
    assert client.get(f"{API}/views").status_code == 403


@pytest.mark.parametrize(
    "address", ["runners?q=%00", "accounts/organization:%00", "insight/waits?pool=%00"]
)
def test_the_character_nul_is_refused(as_script: Client, address: str) -> None:
    assert as_script.get(f"{API}/{address}").status_code == 422
    assert send(as_script, "post", "views", {"name": "a\0b"}).status_code == 422
