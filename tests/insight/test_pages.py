"""The pages about jobs: what they show, and to whom."""

from __future__ import annotations

import json
import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from runners_app.jobs.hooks import hook_for, secret_of
from runners_app.jobs.ingest import normalise_waiting
from runners_app.models import Account, AuditEntry, Hook, Job, Runner
from tests.insight.conftest import shift
from tests.jobs.payloads import completed, queued
from tests.jobs.posting import Sender
from tests.jobs.test_ingest import viewer

PAGES = (
    "/insight/",
    "/insight/waits/",
    "/insight/waits/?by=repository&period=30d",
    "/insight/capacity/",
    "/insight/capacity/?period=30d",
    "/insight/usage/",
    "/insight/usage/?by=workflow",
    "/insight/jobs/",
    "/insight/coverage/",
)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_jobs_and_escapes_them(
    busy: Sender, admin_client: Client, page: str
) -> None:
    answer = admin_client.get(page)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "<script>alert" not in text
    assert "acme" in text


@pytest.mark.parametrize("page", PAGES)
def test_a_limited_viewer_sees_nothing_of_other_groups(
    busy: Sender, org: Account, client: Client, page: str
) -> None:
    client.force_login(viewer(org, 7))
    text = client.get(page).content.decode()
    assert "secret-" not in text
    if "coverage" not in page:
        assert "big-linux" in text or "acme/web" in text


@pytest.mark.parametrize("table", ["queue", "waits", "capacity", "usage", "jobs"])
@pytest.mark.parametrize("form", ["csv", "json"])
def test_every_table_can_be_taken_away(
    busy: Sender, org: Account, client: Client, table: str, form: str
) -> None:
    client.force_login(viewer(org, 7))
    answer = client.get(f"/insight/{table}/export.{form}")
    text = answer.getvalue().decode()
    assert answer.status_code == 200
    assert "secret-" not in text
    assert "acme" in text
    if form == "json":
        assert json.loads(text)
    assert AuditEntry.objects.exists()


def test_the_queue_says_who_waits_and_why(busy: Sender, admin_client: Client) -> None:
    Runner.objects.filter(name="big-linux").update(maximum_runners=1)
    text = admin_client.get("/insight/").content.decode()
    for words in ("The pool is full", "No pool has this label", "Waits for an approval"):
        assert words in text
    assert text.index("no-such-label") < text.index(">big-linux<")


def test_an_unchanged_queue_answers_204(busy: Sender, admin_client: Client) -> None:
    page = admin_client.get("/insight/").content.decode()
    match = re.search(r'data-version="([^"]+)"', page)
    assert match
    poll = admin_client.get(f"/insight/?version={match[1]}", headers={"HX-Request": "true"})
    if poll.status_code == 200:  # half a minute passed just now
        match = re.search(r'data-version="([^"]+)"', poll.content.decode())
        assert match
        poll = admin_client.get(f"/insight/?version={match[1]}", headers={"HX-Request": "true"})
    assert poll.status_code == 204
    busy.deliver(shift(queued(id=99), 10))
    normalise_waiting()
    again = admin_client.get(f"/insight/?version={match[1]}", headers={"HX-Request": "true"})
    assert again.status_code == 200


def test_a_filter_one_may_not_see_does_not_exist(
    busy: Sender, org: Account, client: Client
) -> None:
    client.force_login(viewer(org, 7))
    secret = Job.objects.get(github_id=50)
    for query in (
        f"repository={secret.repository_id}",
        f"pool={secret.pool_id}",
        f"workflow={secret.workflow_id}",
        "account=globex",
        "pool=x",
        "pool=99999999999999999999",
    ):
        assert client.get(f"/insight/waits/?{query}").status_code == 404


@pytest.mark.parametrize(
    "query", ["since=x", "since=2026-13-01", "since=2026-11-02&until=2026-11-01"]
)
def test_a_time_that_is_none_is_refused(admin_client: Client, query: str) -> None:
    assert admin_client.get(f"/insight/waits/?{query}").status_code == 400


def test_the_secret_is_shown_to_managers_alone(
    org: Account, client: Client, admin_client: Client, lead: User
) -> None:
    hook = hook_for(org)
    page = f"/accounts/{org.pk}/job-events/"
    assert secret_of(hook) in admin_client.get(page).content.decode()
    client.force_login(viewer(org, limited=False))
    assert client.get(page).status_code == 403
    client.force_login(lead)
    assert client.get(page).status_code == 404


def test_asking_for_the_hook_is_left_to_the_worker(org: Account, admin_client: Client) -> None:
    page = f"/accounts/{org.pk}/job-events/"
    assert admin_client.post(page).status_code == 302
    assert Hook.objects.get(account=org).wanted


def test_a_deletion_and_an_edit_say_who_uses_the_pool(
    busy: Sender, org: Account, admin_client: Client, client: Client
) -> None:
    runner = Runner.objects.get(name="big-linux")
    words = "1 repository ran 4 jobs here in 30 days"
    assert words in admin_client.get(f"/runners/{runner.pk}/delete/").content.decode()
    assert words in admin_client.get(f"/runners/{runner.pk}/edit/").content.decode()
    fragment = f"/insight/pools/{runner.pk}/usage/"
    assert fragment in admin_client.get(f"/runners/{runner.pk}/").content.decode()
    assert words in admin_client.get(fragment).content.decode()
    client.force_login(viewer(org, 8))
    assert client.get(fragment).status_code == 404


def test_a_raised_maximum_is_one_click_away(
    org: Account, sender: Sender, admin_client: Client
) -> None:
    Runner.objects.filter(name="big-linux").update(maximum_runners=1)
    jobs = [shift(completed(1000 + 10 * n, 3000, id=n), 3500) for n in range(1, 6)]
    sender.deliver(*jobs)
    normalise_waiting()
    text = admin_client.get("/insight/capacity/?period=1h").content.decode()
    assert "Raise to 5" in text
    assert "maximum_runners=5" in text
