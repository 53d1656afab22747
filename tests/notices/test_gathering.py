"""Many events are few messages, and each channel hears only of what it is about."""

import uuid
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.models import (
    Account,
    AuditEntry,
    Channel,
    Event,
    FieldChange,
    Image,
    Notice,
    Operation,
    Runner,
    RunnerGroup,
    Snooze,
)
from runners_app.notices.channels import save_channel
from runners_app.notices.notices import watch_and_send
from tests.jobs.conftest import make_account
from tests.sinks import Sink, webhook


@pytest.fixture
def hook() -> Iterator[Sink]:
    with webhook() as sink:
        yield sink


@pytest.fixture
def acme(db: None) -> Account:
    return make_account("acme", {7: ("builders", [f"build-{number}" for number in range(160)])})


@pytest.fixture
def globex(db: None) -> Account:
    return make_account("globex", {8: ("testers", [f"test-{number}" for number in range(40)])})


@pytest.fixture
def channel(admin: User, hook: Sink) -> Channel:
    row = Channel(name="ops", kinds=Event.Kind.values)
    save_channel(row, f"json://127.0.0.1:{hook.port}/a-secret-path", by=admin)
    return row


def make_stuck(*names: str, **changed: object) -> None:
    rows = Runner.objects.filter(name__in=names) if names else Runner.objects.all()
    rows.update(status="Stuck", **changed)


def pass_minutes(number: int, start: datetime | None = None) -> datetime:
    now = start or timezone.now()
    for _ in range(number):
        watch_and_send(now)
        now += timedelta(minutes=1)
    return now


def test_two_hundred_events_in_a_minute_are_one_message(
    acme: Account, globex: Account, channel: Channel, hook: Sink, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://trackside.example"
    make_stuck(size="8-core")
    pass_minutes(3)
    assert Event.objects.count() == 200
    (message,) = hook.messages
    assert message["title"] == "Trackside: 200 things in 2 accounts"
    lines = message["message"].splitlines()
    assert "160 runners of size 8-core of acme are Stuck" in lines
    assert "40 runners of size 8-core of globex are Stuck" in lines
    assert len(lines) < 40, "it names some of them, and says how many more there are"
    assert "and 150 more" in lines
    assert [(each["account"], each["count"]) for each in message["events"]] == [
        ("acme", 160),
        ("globex", 40),
    ]


def test_events_that_trickle_in_are_gathered_for_five_minutes(
    acme: Account, channel: Channel, hook: Sink, time_machine: Any
) -> None:
    start = timezone.now()
    for minute in range(10):
        time_machine.move_to(start + timedelta(minutes=minute), tick=False)
        make_stuck(*(f"build-{number}" for number in range(20 * minute, 20 * minute + 8)))
        watch_and_send(timezone.now())
    assert len(hook.messages) == 2
    assert hook.messages[0]["title"] == "Trackside: 8 runners of acme are Stuck"
    assert hook.messages[1]["title"] == "Trackside: 40 runners of acme are Stuck"
    make_stuck()
    time_machine.move_to(start + timedelta(minutes=30), tick=False)
    watch_and_send(timezone.now())
    assert len(hook.messages) == 3


def test_the_body_says_what_the_title_does_not(
    acme: Account, channel: Channel, hook: Sink, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://trackside.example"
    make_stuck("build-7", size="8-core", image_name="Ubuntu 24.04")
    pass_minutes(1)
    (message,) = hook.messages
    runner = Runner.objects.get(name="build-7")
    address = f"https://trackside.example/runners/{runner.pk}/"
    *lines, began, link = message["message"].splitlines()
    assert lines == [
        "Account: acme",
        "Severity: Critical",
        "Runner: build-7",
        "Size: 8-core",
        "Image: Ubuntu 24.04",
    ]
    assert began.startswith("Noticed: 20")
    assert link.strip() == message["url"] == address
    assert (message["severity"], message["phase"]) == ("critical", "begin")
    assert message["events"][0]["kind"] == "runner_stuck"
    make_stuck("build-8", "build-9")
    pass_minutes(1, timezone.now() + timedelta(minutes=6))
    assert hook.messages[1]["url"].startswith("https://trackside.example/runners/?account=acme&")


def test_a_link_to_many_leads_to_a_list_that_has_them(
    acme: Account, channel: Channel, hook: Sink, settings: Settings, as_admin: Client
) -> None:
    settings.PUBLIC_URL = "https://trackside.example"
    make_stuck("build-3", "build-4")
    pass_minutes(1)
    page = as_admin.get(hook.messages[0]["url"].removeprefix("https://trackside.example"))
    assert "2 runners" in page.content.decode()


# --- A running batch


def add_batch(account: Account, state: str, *names: str) -> uuid.UUID:
    batch, now = uuid.uuid4(), timezone.now()
    for runner in Runner.objects.filter(account=account, name__in=names):
        Operation.objects.create(
            account=account,
            batch=batch,
            kind="update_runner",
            target="runner",
            target_id=runner.github_id,
            target_name=runner.name,
            state=state,
            requested_at=now,
            confirmed_at=now,
        )
    return batch


def test_what_a_running_batch_changes_is_told_once_at_its_end(
    acme: Account, channel: Channel, hook: Sink
) -> None:
    names = [f"build-{number}" for number in range(30)]
    batch = add_batch(acme, "observing", *names)
    make_stuck(*names)
    now = pass_minutes(5)
    assert hook.messages == []
    make_stuck("build-31")
    now = pass_minutes(1, now)
    assert len(hook.messages) == 1, "what it does not change is told at once"

    first = Operation.objects.filter(batch=batch).order_by("pk")[:1]
    Operation.objects.filter(batch=batch).exclude(pk__in=first).update(state="confirmed")
    now = pass_minutes(1, now)
    assert len(hook.messages) == 1, "one of its operations is still carried out"
    Operation.objects.filter(batch=batch).update(state="confirmed")
    pass_minutes(8, now + timedelta(minutes=10))
    assert [message["title"] for message in hook.messages[1:]] == [
        "Trackside: 30 runners of acme are Stuck"
    ]


def test_that_something_is_over_is_told_at_the_end_of_the_batch_too(
    acme: Account, channel: Channel, hook: Sink
) -> None:
    names = [f"build-{number}" for number in range(10)]
    make_stuck(*names)
    now = pass_minutes(1)
    batch = add_batch(acme, "observing", *names)
    for name in names:
        Runner.objects.filter(name=name).update(status="Ready")
        now = pass_minutes(1, now)
    assert len(hook.messages) == 1
    Operation.objects.filter(batch=batch).update(state="confirmed")
    pass_minutes(2, now)
    assert [message["title"] for message in hook.messages[1:]] == [
        "Trackside: Over: 10 runners of acme are Stuck"
    ]


# --- Images and ranges


def offer_image(account: Account, github_id: str) -> None:
    now = timezone.now()
    Image.objects.create(
        account=account,
        source="custom",
        github_id=github_id,
        name=github_id,
        observed_at=now,
        first_seen_at=now,
    )


def test_an_image_that_is_no_longer_offered_is_told_with_the_runners_made_from_it(
    acme: Account, channel: Channel, hook: Sink
) -> None:
    offer_image(acme, "other")
    offer_image(acme, "golden")
    made = ["build-1", "build-2", "build-3"]
    Runner.objects.filter(name__in=made).update(
        image_source="custom", image_id="golden", image_name="golden-24"
    )
    pass_minutes(1)
    assert hook.messages == []
    Image.objects.filter(github_id="golden").update(gone_at=timezone.now())
    pass_minutes(2)
    (message,) = hook.messages
    assert message["title"] == (
        "Trackside: The image golden-24 is no longer offered to acme: 3 runners are made from it"
    )
    assert set(made) <= set(message["message"].splitlines())
    assert message["events"][0]["items"] == made


def ranges(*prefixes: str) -> list[dict[str, object]]:
    return [{"prefix": each, "length": 31, "enabled": True} for each in prefixes]


def change_ranges(name: str, before: list[Any], after: list[Any], **of: object) -> None:
    runner = Runner.objects.get(name=name)
    Runner.objects.filter(pk=runner.pk).update(public_ips=after)
    FieldChange.objects.create(
        **{
            "account": runner.account,
            "item": "runner",
            "item_pk": runner.pk,
            "field": "public_ips",
            "before": before,
            "after": after,
            "at": timezone.now(),
            **of,
        }
    )


def test_changed_static_ip_ranges_are_told_with_plus_and_minus_lines(
    acme: Account, channel: Channel, hook: Sink
) -> None:
    change_ranges("build-1", ranges("20.0.0.2", "20.0.0.4"), ranges("20.0.0.4", "20.0.0.6"))
    change_ranges("build-2", [], ranges("20.0.0.8"))
    change_ranges("build-3", ranges("20.0.0.10"), [])
    change_ranges("build-4", [], ranges("20.0.0.10"))  # it only moved
    now = pass_minutes(3)
    (message,) = hook.messages
    assert message["title"] == "Trackside: Static IP ranges of acme changed: 2 added, 1 removed"
    lines = [line for line in message["message"].splitlines() if line[0] in "+−"]  # noqa: RUF001
    assert lines == ["+ 20.0.0.6/31", "+ 20.0.0.8/31", "− 20.0.0.2/31"]  # noqa: RUF001
    pass_minutes(2, now + timedelta(hours=2))
    assert len(hook.messages) == 1, "a change is never over"
    assert not Event.objects.filter(ended_at=None).exists()


def test_ranges_that_a_batch_changes_are_told_at_its_end(
    acme: Account, channel: Channel, hook: Sink
) -> None:
    batch = add_batch(acme, "observing", "build-1", "build-2")
    long_ago = timezone.now() - timedelta(hours=3)
    for operation in Operation.objects.filter(batch=batch):
        new = ranges(f"20.0.{operation.pk % 250}.0")
        change_ranges(operation.target_name, [], new, operation=operation, at=long_ago)
    now = pass_minutes(2)
    assert hook.messages == []
    Operation.objects.update(state="confirmed", finished_at=timezone.now())
    pass_minutes(2, now)
    (message,) = hook.messages
    assert message["title"].endswith("2 added, 0 removed")


def test_the_ranges_of_a_new_account_are_no_news_and_those_of_a_new_runner_are(
    acme: Account, channel: Channel, hook: Sink
) -> None:
    Runner.objects.update(public_ips=ranges("20.0.0.2"), first_seen_at=timezone.now())
    pass_minutes(1)
    assert hook.messages == []
    later = timezone.now() + timedelta(minutes=1)
    Runner.objects.filter(name="build-9").update(public_ips=ranges("20.0.9.0"), first_seen_at=later)
    pass_minutes(1)
    assert "+ 20.0.9.0/31" in hook.messages[0]["message"]


# --- Routing


def test_a_channel_hears_only_of_its_accounts(
    acme: Account, globex: Account, channel: Channel, hook: Sink
) -> None:
    channel.accounts.add(globex)
    make_stuck()
    pass_minutes(1)
    assert [message["title"] for message in hook.messages] == [
        "Trackside: 40 runners of globex are Stuck"
    ]


def test_a_channel_hears_only_of_its_groups_and_owners(
    acme: Account, globex: Account, channel: Channel, hook: Sink
) -> None:
    channel.groups.add(RunnerGroup.objects.get(account=acme))
    Channel.objects.update(runner_owners="web, Data Platform")
    Runner.objects.filter(name__in=["build-3", "test-3"]).update(owner="data platform")
    make_stuck("build-3", "build-4", "test-3")
    acme.credential.__class__.objects.update(quarantined_at=timezone.now())
    pass_minutes(1)
    assert [message["title"] for message in hook.messages] == [
        "Trackside: The runner build-3 of acme is Stuck"
    ]


def test_an_administrator_routes_a_channel_in_its_form(
    acme: Account, globex: Account, channel: Channel, confirmed: Client
) -> None:
    fields = {"name": "ops", "kinds": Event.Kind.values, "zone": "UTC", "is_on": "on"}
    group = RunnerGroup.objects.get(account=globex)
    routed = {**fields, "accounts": [globex.pk], "groups": [group.pk], "runner_owners": "web"}
    assert confirmed.post(f"/notices/{channel.pk}/", routed).status_code == 302
    assert list(channel.accounts.all()) == [globex]
    assert list(channel.groups.all()) == [group]
    page = confirmed.get("/notices/").content.decode()
    assert "only globex, runners in testers, runners of web" in page
    assert confirmed.post(f"/notices/{channel.pk}/", fields).status_code == 302
    assert not channel.accounts.exists()


def test_a_new_channel_is_about_everything_until_somebody_chooses(
    acme: Account, confirmed: Client
) -> None:
    for address in ("/notices/new/", "/you/notices/"):
        form = confirmed.get(address).context["form"]
        assert form["runner_owners"].value() == ""
        assert form["kinds"].value() == Event.Kind.values
        assert not form["always_critical"].value()


def test_a_user_routes_only_to_what_they_may_see(
    acme: Account, globex: Account, lead: User, client: Client
) -> None:
    lead.memberships.create(account=acme)
    client.force_login(lead)
    page = client.get("/you/notices/").content.decode()
    assert "acme" in page
    assert "globex" not in page
    fields = {"kinds": ["runner_stuck"], "zone": "UTC", "accounts": [globex.pk]}
    assert client.post("/you/notices/", fields).status_code == 422


def test_critical_notices_may_ignore_quiet_hours(
    acme: Account, channel: Channel, hook: Sink
) -> None:
    night = datetime(2026, 12, 1, 23, tzinfo=timezone.now().tzinfo)
    Channel.objects.update(quiet_from=time(22), quiet_until=time(6), always_critical=True)
    make_stuck("build-1")
    Image.objects.all().delete()
    offer_image(acme, "other")
    Runner.objects.filter(name="build-2").update(image_source="custom", image_id="golden")
    pass_minutes(1, night)
    assert [message["severity"] for message in hook.messages] == ["critical"]
    pass_minutes(1, night + timedelta(hours=7))
    assert [message["severity"] for message in hook.messages] == ["critical", "warning"]


# --- Snooze


def test_a_snoozed_kind_in_an_account_is_silent_until_then(
    acme: Account, globex: Account, channel: Channel, hook: Sink, as_admin: Client
) -> None:
    make_stuck("build-1")
    pass_minutes(1)
    about = {"account": acme.pk, "kind": "runner_stuck"}
    assert as_admin.post("/notices/snooze/", {**about, "hours": "8"}).status_code == 302
    assert "snoozed by ada until" in as_admin.get("/notices/").content.decode()
    make_stuck("build-2", "test-1")
    pass_minutes(1)
    assert [message["title"] for message in hook.messages[1:]] == [
        "Trackside: The runner test-1 of globex is Stuck"
    ]
    pass_minutes(1, timezone.now() + timedelta(hours=9))
    assert "build-2" in hook.messages[2]["title"]
    assert not Snooze.objects.exists()
    entry = AuditEntry.objects.get(action="notices.snoozed")
    assert (entry.account_name, entry.details) == ("acme", {"hours": 8})


def test_ending_a_snooze_sends_what_waited(
    acme: Account, channel: Channel, hook: Sink, as_admin: Client
) -> None:
    about = {"account": acme.pk, "kind": "runner_stuck"}
    as_admin.post("/notices/snooze/", {**about, "hours": "24"})
    make_stuck("build-1")
    pass_minutes(1)
    assert hook.messages == []
    as_admin.post("/notices/snooze/", {**about, "hours": "0"})
    pass_minutes(1)
    assert len(hook.messages) == 1


def test_a_snoozed_channel_gets_nothing_until_it_is_over(
    acme: Account, channel: Channel, hook: Sink, confirmed: Client
) -> None:
    fields = {"name": "ops", "kinds": Event.Kind.values, "zone": "UTC", "is_on": "on"}
    confirmed.post(f"/notices/{channel.pk}/", {**fields, "snooze": "8"})
    assert "snoozed until" in confirmed.get("/notices/").content.decode()
    make_stuck("build-1")
    pass_minutes(1)
    assert hook.messages == []
    confirmed.post(f"/notices/{channel.pk}/", {**fields, "snooze": "0"})
    pass_minutes(1)
    assert len(hook.messages) == 1
    assert Notice.objects.filter(sent_at=None).count() == 0


@pytest.mark.parametrize(
    "wrong", [{"hours": "2"}, {"kind": "weather"}, {"account": "0"}, {"account": "x"}]
)
def test_a_snooze_of_something_else_is_refused(
    acme: Account, as_admin: Client, wrong: dict[str, str]
) -> None:
    about = {"account": acme.pk, "kind": "runner_stuck", "hours": "1"}
    assert as_admin.post("/notices/snooze/", {**about, **wrong}).status_code == 404
    assert not Snooze.objects.exists()
