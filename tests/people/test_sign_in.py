"""Signing in and out."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.models import AuditEntry, FailedSignIn, Session, SignInCount
from runners_app.people.guesses import network_of
from runners_app.people.people import setup_code
from runners_app.web.addresses import NO_ADDRESS

PASSWORD = "a password for tests"


def sign_in(client: Client, username: str = "ada", password: str = PASSWORD, **more: str) -> int:
    return client.post(
        "/sign-in/", {"username": username, "password": password, **more}
    ).status_code


def test_the_page_asks_for_name_and_password(client: Client, db: None) -> None:
    answer = client.get("/sign-in/")
    assert answer.status_code == 200
    assert "Sign in to Trackside" in answer.content.decode()


def test_every_page_redirects_to_sign_in_and_back(client: Client, admin: User) -> None:
    answer = client.get("/runners/?status=Ready")
    assert answer.headers["Location"] == "/sign-in/?next=/runners/%3Fstatus%3DReady"
    back = client.post(answer.headers["Location"], {"username": "ada", "password": PASSWORD})
    assert back.headers["Location"] == "/runners/?status=Ready"


def test_signing_in_leads_to_the_overview(client: Client, admin: User) -> None:
    answer = client.post("/sign-in/", {"username": "ada", "password": PASSWORD})
    assert answer.headers["Location"] == "/"
    assert client.get("/").status_code == 200


def test_signing_in_never_redirects_to_another_host(client: Client, admin: User) -> None:
    for elsewhere in ("https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"):
        answer = client.post(
            "/sign-in/",
            {"username": "ada", "password": PASSWORD, "next": elsewhere},
            query_params={"next": elsewhere},
        )
        assert answer.headers["Location"] == "/"
        client.logout()


def test_a_wrong_password_stays_and_does_not_say_which_part_was_wrong(
    client: Client, admin: User
) -> None:
    known = client.post("/sign-in/", {"username": "ada", "password": "wrong"}).content.decode()
    unknown = client.post("/sign-in/", {"username": "nobody", "password": "wrong"}).content.decode()
    assert "Please enter a correct username and password" in known
    assert "Please enter a correct username and password" in unknown


def test_a_disabled_user_cannot_sign_in_and_is_signed_out_at_once(
    client: Client, lead: User
) -> None:
    client.force_login(lead)
    assert client.get("/").status_code == 200
    User.objects.filter(pk=lead.pk).update(is_active=False)
    assert client.get("/").headers["Location"].startswith("/sign-in/")
    told = client.post(
        "/sign-in/", {"username": "lin", "password": PASSWORD}, follow=True
    ).content.decode()
    assert "This account is inactive" in told
    assert client.get("/").status_code == 302


def test_signing_out_ends_the_session_even_for_a_copied_cookie(client: Client, lead: User) -> None:
    client.force_login(lead)
    stolen = Client()
    stolen.cookies["sessionid"] = client.cookies["sessionid"].value
    assert stolen.get("/").status_code == 200
    assert client.post("/sign-out/").headers["Location"] == "/sign-in/"
    assert stolen.get("/").status_code == 302


def test_signing_out_by_get_is_refused(client: Client, lead: User) -> None:
    client.force_login(lead)
    assert client.get("/sign-out/").status_code == 405
    assert client.get("/").status_code == 200


def test_guessing_is_stopped_after_ten_failures_from_one_address(
    client: Client, admin: User, lead: User
) -> None:
    for _ in range(10):
        sign_in(client, password="a guess")
    throttled = client.post("/sign-in/", {"username": "ada", "password": PASSWORD})
    assert throttled.status_code == 429
    assert "Too many sign-ins failed" in throttled.content.decode()
    assert sign_in(client, "lin") == 302
    assert (
        Client(REMOTE_ADDR="192.0.2.7")
        .post("/sign-in/", {"username": "ada", "password": PASSWORD})
        .status_code
        == 302
    )


@pytest.mark.parametrize(
    ("forwarded", "caller", "address"),
    [
        ("192.0.2.7, 203.0.113.5:51234", "127.0.0.1", "203.0.113.5"),
        ("[2001:db8::5]:51234", "127.0.0.1", "2001:db8::5"),
        ("[2001:db8::5]", "127.0.0.1", "2001:db8::5"),
        ("2001:db8::5", "127.0.0.1", "2001:db8::5"),
        ("fe80::5%eth0", "127.0.0.1", "fe80::5"),
        ("unknown", "127.0.0.1", "127.0.0.1"),
        ("[]", "127.0.0.1", "127.0.0.1"),
        ("203.0.113.5:http", "", NO_ADDRESS),
        ("", "", NO_ADDRESS),
    ],
)
def test_guesses_are_counted_by_address_however_a_proxy_writes_it(
    settings: Settings, admin: User, forwarded: str, caller: str, address: str
) -> None:
    settings.PROXY_COUNT = 1
    sign_in(Client(REMOTE_ADDR=caller, headers={"X-Forwarded-For": forwarded}), password="a guess")
    assert FailedSignIn.objects.get().network == network_of(address)
    assert AuditEntry.objects.get(action="sign_in.failed").details["address"] == address


def test_after_a_quarter_of_an_hour_sign_in_works_again(client: Client, admin: User) -> None:
    with time_machine.travel(timezone.now() - timedelta(minutes=16), tick=True):
        for _ in range(10):
            sign_in(client, password="a guess")
    assert sign_in(client) == 302


@pytest.fixture
def slow_time() -> Iterator[Any]:
    """The time of this test, which stands still until it is moved."""
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


def test_the_limit_answers_429_with_the_time_to_wait_and_hashes_nothing(
    client: Client, admin: User, slow_time: Any
) -> None:
    for _ in range(10):
        assert sign_in(client, password="a guess") == 200
    hashed = AuditEntry.objects.filter(action="sign_in.failed").count()
    refused = client.post("/sign-in/", {"username": "ada", "password": "a guess"})
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "900"
    assert AuditEntry.objects.filter(action="sign_in.failed").count() == hashed == 10
    slow_time.shift(901)
    assert sign_in(client) == 302


def test_neighbours_in_one_ipv6_network_share_a_limit(client: Client, admin: User) -> None:
    for number in range(10):
        sign_in(Client(REMOTE_ADDR=f"2001:db8:1:2::{number:x}"), password="a guess")
    assert sign_in(Client(REMOTE_ADDR="2001:db8:1:2:ffff::1")) == 429
    assert sign_in(Client(REMOTE_ADDR="2001:db8:1:3::1")) == 302


def test_an_office_behind_one_address_gets_a_wider_limit(client: Client, admin: User) -> None:
    for number in range(100):
        sign_in(client, f"colleague-{number}", "a guess")
    assert sign_in(client) == 429
    assert sign_in(Client(REMOTE_ADDR="192.0.2.7")) == 302


def test_a_name_is_guessed_at_most_a_hundred_times_a_day_from_any_number_of_addresses(
    client: Client, admin: User, slow_time: Any
) -> None:
    for number in range(100):
        assert sign_in(Client(REMOTE_ADDR=f"10.0.0.{number}"), password="a guess") == 200
    assert sign_in(Client(REMOTE_ADDR="10.0.1.1")) == 429
    slow_time.shift(timedelta(hours=23))
    assert sign_in(Client(REMOTE_ADDR="10.0.1.1")) == 429
    slow_time.shift(timedelta(hours=1, seconds=1))
    assert sign_in(Client(REMOTE_ADDR="10.0.1.1")) == 302


def test_a_stranger_cannot_lock_out_a_browser_that_signed_in_before(
    client: Client, admin: User
) -> None:
    sign_in(client)
    client.post("/sign-out/")
    for number in range(100):
        sign_in(Client(REMOTE_ADDR=f"10.0.0.{number}"), password="a guess")
    assert sign_in(Client()) == 429
    assert sign_in(client) == 302
    client.post("/sign-out/")
    for _ in range(10):
        sign_in(client, password="a guess")
    assert sign_in(client) == 429, "the known browser has a limit, too"


def test_a_user_is_told_how_many_sign_ins_failed(client: Client, admin: User) -> None:
    sign_in(client)
    client.post("/sign-out/")
    for _ in range(4):
        sign_in(Client(), password="a guess")
    page = client.post("/sign-in/", {"username": "ada", "password": PASSWORD}, follow=True)
    assert "4 sign-ins with your name failed since" in page.content.decode()


def test_confirming_and_changing_a_password_count_guesses_too(client: Client, admin: User) -> None:
    sign_in(client)
    for _ in range(5):
        client.post("/you/confirm/", {"password": "a guess"})
        fields = {"oldpassword": "a guess", "password1": "x" * 12, "password2": "x" * 12}
        client.post("/you/password/", fields)
    assert client.post("/you/confirm/", {"password": PASSWORD}).status_code == 429
    assert client.post("/you/password/", {"oldpassword": PASSWORD}).status_code == 429


@pytest.mark.django_db(transaction=True)
def test_only_two_passwords_are_hashed_at_once_and_the_others_answered_at_once(
    settings: Settings, admin: User
) -> None:
    settings.PASSWORD_HASHERS = ["tests.people.hashers.SlowHasher"]
    User.objects.get().set_password(PASSWORD)
    admin.set_password(PASSWORD)
    admin.save()
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda number: sign_in(Client(REMOTE_ADDR=f"10.0.0.{number}"), password="a guess"),
                range(8),
            )
        )
    assert sorted(set(answers)) == [200, 429]
    assert answers.count(200) <= 4, "hashing was not limited"


def test_own_sessions_are_listed_and_ended_one_by_one(client: Client, lead: User) -> None:
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    elsewhere = Client(REMOTE_ADDR="192.0.2.7", headers={"User-Agent": firefox})
    assert sign_in(elsewhere, "lin") == sign_in(client, "lin") == 302
    page = client.get("/you/").content.decode()
    assert "Firefox on Linux" in page
    assert "192.0.2.7" in page
    other = Session.objects.get(address="192.0.2.7")
    client.post(f"/you/sessions/{other.pk}/end/")
    assert elsewhere.get("/").status_code == 302
    assert client.get("/").status_code == 200
    assert entries("sessions.ended") == [("sessions.ended", "lin", "lin")]


def test_sessions_of_others_cannot_be_ended(client: Client, lead: User, admin: User) -> None:
    theirs = Client()
    sign_in(theirs)
    sign_in(client, "lin")
    client.post("/you/confirm/", {"password": PASSWORD})
    other = Session.objects.get(user=admin)
    assert client.post(f"/you/sessions/{other.pk}/end/").status_code == 404
    assert theirs.get("/").status_code == 200


# --- Guesses leave no password behind


def test_a_password_typed_as_username_is_not_stored(client: Client, admin: User) -> None:
    sign_in(client, "my secret pass phrase", "ada")
    rows = [*FailedSignIn.objects.values(), *AuditEntry.objects.values()]
    assert FailedSignIn.objects.exists()
    assert "secret pass" not in str(rows)


# --- How long a session lasts


def hours(number: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(hours=number), tick=True)


def test_an_unused_session_ends_after_two_hours(client: Client, admin: User) -> None:
    client.force_login(admin)
    with hours(1.9):
        assert client.get("/").status_code == 200
    with hours(3.8):
        assert client.get("/").status_code == 200
    with hours(5.9):
        assert client.get("/").headers["Location"].startswith("/sign-in/")


def test_polls_do_not_keep_a_session_alive(client: Client, admin: User) -> None:
    client.force_login(admin)
    for number in (0.5, 1.0, 1.5):
        with hours(number):
            assert (
                client.get("/runners/?version=x", headers={"HX-Request": "true"}).status_code == 200
            )
    with hours(2.1):
        assert client.get("/runners/?version=x", headers={"HX-Request": "true"}).status_code == 302


def test_a_session_ends_after_twelve_hours_however_busy(client: Client, admin: User) -> None:
    client.force_login(admin)
    for number in range(1, 12):
        with hours(number):
            assert client.get("/").status_code == 200, number
    with hours(12.1):
        assert client.get("/").status_code == 302


def test_enabling_a_user_revives_no_old_session(client: Client, admin: User, lead: User) -> None:
    session = Client()
    session.force_login(lead)
    client.force_login(admin)
    client.post("/you/confirm/", {"password": PASSWORD})
    client.post(f"/people/{lead.pk}/active/", {"on": "no"})
    client.post(f"/people/{lead.pk}/active/", {"on": "yes"})
    assert session.get("/").status_code == 302
    assert client.get("/").status_code == 200
    assert Session.objects.count() == 1


def test_a_new_password_keeps_this_session_and_ends_the_others(client: Client, lead: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(lead)
    assert sign_in(client, "lin") == 302
    fields = {
        "oldpassword": PASSWORD,
        "password1": "another long one 7",
        "password2": "another long one 7",
    }
    assert client.post("/you/password/", fields).status_code == 302
    assert client.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302


# --- The first administrator


def test_the_first_administrator_is_made_once_with_the_code(client: Client, db: None) -> None:
    assert "/setup/" in client.get("/sign-in/").content.decode()
    assert (
        "Printed by make run, and by: python manage.py setup_code"
        in client.get("/setup/").content.decode()
    )
    fields = {
        "username": "kim",
        "password1": "quite a long one 7",
        "password2": "quite a long one 7",
    }
    wrong = client.post("/setup/", {**fields, "code": "guessed"})
    assert wrong.status_code == 422
    assert "not the setup code" in wrong.content.decode()
    assert not User.objects.exists()
    ended = client.post("/setup/", {**fields, "code": setup_code()}, follow=True)
    assert ended.redirect_chain == [("/", 302)]
    assert ended.context["user"].get_username() == "kim"
    assert User.objects.get().is_superuser
    assert AuditEntry.objects.filter(action="sign_in", actor_name="kim").count() == 1
    assert sign_in(Client(), "kim", "quite a long one 7") == 302
    assert client.get("/setup/").status_code == 404
    assert (
        client.post("/setup/", {**fields, "username": "max", "code": setup_code()}).status_code
        == 404
    )
    assert "/setup/" not in Client().get("/sign-in/").content.decode()


# --- The second factor


def code_now(secret: str, ahead: int = 0) -> str:
    counter = next(iter(yield_hotp_counters_from_time())) + ahead
    return str(format_hotp_value(hotp_value(secret, counter)))


def forget_used_codes() -> None:
    """A code is good once, and a test has only one within its half minute."""
    SignInCount.objects.all().delete()


def set_up_totp(client: Client, username: str = "ada") -> str:
    """Through the pages; the key."""
    assert sign_in(client, username) == 302
    page = client.post(
        "/you/confirm/?next=/you/two-factor/totp/activate/", {"password": PASSWORD}, follow=True
    )
    secret = str(page.context["form"].secret)
    assert (
        client.post("/you/two-factor/totp/activate/", {"code": code_now(secret)}).status_code == 302
    )
    return secret


def test_with_an_authenticator_app_the_password_alone_is_not_enough(
    client: Client, admin: User
) -> None:
    secret = set_up_totp(client)
    client.post("/sign-out/")
    forget_used_codes()
    answer = client.post("/sign-in/", {"username": "ada", "password": PASSWORD})
    assert answer.headers["Location"] == "/you/two-factor/authenticate/"
    assert client.get("/").status_code == 302
    assert client.post("/you/two-factor/authenticate/", {"code": "000000"}).status_code == 200
    assert client.get("/").status_code == 302
    assert (
        client.post("/you/two-factor/authenticate/", {"code": code_now(secret)}).headers["Location"]
        == "/"
    )
    assert client.get("/").status_code == 200


def test_codes_cannot_be_guessed_for_long(client: Client, admin: User) -> None:
    secret = set_up_totp(client)
    client.post("/sign-out/")
    forget_used_codes()
    sign_in(client)
    for _ in range(10):
        client.post("/you/two-factor/authenticate/", {"code": "000000"})
    client.post("/you/two-factor/authenticate/", {"code": code_now(secret)})
    assert client.get("/").status_code == 302


@pytest.fixture
def without_redis(settings: Settings) -> Callable[[], None]:
    """From when it is called, Redis does not answer."""

    def stop() -> None:
        settings.CACHES = {
            **settings.CACHES,
            "default": {"BACKEND": "dashboard.cache.Cache", "LOCATION": "redis://127.0.0.1:1/0"},
        }

    return stop


def test_second_factors_work_and_are_counted_while_redis_is_down(
    client: Client, admin: User, without_redis: Callable[[], None]
) -> None:
    secret = set_up_totp(client)
    client.post("/sign-out/")
    forget_used_codes()
    without_redis()
    assert sign_in(client) == 302
    code = code_now(secret)
    assert client.post("/you/two-factor/authenticate/", {"code": code}).status_code == 302
    assert client.get("/").status_code == 200

    client.post("/sign-out/")
    sign_in(client)
    client.post("/you/two-factor/authenticate/", {"code": code})
    assert client.get("/").status_code == 302, "a used code signed in again"


def test_loading_pages_evicts_neither_used_codes_nor_counts_of_wrong_ones(
    client: Client, admin: User
) -> None:
    secret = set_up_totp(client)
    client.post("/sign-out/")
    forget_used_codes()
    sign_in(client)
    code = code_now(secret)
    for _ in range(3):
        client.post("/you/two-factor/authenticate/", {"code": "000000"})
    client.post("/you/two-factor/authenticate/", {"code": code})
    assert client.get("/").status_code == 200
    client.post("/sign-out/")
    sign_in(client)
    for _ in range(9):
        client.post("/you/two-factor/authenticate/", {"code": "000000"})
    cache.clear()
    for number in range(1000):  # the most that the cache of one process keeps is 300
        cache.set(f"page-{number}", "x")
    client.post("/you/two-factor/authenticate/", {"code": code})
    assert client.get("/").status_code == 302, "a used code signed in again"
    client.post("/you/two-factor/authenticate/", {"code": code_now(secret, 1)})
    assert client.get("/").status_code == 302, "an eleventh code was tried"


def test_a_second_factor_copied_to_another_user_signs_in_nobody(
    client: Client, admin: User, lead: User
) -> None:
    secret = set_up_totp(client, "lin")
    client.post("/sign-out/")
    forget_used_codes()
    Authenticator.objects.filter(type="recovery_codes").delete()
    Authenticator.objects.create(user=admin, type="totp", data={})
    copied = Authenticator.objects.get(user=lead).data
    Authenticator.objects.filter(user=admin).update(data=copied)
    assert sign_in(client) == 302
    answer = client.post("/you/two-factor/authenticate/", {"code": code_now(secret)})
    assert answer.status_code == 403
    assert client.get("/").status_code == 302


def test_a_second_factor_that_changed_in_the_database_is_refused(
    client: Client, admin: User, lead: User
) -> None:
    set_up_totp(client)
    theirs = set_up_totp(Client(), "lin")
    client.post("/sign-out/")
    forget_used_codes()
    row = Authenticator.objects.get(user=admin, type="totp")
    other = Authenticator.objects.get(user=lead, type="totp").data["secret"]
    Authenticator.objects.filter(pk=row.pk).update(data={**row.data, "secret": other})
    sign_in(client)
    answer = client.post("/you/two-factor/authenticate/", {"code": code_now(theirs)})
    assert answer.status_code == 403
    assert client.get("/").status_code == 302


def test_a_reader_of_the_database_finds_no_session_and_no_secret_being_set_up(
    client: Client, admin: User
) -> None:
    sign_in(client)
    page = client.post(
        "/you/confirm/?next=/you/two-factor/totp/activate/", {"password": PASSWORD}, follow=True
    )
    row = Session.objects.get()
    rows = json.dumps(list(Session.objects.values()), default=str)
    assert client.cookies["sessionid"].value not in rows
    assert page.context["form"].secret not in rows
    reader = Client()
    reader.cookies["sessionid"] = row.session_key
    assert reader.get("/").status_code == 302


def test_without_a_second_factor_people_sign_in_and_prove_it_while_redis_is_down(
    client: Client, lead: User, without_redis: Callable[[], None]
) -> None:
    without_redis()
    assert sign_in(client, "lin") == 302
    assert client.get("/").status_code == 200
    assert (
        client.post("/you/confirm/?next=/you/", {"password": PASSWORD}).headers["Location"]
        == "/you/"
    )


def test_the_totp_key_and_the_recovery_codes_are_sealed(client: Client, admin: User) -> None:
    secret = set_up_totp(client)
    codes = client.get("/you/two-factor/recovery-codes/").context["unused_codes"]
    stored = json.dumps([row.data for row in Authenticator.objects.all()])
    assert len(codes) == 10
    for text in (secret, *codes):
        assert text not in stored


def test_administrators_without_a_required_second_factor_are_sent_to_its_setup(
    client: Client, admin: User, lead: User, settings: Settings
) -> None:
    settings.REQUIRE_MFA_FOR_ADMINS = True
    client.force_login(admin)
    assert client.get("/runners/").headers["Location"] == "/you/two-factor/"
    assert client.post("/people/new/", {}).headers["Location"] == "/you/two-factor/"
    assert client.get("/you/two-factor/").status_code == 200
    set_up_totp(client)
    assert client.get("/runners/").status_code == 200
    as_lead = Client()
    as_lead.force_login(lead)
    assert as_lead.get("/runners/").status_code == 200


# --- What changes how one signs in


def entries(*actions: str) -> list[tuple[str, str, str]]:
    rows = AuditEntry.objects.filter(action__in=actions).order_by("pk")
    return list(rows.values_list("action", "actor_name", "subject"))


@pytest.mark.django_db(transaction=True)  # allauth tells of it on commit
def test_adding_or_removing_a_second_factor_is_audited_and_ends_other_sessions(
    client: Client, admin: User
) -> None:
    elsewhere = Client()
    elsewhere.force_login(admin)
    set_up_totp(client)
    assert elsewhere.get("/").status_code == 302
    assert client.get("/").status_code == 200
    elsewhere.force_login(admin)
    assert client.post("/you/two-factor/totp/deactivate/").status_code == 302
    assert elsewhere.get("/").status_code == 302
    assert client.get("/").status_code == 200
    added, removed = ("second_factor.added", "ada", "ada"), ("second_factor.removed", "ada", "ada")
    assert entries(added[0], removed[0]) == [
        added,
        added,
        removed,
        removed,
    ]  # with the recovery codes
    assert (
        "Kind: TOTP Authenticator" in client.get("/audit/", {"action": added[0]}).content.decode()
    )


def test_a_wrong_code_is_a_failed_sign_in(client: Client, admin: User) -> None:
    set_up_totp(client)
    client.post("/sign-out/")
    sign_in(client)
    client.post("/you/two-factor/authenticate/", {"code": "000000"})
    entry = AuditEntry.objects.get(action="sign_in.failed")
    assert (entry.subject, entry.details["second_factor"], entry.details["address"]) == (
        "ada",
        True,
        "127.0.0.1",
    )


def test_changing_your_own_password_is_audited(client: Client, lead: User) -> None:
    assert sign_in(client, "lin") == 302
    fields = {
        "oldpassword": PASSWORD,
        "password1": "another long one 7",
        "password2": "another long one 7",
    }
    client.post("/you/password/", fields)
    assert entries("person.password_changed") == [("person.password_changed", "lin", "lin")]


def test_signing_in_and_reauthenticating_each_rotate_the_session_key(
    client: Client, lead: User
) -> None:
    client.get("/sign-in/")
    assert sign_in(client, "lin") == 302
    copied = Client()
    copied.cookies["sessionid"] = client.cookies["sessionid"].value
    assert copied.get("/").status_code == 200
    client.post("/you/confirm/", {"password": PASSWORD})
    assert client.get("/").status_code == 200
    assert copied.get("/").status_code == 302


def test_a_user_ends_only_their_own_other_sessions_after_reauthentication(
    client: Client, lead: User, admin: User
) -> None:
    elsewhere, other = Client(), Client()
    elsewhere.force_login(lead)
    other.force_login(admin)
    client.force_login(lead)  # without the password, as long after signing in
    assert "End all other sessions" in client.get("/you/").content.decode()
    asked = client.post("/you/sessions/end/")
    assert asked.headers["Location"].startswith("/you/confirm/")
    assert elsewhere.get("/").status_code == 200
    done = client.post(asked.headers["Location"], {"password": PASSWORD}, follow=True)
    assert "1 session was ended" in done.content.decode()
    assert elsewhere.get("/").status_code == 302
    assert client.get("/").status_code == 200
    assert other.get("/").status_code == 200
    assert entries("sessions.ended") == [("sessions.ended", "lin", "lin")]


# --- A second factor that is lost


def test_an_administrator_removes_a_lost_second_factor_after_reauthentication(
    client: Client, admin: User, lead: User
) -> None:
    theirs = Client()
    set_up_totp(theirs, "lin")
    client.force_login(admin)  # without the password, as long after signing in
    page = f"/people/{lead.pk}/"
    assert "For a person who lost their phone" in client.get(page).content.decode()
    asked = client.post(f"{page}second-factor/")
    assert asked.headers["Location"].startswith("/you/confirm/")
    assert Authenticator.objects.filter(user=lead).exists()
    client.post(asked.headers["Location"], {"password": PASSWORD})
    assert not Authenticator.objects.filter(user=lead).exists()
    assert theirs.get("/").status_code == 302
    assert entries("second_factor.taken") == [("second_factor.taken", "ada", "lin")]
    assert "For a person who lost their phone" not in client.get(page).content.decode()
    assert sign_in(theirs, "lin") == 302
    assert theirs.get("/").status_code == 200


def test_an_administrator_cannot_remove_their_own_second_factor_that_way(
    client: Client, admin: User
) -> None:
    set_up_totp(client)
    assert (
        "For a person who lost their phone"
        not in client.get(f"/people/{admin.pk}/").content.decode()
    )
    told = client.post(f"/people/{admin.pk}/second-factor/", follow=True).content.decode()
    assert "Your own second factor is on your own page" in told
    assert Authenticator.objects.filter(user=admin).exists()


def test_the_command_removes_the_second_factor_of_the_last_administrator(
    client: Client, admin: User
) -> None:
    set_up_totp(client)
    call_command("remove_second_factor", "ada")
    assert client.get("/").status_code == 302
    assert entries("second_factor.taken") == [("second_factor.taken", "Trackside", "ada")]
    for name, words in (
        ("ada", "has no second factor"),
        ("nobody", "There is no user nobody"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("remove_second_factor", name)
