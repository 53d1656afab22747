"""Bulk edit, create and delete: the preview is exact, and only what it showed is requested."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runners_app.models import (
    Account,
    AuditEntry,
    Image,
    Membership,
    Operation,
    OperationEvent,
    Reading,
    Runner,
    Selection,
)
from runners_app.runners.bulk import MOST_AT_ONCE
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
Query = dict[str, Any]


def ids(account: Account, count: int = 3) -> list[int]:
    ready = (
        Runner.objects.present()
        .filter(account=account, status="Ready", platform="linux-x64")
        .order_by("pk")
    )
    return list(ready.exclude(image_id="").values_list("pk", flat=True)[:count])


def confirm(client: Client, address: str, query: Query, **fields: str) -> HttpResponseBase:
    page = client.get(address, query)
    form = page.context["confirm"] if "confirm" in page.context else page.context["form"]
    given = {"nonce": form["nonce"].value(), "digest": form["digest"].value(), **fields}
    query = {**query, "selection": str(page.context["selection"].pk)}
    return client.post(f"{address}?{urlencode(query, doseq=True)}", given)


def test_a_bulk_edit_in_two_organizations_is_previewed_and_then_carried_out(
    as_admin: Client, acme: Account, globex: Account, work: Work
) -> None:
    query: Query = {
        "runner": [*ids(acme), *ids(globex)],
        "maximum_runners": "21",
        "group": "production-deploys",
    }
    page = as_admin.get("/runners/bulk/edit/", query)
    assert len(page.context["plan"].items) == 6
    assert "21" in page.content.decode()
    assert not Operation.objects.exists()
    confirm(as_admin, "/runners/bulk/edit/", query)
    work(acme)
    work(globex)
    assert set(Operation.objects.values_list("state", flat=True)) == {"confirmed"}
    assert Operation.objects.values("batch").distinct().count() == 1
    assert Runner.objects.filter(maximum_runners=21).count() == 6


def test_an_image_name_is_resolved_in_each_account(
    as_admin: Client, acme: Account, globex: Account, work: Work
) -> None:
    Image.objects.filter(account=globex, name="Ubuntu 22.04").delete()
    query: Query = {
        "runner": [*ids(acme), *ids(globex)],
        "image": "github:Ubuntu 22.04",
        "size": "8-core",
    }
    plan = as_admin.get("/runners/bulk/edit/", query).context["plan"]
    assert {runner.account.slug for runner, _ in plan.impossible} == {"globex"}
    assert "globex is not offered the image Ubuntu 22.04." in {
        reason for _, reason in plan.impossible
    }
    assert {item.runner.account.slug for item in plan.items} == {"acme"}


def test_the_preview_says_why_a_change_does_not_apply_to_a_runner(
    as_admin: Client, acme: Account
) -> None:
    windows = Runner.objects.filter(account=acme, platform="win-x64").earliest("pk")
    for change, reason in [
        ({"image": "github:Ubuntu 22.04"}, "is for linux-x64"),
        ({"size": "2-core"}, "does not fit"),
    ]:
        plan = as_admin.get("/runners/bulk/edit/", Query(runner=windows.pk, **change)).context[
            "plan"
        ]
        assert reason in plan.impossible[0][1]


def test_runners_that_changed_since_the_preview_are_previewed_again(
    as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    query: Query = {"matching": "account=acme&q=golden", "maximum_runners": "3"}
    page = as_admin.get("/runners/bulk/edit/", query)
    form = page.context["confirm"]
    runner = page.context["plan"].items[0].runner
    simulator.change_runner("organization", "acme", runner.github_id, maximum_runners=9)
    Reading.objects.schedule_now(acme, "runners")
    work(acme)
    given = {"nonce": form["nonce"].value(), "digest": form["digest"].value()}
    answer = as_admin.post(f"/runners/bulk/edit/?{page.wsgi_request.META['QUERY_STRING']}", given)
    assert answer.status_code == 200
    assert "The list has changed since you opened it" in answer.content.decode()
    assert not Operation.objects.exists()


def test_a_confirmation_sent_twice_creates_its_operations_once(
    as_admin: Client, acme: Account
) -> None:
    query: Query = {"runner": ids(acme), "maximum_runners": "21"}
    page = as_admin.get("/runners/bulk/edit/", query)
    form = page.context["confirm"]
    given = {"nonce": form["nonce"].value(), "digest": form["digest"].value()}
    for _ in range(2):
        as_admin.post(f"/runners/bulk/edit/?{page.wsgi_request.META['QUERY_STRING']}", given)
    assert Operation.objects.count() == 3


def test_trying_a_batch_on_the_first_runner_holds_the_others(
    as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    confirm(
        as_admin, "/runners/bulk/edit/", {"runner": ids(acme), "maximum_runners": "21"}, first="1"
    )
    work(acme)
    assert len(simulator.requests("PATCH")) == 1
    assert sorted(Operation.objects.values_list("state", flat=True)) == [
        "confirmed",
        "requested",
        "requested",
    ]
    batch = Operation.objects.earliest("pk").batch
    page = as_admin.get(f"/operations/batches/{batch}/").content.decode()
    assert "1 of 3 confirmed" in page
    assert "Continue with the other 2" in page
    as_admin.post(f"/operations/batches/{batch}/go-on/")
    work(acme)
    assert "3 of 3 confirmed" in as_admin.get(f"/operations/batches/{batch}/").content.decode()


def test_stopping_a_batch_cancels_its_held_operations(
    as_admin: Client, acme: Account, work: Work
) -> None:
    confirm(
        as_admin, "/runners/bulk/edit/", {"runner": ids(acme), "maximum_runners": "21"}, first="1"
    )
    work(acme)
    address = f"/operations/batches/{Operation.objects.earliest('pk').batch}/"
    as_admin.post(f"{address}stop/")
    assert sorted(Operation.objects.values_list("state", flat=True)) == [
        "cancelled",
        "cancelled",
        "confirmed",
    ]
    page = as_admin.get(address).content.decode()
    assert "2 operations cancelled by ada before anything was changed." in page
    assert '<progress value="1" max="3"' in page
    assert "failed" not in page
    assert page.count("/operations/") > as_admin.get(f"{address}?state=confirmed").content.count(
        b"/operations/"
    )
    answer = as_admin.post(f"{address}retry/", {"what": "stopped"})
    work(acme)
    assert "2 of 2 confirmed" in as_admin.get(answer.headers["Location"]).content.decode()


def test_one_decision_about_a_batch_is_one_audit_entry(
    as_admin: Client, acme: Account, work: Work
) -> None:
    confirm(
        as_admin, "/runners/bulk/edit/", {"runner": ids(acme), "maximum_runners": "21"}, first="1"
    )
    batch = Operation.objects.earliest("pk").batch
    as_admin.post(f"/operations/batches/{batch}/go-on/")
    as_admin.post(f"/operations/batches/{batch}/stop/")
    as_admin.post(f"/operations/batches/{batch}/retry/", {"what": "stopped"})
    entries = AuditEntry.objects.filter(action__in=("batch.continued", "batch.stopped"))
    assert [entry.details["operations"] for entry in entries.order_by("pk")] == [2, 3]
    assert {entry.details["batch"] for entry in entries} == {str(batch)}
    retried = AuditEntry.objects.get(action="batch.retried")
    assert retried.details["operations"] == 3
    assert not AuditEntry.objects.filter(action="operation.update_runner", pk__gt=retried.pk - 1)


@pytest.mark.parametrize("hindrance", ["paused", "observe_only"])
def test_held_operations_can_be_cancelled_but_not_sent_once_the_account_may_not_be_changed(
    client: Client, admin: User, lead: User, acme: Account, work: Work, hindrance: str
) -> None:
    client.force_login(admin)
    confirm(
        client, "/runners/bulk/edit/", {"runner": ids(acme), "maximum_runners": "21"}, first="1"
    )
    work(acme)
    Account.objects.update(**{hindrance: True})
    Membership.objects.create(user=lead, account=acme, role="manager")
    client.force_login(lead)
    address = f"/operations/batches/{Operation.objects.earliest('pk').batch}/"
    page = client.get(address).content.decode()
    assert "Cancel 2 not sent yet" in page
    assert "Go on" not in page
    assert client.post(f"{address}go-on/").status_code == 403
    assert client.post(f"{address}retry/").status_code == 403
    assert client.post(f"{address}stop/").status_code == 302
    assert sorted(Operation.objects.values_list("state", flat=True)) == [
        "cancelled",
        "cancelled",
        "confirmed",
    ]


def test_failed_operations_are_retried_as_a_new_batch(
    as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    simulator.add_fault(
        "PATCH", "/hosted-runners/", "status", status=422, body={"message": "Not now"}, times=1
    )
    confirm(as_admin, "/runners/bulk/edit/", {"runner": ids(acme), "maximum_runners": "21"})
    work(acme)
    batch = Operation.objects.earliest("pk").batch
    assert "Retry 1 failed" in as_admin.get(f"/operations/batches/{batch}/").content.decode()
    for _ in range(2):
        answer = as_admin.post(f"/operations/batches/{batch}/retry/")
    work(acme)
    assert "1 of 1 confirmed" in as_admin.get(answer.headers["Location"]).content.decode()
    assert Runner.objects.filter(maximum_runners=21).count() == 3


def test_a_batch_is_hidden_from_strangers_and_read_only_for_viewers(
    client: Client, admin: User, lead: User, acme: Account, work: Work
) -> None:
    client.force_login(admin)
    confirm(
        client, "/runners/bulk/edit/", {"runner": ids(acme), "maximum_runners": "21"}, first="1"
    )
    batch = Operation.objects.earliest("pk").batch
    client.force_login(lead)
    assert client.get(f"/operations/batches/{batch}/").status_code == 404
    Membership.objects.create(user=lead, account=acme)
    assert "Go on" not in client.get(f"/operations/batches/{batch}/").content.decode()
    client.post(f"/operations/batches/{batch}/stop/")
    assert not Operation.objects.filter(state="cancelled").exists()


def test_one_form_creates_the_same_runner_in_several_organizations(
    as_admin: Client, acme: Account, globex: Account, work: Work
) -> None:
    address = f"/runners/bulk/new/?account={acme.pk}&account={globex.pk}"
    form = as_admin.get(address).context["form"]
    fields = {
        "nonce": form["nonce"].value(),
        "name": "everywhere",
        "image": "custom:golden-linux",
        "size": "8-core",
        "maximum_runners": "4",
        f"group_{acme.pk}": "2",
        f"group_{globex.pk}": "1",
    }
    answer = as_admin.post(address, fields)
    work(acme)
    work(globex)
    made = Runner.objects.filter(name="everywhere").order_by("account__slug")
    assert [(runner.account.slug, runner.group_id) for runner in made] == [
        ("acme", 2),
        ("globex", 1),
    ]
    assert "runs-on: everywhere" in as_admin.get(answer.headers["Location"]).content.decode()


def test_an_account_that_cannot_have_the_runner_has_an_error_at_its_field(
    as_admin: Client, acme: Account, globex: Account
) -> None:
    Image.objects.filter(account=globex, name="golden-linux").delete()
    address = f"/runners/bulk/new/?account={acme.pk}&account={globex.pk}"
    form = as_admin.get(address).context["form"]
    fields = {
        "nonce": form["nonce"].value(),
        "name": "everywhere",
        "image": "custom:golden-linux",
        "size": "8-core",
        "maximum_runners": "4",
        f"group_{acme.pk}": "2",
        f"group_{globex.pk}": "1",
    }
    errors = as_admin.post(address, fields).context["form"].errors
    assert list(errors) == [f"group_{globex.pk}"]
    assert not Operation.objects.exists()


def test_cloning_into_another_account_matches_image_and_group_by_name(
    as_admin: Client, acme: Account, globex: Account
) -> None:
    original = Runner.objects.get(account=acme, name="golden-linux-16core")
    form = as_admin.get(f"/runners/new/?clone={original.pk}&account={globex.pk}").context["form"]
    assert form["name"].value() == "golden-linux-16core-copy"
    assert (
        form["image"].value()
        == f"custom:{Image.objects.get(account=globex, name='golden-linux').github_id}"
    )
    assert (form["size"].value(), form["image_version"].value()) == ("16-core", "1.2.0")


def test_bulk_deletion_requires_typing_the_number_of_runners(
    as_admin: Client, acme: Account, work: Work
) -> None:
    query: Query = {"runner": ids(acme)}
    assert confirm(as_admin, "/runners/bulk/delete/", query, typed="4").status_code == 422
    assert not Operation.objects.exists()
    confirm(as_admin, "/runners/bulk/delete/", query, typed="3")
    assert Operation.objects.filter(kind="delete_runner").count() == 3


def test_runners_in_accounts_that_the_user_can_only_view_are_left_out(
    as_lead: Client, lead: User, acme: Account, globex: Account
) -> None:
    Membership.objects.create(user=lead, account=acme, role="manager")
    Membership.objects.create(user=lead, account=globex, role="viewer")
    query: Query = {"runner": [*ids(acme), *ids(globex)], "maximum_runners": "21"}
    plan = as_lead.get("/runners/bulk/edit/", query).context["plan"]
    assert {item.runner.account for item in plan.items} == {acme}
    reason = "You can view globex but not change it. Ask an administrator for the manager role."
    assert {each for _, each in plan.impossible} == {reason}


def test_runners_that_the_user_cannot_see_are_not_found(as_lead: Client, acme: Account) -> None:
    page = as_lead.get("/runners/bulk/edit/", Query(runner=ids(acme), maximum_runners="21"))
    assert page.status_code == 404


def test_planning_a_bulk_change_takes_a_constant_number_of_queries(
    as_admin: Client, acme: Account, globex: Account
) -> None:
    counts = []
    as_admin.get("/runners/bulk/edit/", Query(runner=ids(acme, 1)))  # the first notes the browser
    for chosen in (ids(acme, 1), [*ids(acme, 6), *ids(globex, 6)]):
        with CaptureQueriesContext(connection) as queries:
            as_admin.get("/runners/bulk/edit/", Query(runner=chosen, maximum_runners="21"))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def add_runners(account: Account, count: int) -> None:
    now = timezone.now()
    pattern = Runner.objects.filter(account=account, platform="linux-x64", status="Ready").first()
    assert pattern is not None
    Runner.objects.bulk_create(
        Runner(
            account=account,
            github_id=500_000 + number,
            name=f"many-{number}",
            status="Ready",
            platform=pattern.platform,
            image_id=pattern.image_id,
            image_source=pattern.image_source,
            image_name=pattern.image_name,
            size=pattern.size,
            group_id=pattern.group_id,
            maximum_runners=10 + number % 2,
            observed_at=now,
            first_seen_at=now,
            status_since=now,
        )
        for number in range(count)
    )
    Account.objects.raise_versions()


def test_five_thousand_runners_are_changed_with_one_audit_entry_and_one_version(
    as_admin: Client, acme: Account
) -> None:
    add_runners(acme, MOST_AT_ONCE)
    query: Query = {"matching": "q=many-", "maximum_runners": "21"}
    page = as_admin.get("/runners/bulk/edit/", query)
    assert page.context["page"].paginator.num_pages == 50
    assert page.context["groups"] == [(("maximum_runners", "different values", 21), 5000)]
    assert "Takes about 83 minutes" in page.content.decode()

    version = Account.objects.get(pk=acme.pk).version
    form = page.context["confirm"]
    given = {"nonce": form["nonce"].value(), "digest": form["digest"].value()}
    address = f"/runners/bulk/edit/?selection={page.context['selection'].pk}&maximum_runners=21"
    assert as_admin.post(address, given).status_code == 302
    assert Operation.objects.count() == OperationEvent.objects.count() == MOST_AT_ONCE
    assert Account.objects.get(pk=acme.pk).version == version + 1
    entry = AuditEntry.objects.get(action="operation.update_runner")
    assert entry.details["operations"] == MOST_AT_ONCE
    assert entry.details["wanted"] == {"maximum_runners": 21}

    as_admin.post(address, given)
    assert Operation.objects.count() == MOST_AT_ONCE, "a form that arrives twice is one batch"


def test_more_runners_than_the_limit_are_refused_with_the_limit(
    as_admin: Client, acme: Account
) -> None:
    add_runners(acme, MOST_AT_ONCE + 1)
    answer = as_admin.get("/runners/bulk/edit/", {"matching": "q=many-"})
    assert answer.status_code == 400
    assert "More than 5,000 runners match" in answer.content.decode()
    page = as_admin.get("/runners/?q=many-").content.decode()
    assert "too many, the limit is 5,000" in page


def test_a_selection_belongs_to_the_user_who_made_it(
    client: Client, admin: User, lead: User, acme: Account
) -> None:
    client.force_login(admin)
    client.get("/runners/bulk/edit/", Query(runner=ids(acme)))
    selection = Selection.objects.get()
    Membership.objects.create(user=lead, account=acme, role="manager")
    client.force_login(lead)
    assert client.get("/runners/bulk/edit/", {"selection": str(selection.pk)}).status_code == 404


def test_the_same_form_with_other_values_is_another_batch(as_admin: Client, acme: Account) -> None:
    page = as_admin.get("/runners/bulk/edit/", Query(runner=ids(acme), maximum_runners="21"))
    nonce = page.context["confirm"]["nonce"].value()
    for maximum in ("21", "22"):
        query = Query(selection=page.context["selection"].pk, maximum_runners=maximum)
        plan = as_admin.get("/runners/bulk/edit/", query).context["plan"]
        given = {"nonce": nonce, "digest": plan.digest}
        as_admin.post(f"/runners/bulk/edit/?{urlencode(query)}", given)
    assert Operation.objects.values("batch").distinct().count() == 2


@pytest.mark.parametrize(
    "query",
    [
        "",
        "selection=x",
        "selection=6f1c8b0e-0000-4000-8000-000000000000",
        "runner=x",
        "runner=99999999999999999999",
        "matching=q%3D%2500",
        "runner=1&size=no",
    ],
)
def test_invalid_addresses_never_break_the_bulk_pages(
    as_admin: Client, acme: Account, query: str
) -> None:
    for address in ("edit", "delete"):
        assert as_admin.get(f"/runners/bulk/{address}/?{query}").status_code in (200, 404, 422)
