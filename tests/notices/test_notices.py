"""Word when something needs a person: once, to whom it concerns, with an end, and never in quiet
hours.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
from django.contrib.auth.models import User
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
from runners_app.notices.notices import send_due, watch_and_send
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
    Limits.objects.update(maximum=50, used=10)
    return acme


def pass_minute(at: datetime | None = None) -> None:
    watch_and_send(at or timezone.now())


def make_stuck(account: Account, name: str = "slow-one") -> Runner:
    runner = Runner.objects.filter(account=account).order_by("pk")[0]
    Runner.objects.filter(pk=runner.pk).update(status="Stuck", name=name)
    return runner


# --- What is told


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
        (_credential_refused, "The credential of acme is out of use"),
        (_reading_stale, "acme could not be read for an hour"),
        (make_stuck, "The runner slow-one of acme is Stuck"),
        (_provisioning, "has been Provisioning for 30 minutes"),
        (_operation_waits, "An operation in acme needs a decision: Create runner new-one"),
        (_ips_nearly_used, "acme: 40 of 50 static IPs are used"),
        (_ips_used, "acme: 50 of 50 static IPs are used"),
    ],
)
def test_each_thing_that_needs_a_person_is_told_once(
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


def test_its_end_is_told_too_and_only_once(calm: Account, channel: Channel, hook: Sink) -> None:
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


def test_a_token_is_told_of_three_times(calm: Account, channel: Channel, hook: Sink) -> None:
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


def test_nothing_is_over_because_it_got_worse(calm: Account, channel: Channel, hook: Sink) -> None:
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
def test_nothing_is_over_because_nobody_looks_any_more(
    calm: Account, channel: Channel, hook: Sink, cut: Callable[[Account], None]
) -> None:
    _reading_stale(calm)
    pass_minute()
    cut(calm)
    pass_minute()
    assert "could not be read" in hook.messages[0]["title"]
    assert not [message for message in hook.messages if "Over" in message["title"]]


def test_many_at_once_are_one_message(calm: Account, channel: Channel, hook: Sink) -> None:
    Runner.objects.update(status="Stuck")
    pass_minute()
    assert len(hook.messages) == 1
    assert "12 things" in hook.messages[0]["title"]
    assert hook.messages[0]["message"].count("is Stuck") == 12


def test_what_a_channel_did_not_ask_for_it_is_not_told(
    calm: Account, channel: Channel, hook: Sink
) -> None:
    Channel.objects.update(kinds=["static_ips"])
    make_stuck(calm)
    pass_minute()
    assert hook.messages == []


def test_a_demo_account_is_no_reason_to_wake_anybody(
    calm: Account, channel: Channel, hook: Sink
) -> None:
    Account.objects.update(demo=True)
    make_stuck(calm)
    _ips_used(calm)
    pass_minute()
    assert hook.messages == []


def test_a_link_leads_to_the_page_about_it(
    calm: Account, channel: Channel, hook: Sink, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://trackside.example"
    runner = make_stuck(calm)
    pass_minute()
    assert f"https://trackside.example/runners/{runner.pk}/" in hook.messages[0]["message"]


# --- To whom


def test_a_person_hears_by_mail_of_what_they_may_see(
    calm: Account, globex: Account, lead: User, mail: Sink
) -> None:
    Runner.objects.update(status="Ready")
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


def test_somebody_limited_to_groups_hears_of_those_alone(
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


def test_somebody_disabled_hears_nothing(calm: Account, admin: User, mail: Sink) -> None:
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
def test_who_lost_the_right_while_word_waited_does_not_get_it(
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
    assert row.failure.startswith("Not sent: this person")
    send_due(night + timedelta(hours=20))
    assert len(mail.messages) == heard


@pytest.mark.parametrize("lose", [_disabled, _taken_away])
def test_who_lost_the_right_does_not_hear_that_it_is_over(
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


# --- When


def test_quiet_hours_put_it_off_until_they_end(calm: Account, channel: Channel, hook: Sink) -> None:
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


def test_what_is_over_before_the_quiet_hours_end_is_never_told(
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


def test_quiet_hours_are_those_of_ones_own_zone() -> None:
    berlin = Channel(quiet_from=time(22), quiet_until=time(6), zone="Europe/Berlin")
    half_past_nine_utc = datetime(2026, 12, 1, 21, 30, tzinfo=UTC)
    assert berlin.next_loud_moment(half_past_nine_utc) == datetime(2026, 12, 2, 5, 0, tzinfo=UTC)
    assert (
        Channel(quiet_from=time(22), quiet_until=time(6)).next_loud_moment(half_past_nine_utc)
        == half_past_nine_utc
    )


# --- When it does not arrive


def fail_once(account: Account, hook: Sink) -> datetime:
    """Something is told and not taken; the minute it was."""
    hook.status = 500
    make_stuck(account)
    now = timezone.now()
    pass_minute(now)
    return now


def test_what_did_not_arrive_is_tried_again_and_seen(
    calm: Account, channel: Channel, hook: Sink, admin: User, client: Client
) -> None:
    now = fail_once(calm, hook)
    client.force_login(admin)
    page = client.get("/notices/").content.decode()
    assert "It answered 500" in page
    assert "Does not arrive" in page
    hook.status = 200
    send_due(now + timedelta(minutes=10))
    assert len(hook.messages) == 1
    assert "Does not arrive" not in client.get("/notices/").content.decode()


def poll(client: Client, version: str) -> tuple[str, str]:
    """What a page of that version is answered, and the version it has then."""
    page = client.get(
        f"/notices/?version={version}", headers={"HX-Request": "true"}
    ).content.decode()
    return page, page.partition('data-version="')[2].partition('"')[0] if page else version


def test_a_poll_brings_whatever_changed_and_nothing_else(
    calm: Account, channel: Channel, hook: Sink, admin: User, client: Client
) -> None:
    client.force_login(admin)
    version = client.get("/notices/").context["version"]
    assert poll(client, version) == ("", version)
    Channel.objects.update(kinds=[])
    page, version = poll(client, version)
    assert "0 kinds of notices" in page
    make_stuck(calm)
    pass_minute()
    page, version = poll(client, version)
    assert "The runner slow-one of acme is Stuck" in page
    Channel.objects.update(
        name="night shift", is_on=False, quiet_from=time(22), quiet_until=time(6)
    )
    page, version = poll(client, version)
    assert "night shift" in page
    assert "quiet from 22:00" in page
    assert poll(client, version) == ("", version)
    Event.objects.update(ended_at=timezone.now())
    assert "is Stuck" not in poll(client, version)[0]


def test_a_poll_tells_that_it_was_given_up(
    calm: Account, channel: Channel, hook: Sink, admin: User, client: Client
) -> None:
    now = fail_once(calm, hook)
    client.force_login(admin)
    version = client.get("/notices/").context["version"]
    for _ in range(4):
        now += timedelta(minutes=90)
        send_due(now)
    assert "Not delivered" in poll(client, version)[0]


def test_it_is_given_up_after_five_tries(calm: Account, channel: Channel, hook: Sink) -> None:
    hook.status = 503
    make_stuck(calm)
    pass_minute()
    for hours in range(1, 12):
        send_due(timezone.now() + timedelta(hours=hours))
    assert Notice.objects.get().tries == 5
    hook.status = 200
    send_due(timezone.now() + timedelta(hours=20))
    assert hook.messages == []


def test_two_workers_send_it_once(calm: Account, channel: Channel, hook: Sink) -> None:
    make_stuck(calm)
    hook.status = 500
    pass_minute()
    hook.status = 200
    Notice.objects.update(due_at=timezone.now())
    later = timezone.now()
    send_due(later)
    send_due(later)
    assert len(hook.messages) == 1


# --- The pages


def test_a_channel_is_added_tested_and_removed_by_an_administrator(
    client: Client, admin: User, hook: Sink
) -> None:
    client.force_login(admin)
    fields = {"name": "ops", "kinds": ["runner_stuck"], "zone": "UTC", "is_on": "on"}
    address = f"json://127.0.0.1:{hook.port}/a-secret-path"
    assert client.post("/notices/new/", {**fields, "address": address}).status_code == 302
    channel = Channel.objects.get()
    assert client.post(f"/notices/{channel.pk}/test/").status_code == 302
    assert "Waiting" in client.get("/notices/").content.decode()
    send_due(timezone.now())
    assert hook.messages[0]["title"] == "Trackside: a test"
    assert "Sent" in client.get("/notices/").content.decode()
    assert (
        client.post(
            f"/notices/{channel.pk}/", {**fields, "name": "others", "address": ""}
        ).status_code
        == 302
    )
    client.post(f"/notices/{channel.pk}/test/")
    send_due(timezone.now())
    assert len(hook.messages) == 2, "without a new address the old one stays"
    assert client.post(f"/notices/{channel.pk}/delete/").status_code == 302
    assert not Channel.objects.exists()
    actions = list(
        AuditEntry.objects.filter(action__startswith="channel")
        .order_by("pk")
        .values_list("action", flat=True)
    )
    assert actions == ["channel.added", "channel.changed", "channel.deleted"]


def test_the_address_is_stored_sealed_and_shown_nowhere(
    client: Client, admin: User, channel: Channel
) -> None:
    client.force_login(admin)
    assert "a-secret-path" not in channel.sealed_address
    for path in ("/notices/", f"/notices/{channel.pk}/", "/audit/"):
        assert "a-secret-path" not in client.get(path).content.decode()


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "syslog://", "https://example.com/x", "slack://x", "no"]
)
def test_an_address_of_another_kind_or_half_of_one_is_refused(
    client: Client, admin: User, address: str
) -> None:
    client.force_login(admin)
    answer = client.post(
        "/notices/new/", {"name": "x", "kinds": ["static_ips"], "zone": "UTC", "address": address}
    )
    assert answer.status_code == 422
    assert not Channel.objects.exists()


def test_everybody_chooses_word_to_their_own_mailbox_alone(
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


def test_a_test_arrives_also_while_the_channel_is_off_and_nothing_else_does(
    calm: Account, channel: Channel, hook: Sink, admin: User, client: Client
) -> None:
    Channel.objects.update(is_on=False)
    client.force_login(admin)
    client.post(f"/notices/{channel.pk}/test/")
    make_stuck(calm)
    pass_minute()
    assert [message["title"] for message in hook.messages] == ["Trackside: a test"]
    assert "Waiting" not in client.get("/notices/").content.decode()


def test_what_waits_is_not_sent_once_its_channel_is_switched_off(
    calm: Account, channel: Channel, hook: Sink
) -> None:
    hook.status = 500
    make_stuck(calm)
    pass_minute()
    hook.status = 200
    Channel.objects.update(is_on=False)
    send_due(timezone.now() + timedelta(hours=1))
    assert hook.messages == []


def test_without_a_mail_server_the_page_and_the_failure_say_so(client: Client, lead: User) -> None:
    client.force_login(lead)
    client.post("/you/notices/", {"kinds": ["runner_stuck"], "zone": "UTC", "is_on": "on"})
    client.post("/you/notices/test/")
    send_due(timezone.now())
    page = client.get("/you/notices/").content.decode()
    assert "No mail is sent yet" in page
    assert "No mail server is set up" in page


def _password_smtp_cannot_carry(settings: Settings) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "trackside", "pässwörd"


def _sender_that_is_none(settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "Trackside, Inc <trackside@example.com>"


def _backend_that_is_missing(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "no.such.Backend"


@pytest.mark.parametrize(
    "misconfigure", [_password_smtp_cannot_carry, _sender_that_is_none, _backend_that_is_missing]
)
def test_mail_set_up_wrongly_keeps_no_other_channel_from_its_word(
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
    assert row.due_at > timezone.now(), "it is tried again"


# --- What names from elsewhere and addresses from administrators cannot do


def test_a_name_with_a_line_break_is_no_header_of_a_mail(
    calm: Account, lead: User, mail: Sink
) -> None:
    User.objects.filter(pk=lead.pk).update(email="lin@example.com")
    Membership.objects.create(user=lead, account=calm)
    Channel.objects.create(owner=lead, kinds=Event.Kind.values)
    make_stuck(calm, "slow\r\nBcc: everybody@example.com\r\n\r\nx")
    pass_minute()
    head = mail.messages[0].partition("\r\n\r\n")[0]
    assert "slow Bcc: everybody@example.com x" in head.replace("\r\n", "")
    assert not [line for line in head.splitlines() if line.startswith("Bcc")]


def test_word_of_a_shared_credential_names_only_what_one_may_see(
    calm: Account, globex: Account, lead: User, mail: Sink
) -> None:
    User.objects.filter(pk=lead.pk).update(email="lin@example.com")
    Account.objects.filter(pk=globex.pk).update(credential=calm.credential)
    Membership.objects.create(user=lead, account=globex)
    Channel.objects.create(owner=lead, kinds=Event.Kind.values)
    _credential_refused(calm)
    pass_minute()
    assert "The credential of globex is out of use" in mail.messages[0]
    assert "acme" not in mail.messages[0]


def test_a_webhook_leads_nowhere_else(calm: Account, channel: Channel, hook: Sink) -> None:
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
def test_no_word_goes_to_where_clouds_keep_the_secrets_of_machines(
    calm: Account, channel: Channel, admin: User, address: str
) -> None:
    save_channel(channel, address, by=admin)
    make_stuck(calm)
    pass_minute()
    said = "It leads to a link-local or metadata address, where Trackside sends nothing."
    assert Notice.objects.get().failure == said


def test_a_channel_whose_host_is_none_keeps_no_other_from_its_word(
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
    assert "no name that can be looked up" in Notice.objects.get(channel=broken).failure
    assert len(hook.messages) == 1


@pytest.mark.parametrize("address", ["json://[::1/x", "json://[abc]/x"])
def test_an_address_whose_host_cannot_be_read_is_refused_with_words(
    client: Client, admin: User, address: str
) -> None:
    client.force_login(admin)
    fields = {"name": "ops", "address": address, "kinds": Event.Kind.values, "zone": "UTC"}
    answer = client.post("/notices/new/", fields)
    assert answer.status_code == 422
    assert "neither a name nor an IP address" in answer.content.decode()
    assert not Channel.objects.exists()
