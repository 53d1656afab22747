"""Notices: one message when something needs a person, one at its end, to those who may see it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.models import (
    Account,
    AuditEntry,
    Channel,
    Credential,
    Event,
    Limits,
    Membership,
    Notice,
    Operation,
    Reading,
    Runner,
    RunnerGroup,
)
from runners_app.notices.channels import save_channel
from runners_app.notices.facts import find_facts, seen_by
from runners_app.notices.notices import send_due, watch_and_send
from runners_app.people.people import add_person, set_administrator
from tests.sinks import Sink, mail_server, webhook


@pytest.fixture
def hook() -> Iterator[Sink]:
    with webhook() as sink:
        yield sink


@pytest.fixture
def mail(settings: Settings) -> Iterator[Sink]:
    with mail_server() as sink:
        settings.MAIL_IS_SET_UP = True
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
        yield sink


@pytest.fixture
def channel(admin: User, hook: Sink) -> Channel:
    """A shared channel that posts to the sink, about everything."""
    row = Channel(name="ops", kinds=Event.Kind.values)
    save_channel(row, f"json://127.0.0.1:{hook.port}/a-secret-path", by=admin)
    return row


@pytest.fixture
def calm(acme: Account) -> Account:
    """An account in which nothing needs a person."""
    Runner.objects.update(status="Ready")
    Runner.objects.image_not_offered().update(image_id="")
    Limits.objects.update(maximum=50, used=10)
    return acme


def pass_minute(at: datetime | None = None) -> None:
    watch_and_send(at or timezone.now())


def make_stuck(account: Account, name: str = "slow-one") -> Runner:
    runner = Runner.objects.filter(account=account).order_by("pk")[0]
    Runner.objects.filter(pk=runner.pk).update(status="Stuck", name=name)
    return runner


# --- What notices are about


def _token_expires(account: Account) -> None:
    Credential.objects.update(token_expires_at=timezone.now() + timedelta(days=6, hours=12))


def _credential_refused(account: Account) -> None:
    Credential.objects.update(quarantined_at=timezone.now(), quarantine_reason="401")


def _reading_stale(account: Account) -> None:
    long_ago = timezone.now() - timedelta(minutes=61)
    Reading.objects.filter(account=account, resource="runners").update(
        error="permission", error_since=long_ago
    )


def _provisioning(account: Account) -> None:
    since = timezone.now() - timedelta(minutes=31)
    Runner.objects.filter(pk=make_stuck(account).pk).update(
        status="Provisioning", status_since=since
    )


def _operation_waits(account: Account) -> None:
    now = timezone.now()
    Operation.objects.create(
        account=account,
        kind="create_runner",
        target="runner",
        target_name="new-one",
        state="needs_attention",
        requested_at=now,
        confirmed_at=now,
    )


def _ips_nearly_used(account: Account) -> None:
    Limits.objects.update(maximum=50, used=40)


def _ips_used(account: Account) -> None:
    Limits.objects.update(maximum=50, used=50)


@pytest.mark.parametrize(
    ("happen", "words"),
    [
        (_token_expires, "The token of acme expires within 7 days"),
        (_credential_refused, "The credential of acme is disabled"),
        (_reading_stale, "acme could not be read for an hour"),
        (make_stuck, "The runner slow-one of acme is Stuck"),
        (_provisioning, "has been Provisioning for at least 30 minutes"),
        (_operation_waits, "An operation in acme needs a decision: Create runner new-one"),
        (_ips_nearly_used, "acme: 40 of 50 static IPs are used"),
        (_ips_used, "acme: 50 of 50 static IPs are used"),
    ],
)
def test_one_message_is_sent_for_each_thing_that_needs_a_person(
    calm: Account, channel: Channel, hook: Sink, happen: object, words: str
) -> None:
    pass_minute()
    assert hook.messages == []
    assert callable(happen)
    happen(calm)
    for _ in range(3):
        pass_minute()
    assert len(hook.messages) == 1
    assert words in hook.messages[0]["title"]


def test_one_message_says_that_it_is_over(calm: Account, channel: Channel, hook: Sink) -> None:
    make_stuck(calm)
    pass_minute()
    Runner.objects.update(status="Ready")
    for _ in range(3):
        pass_minute()
    assert [message["title"][:30] for message in hook.messages] == [
        "Trackside: The runner slow-one",
        "Trackside: Over: The runner sl",
    ]
    make_stuck(calm)
    pass_minute()
    assert len(hook.messages) == 3, "the next time is another event"


def test_an_expiring_token_is_announced_three_times(
    calm: Account, channel: Channel, hook: Sink
) -> None:
    now = timezone.now()
    Credential.objects.update(token_expires_at=now + timedelta(days=20))
    Reading.objects.update(due_at=now + timedelta(days=30))
    for day in range(20):
        pass_minute(now + timedelta(days=day))
    told = [message["title"] for message in hook.messages]
    assert [title.rpartition("within ")[2] for title in told] == ["14 days", "7 days", "1 day"]
    Credential.objects.update(token_expires_at=now + timedelta(days=365))
    pass_minute(now + timedelta(days=20))
    assert [message["title"] for message in hook.messages[3:]] == [
        "Trackside: Over: The token of acme expires within 1 day"
    ]


def test_a_worse_stage_does_not_end_the_earlier_one(
    calm: Account, channel: Channel, hook: Sink
) -> None:
    _ips_nearly_used(calm)
    _provisioning(calm)
    pass_minute()
    _ips_used(calm)
    Runner.objects.filter(status="Provisioning").update(status="Stuck")
    pass_minute()
    assert len(hook.messages) == 2
    assert not [message for message in hook.messages if "Over" in message["message"]]


def _paused(account: Account) -> None:
    Account.objects.update(paused=True)


@pytest.mark.parametrize("cut", [_credential_refused, _paused])
def test_an_event_is_not_over_because_its_account_is_no_longer_read(
    calm: Account, channel: Channel, hook: Sink, cut: Callable[[Account], None]
) -> None:
    _reading_stale(calm)
    pass_minute()
    cut(calm)
    pass_minute()
    assert "could not be read" in hook.messages[0]["title"]
    assert not [message for message in hook.messages if "Over" in message["title"]]


def test_events_of_the_same_minute_share_one_message(
    calm: Account, channel: Channel, hook: Sink
) -> None:
    Runner.objects.update(status="Stuck")
    pass_minute()
    assert len(hook.messages) == 1
    assert hook.messages[0]["title"] == "Trackside: 12 runners of acme are Stuck"
    names = Runner.objects.values_list("name", flat=True)
    assert set(names) <= set(hook.messages[0]["message"].splitlines())


def test_a_channel_gets_only_the_kinds_it_chose(
    calm: Account, channel: Channel, hook: Sink
) -> None:
    Channel.objects.update(kinds=["static_ips"])
    make_stuck(calm)
    pass_minute()
    assert hook.messages == []


def test_demo_accounts_cause_no_notices(calm: Account, channel: Channel, hook: Sink) -> None:
    Account.objects.update(demo=True)
    make_stuck(calm)
    _ips_used(calm)
    pass_minute()
    assert hook.messages == []


def test_a_message_links_to_the_page_about_the_event(
    calm: Account, channel: Channel, hook: Sink, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://trackside.example"
    runner = make_stuck(calm)
    pass_minute()
    assert f"https://trackside.example/runners/{runner.pk}/" in hook.messages[0]["message"]


# --- Recipients


def test_a_users_mail_covers_only_accounts_they_may_see(
    calm: Account, globex: Account, lead: User, mail: Sink
) -> None:
    Runner.objects.update(status="Ready")
    Runner.objects.image_not_offered().update(image_id="")
    Limits.objects.update(maximum=50, used=10)
    User.objects.filter(pk=lead.pk).update(email="lin@example.com")
    Channel.objects.create(owner=lead, name="lin", kinds=Event.Kind.values)
    Membership.objects.create(user=lead, account=globex)
    make_stuck(calm, "not-for-lin")
    make_stuck(globex, "for-lin")
    pass_minute()
    assert len(mail.messages) == 1
    assert "for-lin of globex is Stuck" in mail.messages[0]
    assert "not-for-lin" not in mail.messages[0]
    assert "To: lin@example.com" in mail.messages[0]


def test_a_user_limited_to_groups_is_notified_only_of_those_groups(
    calm: Account, lead: User, mail: Sink
) -> None:
    User.objects.filter(pk=lead.pk).update(email="lin@example.com")
    Channel.objects.create(owner=lead, name="lin", kinds=Event.Kind.values)
    mine, other = Runner.objects.order_by("pk")[:2]
    groups = RunnerGroup.objects.order_by("pk")[:2]
    Runner.objects.filter(pk=mine.pk).update(
        group_id=groups[0].github_id, status="Stuck", name="mine"
    )
    Runner.objects.filter(pk=other.pk).update(
        group_id=groups[1].github_id, status="Stuck", name="other"
    )
    Membership.objects.create(user=lead, account=calm, limited=True).groups.add(groups[0])
    _ips_used(calm)
    pass_minute()
    assert len(mail.messages) == 1
    assert "mine of acme is Stuck" in mail.messages[0]
    assert "other of acme" not in mail.messages[0]
    assert "static IPs" not in mail.messages[0]


def test_a_disabled_user_gets_no_notices(calm: Account, admin: User, mail: Sink) -> None:
    User.objects.filter(pk=admin.pk).update(email="ada@example.com", is_active=False)
    Channel.objects.create(owner=admin, name="ada", kinds=Event.Kind.values)
    make_stuck(calm)
    pass_minute()
    assert mail.messages == []


def _disabled(person: User) -> None:
    User.objects.filter(pk=person.pk).update(is_active=False)


def _taken_away(person: User) -> None:
    Membership.objects.filter(user=person).delete()


@pytest.mark.parametrize("lose", [_disabled, _taken_away])
@pytest.mark.parametrize("is_over", [False, True])
def test_a_waiting_notice_is_dropped_when_its_recipient_loses_access(
    calm: Account, lead: User, mail: Sink, lose: Callable[[User], None], is_over: bool
) -> None:
    User.objects.filter(pk=lead.pk).update(email="lin@example.com")
    Membership.objects.create(user=lead, account=calm)
    Channel.objects.create(owner=lead, kinds=Event.Kind.values)
    evening, night = datetime(2026, 12, 1, 21, tzinfo=UTC), datetime(2026, 12, 1, 23, tzinfo=UTC)
    Reading.objects.update(due_at=None)
    make_stuck(calm)
    if is_over:
        pass_minute(evening)
    heard = len(mail.messages)
    Channel.objects.update(quiet_from=time(22), quiet_until=time(6))
    Runner.objects.filter(status="Stuck" if is_over else "").update(status="Ready")
    pass_minute(night)
    assert Notice.objects.filter(sent_at=None).count() == 1
    lose(lead)
    pass_minute(night + timedelta(hours=7))
    assert len(mail.messages) == heard
    row = Notice.objects.get(sent_at=None)
    assert row.failure.startswith("Not sent: this user")
    send_due(night + timedelta(hours=20))
    assert len(mail.messages) == heard


@pytest.mark.parametrize("lose", [_disabled, _taken_away])
def test_a_user_who_lost_access_is_not_told_that_it_is_over(
    calm: Account, lead: User, mail: Sink, lose: Callable[[User], None]
) -> None:
    User.objects.filter(pk=lead.pk).update(email="lin@example.com")
    Membership.objects.create(user=lead, account=calm)
    Channel.objects.create(owner=lead, kinds=Event.Kind.values)
    make_stuck(calm)
    pass_minute()
    lose(lead)
    Runner.objects.update(status="Ready")
    pass_minute()
    assert Notice.objects.count() == 1
    assert len(mail.messages) == 1


# --- Quiet hours


def test_quiet_hours_delay_a_notice_until_they_end(
    calm: Account, channel: Channel, hook: Sink
) -> None:
    Channel.objects.update(quiet_from=time(22), quiet_until=time(6))
    night, morning = (
        datetime(2026, 12, 1, 23, 30, tzinfo=UTC),
        datetime(2026, 12, 2, 6, 0, tzinfo=UTC),
    )
    make_stuck(calm)
    pass_minute(night)
    pass_minute(night + timedelta(hours=5))
    assert hook.messages == []
    pass_minute(morning)
    assert len(hook.messages) == 1


def test_an_event_that_ends_within_quiet_hours_is_never_sent(
    calm: Account, channel: Channel, hook: Sink
) -> None:
    Channel.objects.update(quiet_from=time(22), quiet_until=time(6))
    night = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)
    make_stuck(calm)
    pass_minute(night)
    Runner.objects.update(status="Ready")
    pass_minute(night + timedelta(hours=1))
    Reading.objects.update(due_at=None)
    pass_minute(night + timedelta(hours=8))
    assert hook.messages == []


def test_quiet_hours_follow_the_channels_time_zone() -> None:
    berlin = Channel(quiet_from=time(22), quiet_until=time(6), zone="Europe/Berlin")
    half_past_nine_utc = datetime(2026, 12, 1, 21, 30, tzinfo=UTC)
    assert berlin.next_loud_moment(half_past_nine_utc) == datetime(2026, 12, 2, 5, 0, tzinfo=UTC)
    assert (
        Channel(quiet_from=time(22), quiet_until=time(6)).next_loud_moment(half_past_nine_utc)
        == half_past_nine_utc
    )


# --- Failed deliveries


def fail_once(account: Account, hook: Sink) -> datetime:
    """Have one notice fail. Returns the time of the attempt."""
    hook.status = 500
    make_stuck(account)
    now = timezone.now()
    pass_minute(now)
    return now


def test_a_failed_notice_is_shown_and_sent_again(
    calm: Account, channel: Channel, hook: Sink, as_admin: Client
) -> None:
    now = fail_once(calm, hook)
    page = as_admin.get("/notices/").content.decode()
    assert "It answered 500" in page
    assert "Not delivered" in page
    hook.status = 200
    send_due(now + timedelta(minutes=10))
    assert len(hook.messages) == 1
    assert "Not delivered" not in as_admin.get("/notices/").content.decode()


def poll(client: Client, version: str) -> tuple[str, str]:
    """The answer to a poll with this version, and the version the page has then."""
    page = client.get(
        f"/notices/?version={version}", headers={"HX-Request": "true"}
    ).content.decode()
    return page, page.partition('data-version="')[2].partition('"')[0] if page else version


def test_a_poll_answers_only_after_a_change(
    calm: Account, channel: Channel, hook: Sink, as_admin: Client
) -> None:
    version = as_admin.get("/notices/").context["version"]
    assert poll(as_admin, version) == ("", version)
    Channel.objects.update(kinds=[])
    page, version = poll(as_admin, version)
    assert "0 kinds of notices" in page
    make_stuck(calm)
    pass_minute()
    page, version = poll(as_admin, version)
    assert "The runner slow-one of acme is Stuck" in page
    Channel.objects.update(
        name="night shift", is_on=False, quiet_from=time(22), quiet_until=time(6)
    )
    page, version = poll(as_admin, version)
    assert "night shift" in page
    assert "quiet from 22:00" in page
    assert poll(as_admin, version) == ("", version)
    Event.objects.update(ended_at=timezone.now())
    assert "is Stuck" not in poll(as_admin, version)[0]


def test_a_poll_shows_that_a_notice_was_given_up(
    calm: Account, channel: Channel, hook: Sink, as_admin: Client
) -> None:
    now = fail_once(calm, hook)
    version = as_admin.get("/notices/").context["version"]
    for _ in range(4):
        now += timedelta(minutes=90)
        send_due(now)
    assert "Given up" in poll(as_admin, version)[0]


def test_a_notice_is_given_up_after_five_tries(calm: Account, channel: Channel, hook: Sink) -> None:
    hook.status = 503
    make_stuck(calm)
    pass_minute()
    for hours in range(1, 12):
        send_due(timezone.now() + timedelta(hours=hours))
    assert Notice.objects.get().tries == 5
    hook.status = 200
    send_due(timezone.now() + timedelta(hours=20))
    assert hook.messages == []


def test_two_workers_send_a_notice_once(calm: Account, channel: Channel, hook: Sink) -> None:
    make_stuck(calm)
    hook.status = 500
    pass_minute()
    hook.status = 200
    Notice.objects.update(due_at=timezone.now())
    later = timezone.now()
    send_due(later)
    send_due(later)
    assert len(hook.messages) == 1


# --- Pages


def test_the_page_says_that_demo_accounts_are_left_out(calm: Account, as_admin: Client) -> None:
    said = "Demo accounts send no notices and are left out here."
    before = as_admin.get("/notices/")
    assert said not in before.content.decode()
    Runner.objects.update(status="Stuck")
    Account.objects.update(demo=True)
    page, _ = poll(as_admin, before.context["version"])
    assert said in page
    assert "Nothing in real accounts." in page


def test_an_administrator_adds_tests_and_removes_a_channel(confirmed: Client, hook: Sink) -> None:
    fields = {"name": "ops", "kinds": ["runner_stuck"], "zone": "UTC", "is_on": "on"}
    address = f"json://127.0.0.1:{hook.port}/a-secret-path"
    assert confirmed.post("/notices/new/", {**fields, "address": address}).status_code == 302
    channel = Channel.objects.get()
    assert confirmed.post(f"/notices/{channel.pk}/test/").status_code == 302
    assert "Waiting" in confirmed.get("/notices/").content.decode()
    send_due(timezone.now())
    assert hook.messages[0]["title"] == "Trackside: a test"
    assert "Sent" in confirmed.get("/notices/").content.decode()
    assert (
        confirmed.post(
            f"/notices/{channel.pk}/", {**fields, "name": "others", "address": ""}
        ).status_code
        == 302
    )
    confirmed.post(f"/notices/{channel.pk}/test/")
    send_due(timezone.now())
    assert len(hook.messages) == 2, "an empty address keeps the present one"
    assert confirmed.post(f"/notices/{channel.pk}/delete/").status_code == 302
    assert not Channel.objects.exists()
    actions = list(
        AuditEntry.objects.filter(action__startswith="channel")
        .order_by("pk")
        .values_list("action", flat=True)
    )
    assert actions == ["channel.added", "channel.changed", "channel.deleted"]


def test_a_channels_address_is_stored_encrypted_and_never_shown(
    as_admin: Client, channel: Channel
) -> None:
    assert "a-secret-path" not in channel.sealed_address
    for path in ("/notices/", f"/notices/{channel.pk}/", "/audit/"):
        assert "a-secret-path" not in as_admin.get(path).content.decode()


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "syslog://", "https://example.com/x", "slack://x", "no"]
)
def test_an_incomplete_address_or_one_of_another_scheme_is_refused(
    confirmed: Client, address: str
) -> None:
    answer = confirmed.post(
        "/notices/new/", {"name": "x", "kinds": ["static_ips"], "zone": "UTC", "address": address}
    )
    assert answer.status_code == 422
    assert not Channel.objects.exists()


def test_users_choose_notices_only_to_their_own_mailbox(
    client: Client, lead: User, mail: Sink
) -> None:
    User.objects.filter(pk=lead.pk).update(email="lin@example.com")
    client.force_login(lead)
    fields = {
        "kinds": ["runner_stuck"],
        "zone": "Europe/Berlin",
        "is_on": "on",
        "owner": 1,
        "address": "json://x",
    }
    assert client.post("/you/notices/", fields).status_code == 302
    row = Channel.objects.get()
    assert (row.owner, row.sealed_address) == (lead, "")
    client.post("/you/notices/test/")
    send_due(timezone.now())
    assert "Notices from Trackside arrive here" in mail.messages[0]
    assert client.post("/you/notices/", {**fields, "zone": "Mars/Base"}).status_code == 422


def test_a_channel_that_is_off_gets_tests_and_nothing_else(
    calm: Account, channel: Channel, hook: Sink, as_admin: Client
) -> None:
    Channel.objects.update(is_on=False)
    as_admin.post(f"/notices/{channel.pk}/test/")
    make_stuck(calm)
    pass_minute()
    assert [message["title"] for message in hook.messages] == ["Trackside: a test"]
    assert "Waiting" not in as_admin.get("/notices/").content.decode()


def test_waiting_notices_are_not_sent_to_a_channel_that_was_switched_off(
    calm: Account, channel: Channel, hook: Sink
) -> None:
    hook.status = 500
    make_stuck(calm)
    pass_minute()
    hook.status = 200
    Channel.objects.update(is_on=False)
    send_due(timezone.now() + timedelta(hours=1))
    assert hook.messages == []


def test_a_missing_mail_server_is_reported_on_the_page_and_at_the_notice(
    client: Client, lead: User
) -> None:
    client.force_login(lead)
    client.post("/you/notices/", {"kinds": ["runner_stuck"], "zone": "UTC", "is_on": "on"})
    client.post("/you/notices/test/")
    send_due(timezone.now())
    page = client.get("/you/notices/").content.decode()
    assert "No mail is sent yet" in page
    assert "No mail server is set up" in page


def _password_that_smtp_cannot_encode(settings: Settings) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "trackside", "pässwörd"


def _malformed_sender(settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "Trackside, Inc <trackside@example.com>"


def _missing_backend(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "no.such.Backend"


@pytest.mark.parametrize(
    "misconfigure", [_password_that_smtp_cannot_encode, _malformed_sender, _missing_backend]
)
def test_misconfigured_mail_does_not_stop_other_channels(
    calm: Account,
    admin: User,
    mail: Sink,
    hook: Sink,
    settings: Settings,
    misconfigure: Callable[[Settings], None],
) -> None:
    misconfigure(settings)
    User.objects.filter(pk=admin.pk).update(email="ada@example.com")
    first = Channel.objects.create(owner=admin, name="ada", kinds=Event.Kind.values)
    save_channel(
        Channel(name="ops", kinds=Event.Kind.values), f"json://127.0.0.1:{hook.port}", by=admin
    )
    make_stuck(calm)
    pass_minute()
    assert len(hook.messages) == 1
    row = Notice.objects.get(channel=first)
    assert row.failure.startswith("It could not be")
    assert "pässwörd" not in row.failure
    assert row.due_at > timezone.now(), "it will be tried again"


# --- Hostile names and addresses


def test_a_line_break_in_a_name_adds_no_mail_header(calm: Account, lead: User, mail: Sink) -> None:
    User.objects.filter(pk=lead.pk).update(email="lin@example.com")
    Membership.objects.create(user=lead, account=calm)
    Channel.objects.create(owner=lead, kinds=Event.Kind.values)
    make_stuck(calm, "slow\r\nBcc: everybody@example.com\r\n\r\nx")
    pass_minute()
    head = mail.messages[0].partition("\r\n\r\n")[0]
    assert "slow Bcc: everybody@example.com x" in head.replace("\r\n", "")
    assert not [line for line in head.splitlines() if line.startswith("Bcc")]


def test_a_notice_about_a_shared_credential_names_only_visible_accounts(
    calm: Account, globex: Account, lead: User, mail: Sink
) -> None:
    User.objects.filter(pk=lead.pk).update(email="lin@example.com")
    Account.objects.filter(pk=globex.pk).update(credential=calm.credential)
    Membership.objects.create(user=lead, account=globex)
    Channel.objects.create(owner=lead, kinds=Event.Kind.values)
    _credential_refused(calm)
    pass_minute()
    assert "The credential of globex is disabled" in mail.messages[0]
    assert "acme" not in mail.messages[0]


def test_a_webhooks_redirect_is_not_followed(calm: Account, channel: Channel, hook: Sink) -> None:
    with webhook() as elsewhere:
        hook.status, hook.location = 307, f"http://127.0.0.1:{elsewhere.port}/"
        make_stuck(calm)
        pass_minute()
        assert elsewhere.messages == []
    assert "307" in Notice.objects.get().failure


@pytest.mark.parametrize(
    "address",
    [
        "json://169.254.169.254",
        "json://2852039166",
        "json://[::ffff:169.254.169.254]",
        "json://[fe80::1]",
        "json://user:x@169.254.169.254:80",
        "jsons://[fd00:ec2::254]",
        "json://[fd20:ce::254]",
        "json://100.100.100.200",
        "json://[64:ff9b::a9fe:a9fe]",
        "json://[64:ff9b::6464:64c8]",
        "json://168.63.129.16",
        "mailto://user:x@example.com?smtp=169.254.169.254&to=a@example.com",
        "workflows://169.254.169.254/WORKFLOW/SIGNATURE",
    ],
)
def test_no_notice_is_sent_to_a_metadata_service(
    calm: Account, channel: Channel, admin: User, address: str
) -> None:
    save_channel(channel, address, by=admin)
    make_stuck(calm)
    pass_minute()
    failure = "It leads to a link-local or metadata address, where Trackside sends nothing."
    assert Notice.objects.get().failure == failure


def test_a_channel_with_an_impossible_host_does_not_stop_others(
    calm: Account, admin: User, hook: Sink
) -> None:
    broken, fine = (
        Channel(name="broken", kinds=Event.Kind.values),
        Channel(name="fine", kinds=Event.Kind.values),
    )
    save_channel(broken, f"mailto://user:x@example.com?smtp={'a' * 70}.example", by=admin)
    save_channel(fine, f"json://127.0.0.1:{hook.port}", by=admin)
    make_stuck(calm)
    pass_minute()
    assert Notice.objects.get(channel=broken).failure == "Its name is not a host name."
    assert len(hook.messages) == 1


@pytest.mark.parametrize("address", ["json://[::1/x", "json://[abc]/x"])
def test_an_address_with_a_malformed_host_is_refused_with_the_reason(
    confirmed: Client, address: str
) -> None:
    fields = {"name": "ops", "address": address, "kinds": Event.Kind.values, "zone": "UTC"}
    answer = confirmed.post("/notices/new/", fields)
    assert answer.status_code == 422
    assert "neither a name nor an IP address" in answer.content.decode()
    assert not Channel.objects.exists()


# --- New administrators


def test_a_new_administrator_is_announced_for_a_day_to_administrators_alone(
    admin: User, lead: User
) -> None:
    now = timezone.now()
    assert find_facts(now) == [], "the first administrator is nobody's news"
    add_person("kim", email="", password="x" * 20, administrator=True, by=admin)
    set_administrator(lead, True, by=admin)
    call_command("createsuperuser", "--noinput", username="glass", email="g@example.com")
    facts = {fact.title: fact for fact in find_facts(timezone.now())}
    assert set(facts) == {
        "kim was made an administrator by ada",
        "lin was made an administrator by ada",
        "glass was made an administrator on the command line",
    }
    stranger = User.objects.create_user("stranger")
    assert seen_by(stranger, facts.values()) == set()
    assert seen_by(admin, facts.values()) == {fact.key for fact in facts.values()}
    assert find_facts(now + timedelta(days=1, minutes=1)) == []
