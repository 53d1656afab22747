"""Error pages say what happened, what state is left, and what to do next."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.test import Client
from django.urls import path
from pytest_django import Settings

from dashboard import urls
from runners_app.models import Account, Membership, Runner


def words_of(answer: HttpResponseBase) -> str:
    assert isinstance(answer, HttpResponse)
    body = answer.content.decode()
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", body[body.index("<body") :]).split()))


def test_a_page_the_user_may_not_see_does_not_reveal_that_it_exists(
    client: Client, lead: User, acme: Account
) -> None:
    client.force_login(lead)
    answer = client.get(f"/runners/{Runner.objects.all()[0].pk}/")
    assert answer.status_code == 404
    assert "There is nothing here that you may see" in words_of(answer)
    assert "acme" not in words_of(answer)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "Ask an administrator for the manager role"),
        ({"observe_only": True}, "observe only"),
        ({"paused": True}, "paused"),
    ],
)
def test_a_forbidden_change_says_why_and_whom_to_ask(
    client: Client, lead: User, acme: Account, change: dict[str, bool], reason: str
) -> None:
    Account.objects.filter(pk=acme.pk).update(**change)
    Membership.objects.create(user=lead, account=acme)
    client.force_login(lead)
    answer = client.get(f"/runners/{Runner.objects.all()[0].pk}/edit/")
    assert answer.status_code == 403
    assert reason in words_of(answer)


def test_a_form_out_of_date_says_that_nothing_was_changed(admin: User, acme: Account) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    answer = client.post(f"/runners/{Runner.objects.all()[0].pk}/delete/", {"typed": "x"})
    assert answer.status_code == 403
    assert "This form is out of date" in words_of(answer)
    assert "Nothing was changed. Go back, reload the page and send it again." in words_of(answer)


def test_a_bad_request_shows_the_reason_given_by_the_view(as_admin: Client) -> None:
    answer = as_admin.get("/static-ips/changes.txt")
    assert answer.status_code == 400
    assert "Add the start of the period" in words_of(answer)
    assert "Nothing was changed." in words_of(answer)


def test_an_unknown_host_is_told_about_allowed_hosts(client: Client) -> None:
    answer = client.get("/sign-in/", headers={"Host": "elsewhere.example"})
    assert answer.status_code == 400
    assert "ALLOWED_HOSTS" in words_of(answer)
    assert "elsewhere" not in words_of(answer)


@pytest.fixture
def broken_page(settings: Settings) -> Iterator[str]:
    """The URL of a page that raises an error."""

    def broken(request: HttpRequest) -> HttpResponse:
        raise RuntimeError("a secret of the server")

    urls.urlpatterns.insert(0, path("broken/", broken))
    settings.ROOT_URLCONF = "dashboard.urls"
    yield "/broken/"
    del urls.urlpatterns[0]


def test_a_server_error_says_what_happens_to_a_form_and_reveals_nothing(
    as_admin: Client, broken_page: str
) -> None:
    as_admin.raise_request_exception = False
    answer = as_admin.get(broken_page)
    assert answer.status_code == 500
    assert "check Operations before you send it again" in words_of(answer)
    assert "secret" not in answer.content.decode()


@pytest.mark.parametrize("path", ["/runners/", "/images/", "/groups/", "/static-ips/"])
def test_refresh_returns_to_the_list_with_its_filters(as_admin: Client, path: str) -> None:
    page = f"http://testserver{path}?q=org:acme"
    assert as_admin.post(f"{path}refresh/", headers={"Referer": page}).headers["Location"] == page
    elsewhere = as_admin.post(f"{path}refresh/", headers={"Referer": "https://elsewhere.example/"})
    assert elsewhere.headers["Location"] == path
