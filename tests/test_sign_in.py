"""Signing in and out."""

from datetime import timedelta

import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

PASSWORD = "a password for tests"


def sign_in(client: Client, username: str = "ada", password: str = PASSWORD, **more: str) -> int:
    return client.post("/sign-in/", {"username": username, "password": password, **more}).status_code


def test_the_page_asks_for_name_and_password(client: Client, db: None) -> None:
    answer = client.get("/sign-in/")
    assert answer.status_code == 200
    assert "Sign in to Trackside" in answer.content.decode()


def test_every_page_sends_strangers_to_sign_in_and_back(client: Client, admin: User) -> None:
    answer = client.get("/runners/?status=Ready")
    assert answer.headers["Location"] == "/sign-in/?next=/runners/%3Fstatus%3DReady"
    back = client.post(answer.headers["Location"], {"username": "ada", "password": PASSWORD})
    assert back.headers["Location"] == "/runners/?status=Ready"


def test_signing_in_leads_to_the_overview(client: Client, admin: User) -> None:
    answer = client.post("/sign-in/", {"username": "ada", "password": PASSWORD})
    assert answer.headers["Location"] == "/"
    assert client.get("/").status_code == 200


def test_it_never_leads_to_another_host(client: Client, admin: User) -> None:
    for elsewhere in ("https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"):
        answer = client.post(
            "/sign-in/", {"username": "ada", "password": PASSWORD, "next": elsewhere}, query_params={"next": elsewhere}
        )
        assert answer.headers["Location"] == "/"
        client.logout()


def test_a_wrong_password_stays_and_does_not_say_which_part_was_wrong(client: Client, admin: User) -> None:
    known = client.post("/sign-in/", {"username": "ada", "password": "wrong"}).content.decode()
    unknown = client.post("/sign-in/", {"username": "nobody", "password": "wrong"}).content.decode()
    assert "Please enter a correct username and password" in known
    assert "Please enter a correct username and password" in unknown


def test_somebody_disabled_cannot_sign_in_and_is_signed_out_at_once(client: Client, lead: User) -> None:
    client.force_login(lead)
    assert client.get("/").status_code == 200
    User.objects.filter(pk=lead.pk).update(is_active=False)
    assert client.get("/").headers["Location"].startswith("/sign-in/")
    assert sign_in(client, "lin") == 200


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


def test_guessing_is_stopped_after_ten_failures_from_one_address(client: Client, admin: User, lead: User) -> None:
    for _ in range(10):
        sign_in(client, password="a guess")
    throttled = client.post("/sign-in/", {"username": "ada", "password": PASSWORD})
    assert throttled.status_code == 200
    assert "Too many sign-ins failed" in throttled.content.decode()
    assert sign_in(client, "lin") == 302
    assert (
        Client(REMOTE_ADDR="192.0.2.7").post("/sign-in/", {"username": "ada", "password": PASSWORD}).status_code == 302
    )


def test_somebody_who_waited_may_try_again(client: Client, admin: User) -> None:
    with time_machine.travel(timezone.now() - timedelta(minutes=16), tick=True):
        for _ in range(10):
            sign_in(client, password="a guess")
    assert sign_in(client) == 302
