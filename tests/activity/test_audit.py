"""The audit log: every change and sign-in, newest first, filtered, exported."""

import csv
import io
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.http import StreamingHttpResponse
from django.test import Client
from django.utils import timezone

from runners_app.models import Account, AuditEntry, Image, Operation, Runner, RunnerGroup
from runners_app.runners import bulk
from runners_app.runners.requests import request_update
from runners_app.runners.settings import RunnerSettings

ALL_DAY = {"since": "2026-11-02", "until": "2026-11-02"}


def write_entry(
    action: str = "person.added",
    *,
    actor: str = "max",
    account: str = "",
    subject: str = "",
    day: int = 2,
) -> None:
    AuditEntry.objects.create(
        at=datetime(2026, 11, day, 12, tzinfo=UTC),
        actor_name=actor,
        action=action,
        account_name=account,
        subject=subject,
        details={},
    )


def exported(client: Client, query: dict[str, str]) -> list[list[str]]:
    answer = client.get("/audit/export.csv", query)
    assert isinstance(answer, StreamingHttpResponse)
    assert answer.headers["Content-Type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(b"".join(answer).decode())))


def test_the_audit_log_is_for_administrators(client: Client, lead: User) -> None:
    client.force_login(lead)
    assert client.get("/audit/").status_code == 403
    assert client.get("/audit/export.csv").status_code == 403


def test_the_audit_log_refuses_post(as_admin: Client) -> None:
    assert as_admin.post("/audit/").status_code == 405
    assert as_admin.post("/audit/export.csv").status_code == 405


def test_entries_are_shown_newest_first_with_exact_times(as_admin: Client) -> None:
    write_entry(subject="the older", day=1)
    write_entry(subject="the newer", day=2)
    page = as_admin.get("/audit/").content.decode()
    assert page.index("the newer") < page.index("the older")
    assert "2 Nov 2026, 12:00:00 UTC" in page
    assert "Added a person" in page


def test_the_entry_of_an_operation_is_readable_and_links_to_it(
    as_admin: Client, admin: User, acme: Account
) -> None:
    runner = Runner.objects.filter(account=acme).earliest("pk")
    base = RunnerSettings.of(runner)
    operation = request_update(
        runner, replace(base, maximum_runners=77), base=base, by=admin, nonce="one"
    )
    page = as_admin.get("/audit/").content.decode()
    assert "Maximum runners: 77" in page
    assert f"/operations/{operation.pk}/" in page
    operation.delete()
    assert f"/operations/{operation.pk}/" not in as_admin.get("/audit/").content.decode()


def test_details_name_groups_images_and_repositories(as_admin: Client, acme: Account) -> None:
    group = RunnerGroup.objects.filter(account=acme).earliest("pk")
    image = Image.objects.filter(account=acme, source="custom").earliest("pk")
    wanted = {
        "runner_group_id": group.github_id,
        "image_id": image.github_id,
        "image_source": "custom",
        "image_version": None,
        "add": {"7001": "web", "7002": "api"},
    }
    AuditEntry.objects.create(
        at=timezone.now(),
        actor_name="max",
        action="operation.update_runner",
        account_id=acme.pk,
        account_name="acme",
        details={"wanted": wanted, "operation": 1},
    )
    page = as_admin.get("/audit/").content.decode()
    assert f"Runner group: {group.name}" in page
    assert f"Image: {image.name} (custom)" in page
    assert "Added to the access list: api, web" in page
    assert "{&#x27;" not in page


def test_one_decision_about_a_batch_is_one_line_with_a_link(
    as_admin: Client, admin: User, acme: Account
) -> None:
    batch = uuid.uuid4()
    runners = list(Runner.objects.filter(account=acme).order_by("pk")[:3])
    bulk.request_deletes(runners, by=admin, batch=batch)
    for runner in runners:
        AuditEntry.objects.create(
            at=timezone.now(),
            actor_name="ada",
            action="batch.continued",
            subject=runner.name,
            details={"operation": 1, "batch": str(batch)},
        )
    page = as_admin.get("/audit/").content.decode()
    assert page.count(f"/operations/batches/{batch}/") == 2
    assert page.count('<span class="cell-sub">3 operations</span>') == 2


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ({"person": "Max"}, "by max", "by eva"),
        ({"action": "account.paused"}, "by eva", "by max"),
        ({"account": "ACME"}, "by eva", "by max"),
        ({"since": "2026-11-03"}, "by eva", "by max"),
        ({"until": "2026-11-02"}, "by max", "by eva"),
        ({"person": "max", "since": "0001-01-01", "until": "9999-12-31"}, "by max", "by eva"),
        ({"since": "not a day", "until": "2026-11-02"}, "by max", "by eva"),
    ],
)
def test_filters_narrow_the_page_and_the_export(
    as_admin: Client, query: dict[str, str], shown: str, hidden: str
) -> None:
    write_entry(actor="max", subject="by max", day=2)
    write_entry("account.paused", actor="eva", account="acme", subject="by eva", day=3)
    page = as_admin.get("/audit/", query).content.decode()
    assert shown in page
    assert hidden not in page
    subjects = [row[4] for row in exported(as_admin, query)]
    assert shown in subjects
    assert hidden not in subjects


def test_the_last_day_is_included_until_midnight(as_admin: Client) -> None:
    midnight = datetime(2026, 11, 3, tzinfo=UTC)
    for at, subject in (
        (midnight, "of the next day"),
        (midnight - timedelta(microseconds=1), "the last of the day"),
    ):
        AuditEntry.objects.create(
            at=at, actor_name="max", action="person.added", subject=subject, details={}
        )
    assert [row[4] for row in exported(as_admin, {"until": "2026-11-02"})[1:]] == [
        "the last of the day"
    ]


def test_malformed_filters_are_ignored(as_admin: Client) -> None:
    write_entry(subject="still here")
    for query in (
        {"action": "nonsense"},
        {"person": "\0"},
        {"after": "nonsense"},
        {"account": "x" * 5000},
    ):
        assert as_admin.get("/audit/", query).status_code == 200
        assert as_admin.get("/audit/export.csv", query).status_code == 200
    assert "No entry matches" in as_admin.get("/audit/", {"person": "nobody"}).content.decode()


def test_the_list_is_paged_by_key(as_admin: Client) -> None:
    for number in range(60):
        write_entry(subject=f"number {number:02}.")
    first = as_admin.get("/audit/", ALL_DAY)
    assert "number 59." in first.content.decode()
    assert "number 09." not in first.content.decode()
    second = as_admin.get("/audit/", {**ALL_DAY, "after": first.context["page"].after})
    assert "number 09." in second.content.decode()
    back = as_admin.get("/audit/", {**ALL_DAY, "before": second.context["page"].before})
    assert "number 59." in back.content.decode()


def test_the_export_contains_no_formulas(as_admin: Client) -> None:
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "plain"):
        write_entry(actor=text, subject=text)
    cells = {cell for row in exported(as_admin, ALL_DAY)[1:] for cell in (row[1], row[4])}
    assert cells == {"'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", "plain"}


def test_markup_in_an_entry_is_escaped(as_admin: Client) -> None:
    write_entry(actor="<script>alert(1)</script>", subject='"><img src=x onerror=alert(1)>')
    page = as_admin.get("/audit/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_sign_ins_and_sign_outs_are_audited(client: Client, admin: User) -> None:
    client.post("/sign-in/", {"username": "ada", "password": "a password for tests"})
    client.post("/sign-out/")
    entries = AuditEntry.objects.order_by("pk").values_list("action", "actor_name")
    assert list(entries) == [("sign_in", "ada"), ("sign_out", "ada")]


def test_failed_sign_ins_are_audited_without_what_may_be_a_password(
    client: Client, admin: User
) -> None:
    client.post("/sign-in/", {"username": "ada", "password": "a guess nobody may read"})
    client.post("/sign-in/", {"username": "my p4ssword in the wrong field", "password": "x"})
    known, unknown = AuditEntry.objects.order_by("pk")
    assert (known.action, known.subject, known.details["address"]) == (
        "sign_in.failed",
        "ada",
        "127.0.0.1",
    )
    assert (unknown.action, unknown.subject) == ("sign_in.failed", "")
    written = str(list(AuditEntry.objects.values()))
    assert "a guess" not in written
    assert "p4ssword" not in written


def test_every_kind_of_operation_has_an_action() -> None:
    assert {f"operation.{kind}" for kind in Operation.Kind} <= set(AuditEntry.Action.values)
