"""People: adding them, making them administrators, disabling them, giving and taking accounts."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.api.tokens import create_token
from runners_app.models import (
    Account,
    AuditEntry,
    Credential,
    Membership,
    Operation,
    RunnerGroup,
    SavedView,
    Session,
)
from runners_app.people.people import CannotChange, set_administrator
from runners_app.people.sessions import SessionStore

PASSWORD = "quite a long one 7"


@pytest.fixture
def as_admin(confirmed: Client) -> Client:
    return confirmed


@pytest.fixture
def account(db: None) -> Account:
    credential = Credential.objects.create(
        api_url="https://api.github.com", kind="classic", fingerprint="one"
    )
    return Account.objects.create(
        kind="organization", slug="acme", api_url="https://api.github.com", credential=credential
    )


def test_the_list_shows_every_user_with_role_and_accounts(
    as_admin: Client, lead: User, account: Account
) -> None:
    Membership.objects.create(user=lead, account=account)
    User.objects.create_user("max", is_active=False)
    page = as_admin.get("/people/").content.decode()
    for words in ("ada", "Administrator", "lin", "Member", "1 account", "max", "Disabled"):
        assert words in page


def test_a_user_who_is_not_an_administrator_is_shown_as_a_member(
    as_admin: Client, lead: User, account: Account
) -> None:
    Membership.objects.create(user=lead, account=account, role="manager")
    page = as_admin.get(f"/people/{lead.pk}/").content.decode()
    assert "Member" in page
    assert "a manager also changes runners, images and runner groups" in page
    as_admin.force_login(lead)
    assert '<p class="menu-heading">Member</p>' in as_admin.get("/you/").content.decode()


def test_a_new_user_can_sign_in(as_admin: Client) -> None:
    fields = {"username": "kim", "email": "", "password1": PASSWORD, "password2": PASSWORD}
    answer = as_admin.post("/people/new/", fields)
    kim = User.objects.get(username="kim")
    assert answer.headers["Location"] == f"/people/{kim.pk}/"
    assert not kim.is_superuser
    assert Client().post("/sign-in/", {"username": "kim", "password": PASSWORD}).status_code == 302
    entry = AuditEntry.objects.get(action="person.added")
    assert (entry.actor_name, entry.subject) == ("ada", "kim")
    assert PASSWORD not in str(entry.details)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password1": "short", "password2": "short"}, "too short"),
        ({"password1": "87654321098", "password2": "87654321098"}, "entirely numeric"),
        ({"password2": "another long one 7"}, "match"),
        ({"username": "ADA"}, "already exists"),
        ({"username": "a b"}, "Enter a valid username"),
        ({"email": "no address"}, "valid email"),
    ],
)
def test_invalid_users_show_an_error_at_the_field(
    as_admin: Client, fields: dict[str, str], words: str
) -> None:
    entered = {
        "username": "kim",
        "email": "",
        "password1": PASSWORD,
        "password2": PASSWORD,
        **fields,
    }
    answer = as_admin.post("/people/new/", entered)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert PASSWORD not in answer.content.decode()
    assert User.objects.count() == 1


@pytest.mark.parametrize("way", ["new", "{lead}/administrator", "{lead}/password"])
def test_granting_access_requires_a_recent_authentication(
    client: Client, admin: User, lead: User, way: str
) -> None:
    client.force_login(admin)
    before = list(User.objects.values())
    fields = {
        "username": "kim",
        "administrator": "on",
        "on": "yes",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "new_password1": PASSWORD,
        "new_password2": PASSWORD,
    }
    asked = client.post(f"/people/{way.format(lead=lead.pk)}/", fields)
    assert asked.headers["Location"].startswith("/you/confirm/")
    client.post(asked.headers["Location"], {"password": "a guess"})
    assert list(User.objects.values()) == before


def test_adding_a_user_requires_a_recent_authentication(client: Client, admin: User) -> None:
    client.force_login(admin)
    asked = client.get("/people/new/")
    assert asked.headers["Location"] == "/you/confirm/?next=%2Fpeople%2Fnew%2F"
    page = client.post(asked.headers["Location"], {"password": "a password for tests"}, follow=True)
    assert "Add a person" in page.content.decode()


def test_input_is_kept_during_reauthentication_except_the_password(
    client: Client, admin: User
) -> None:
    client.force_login(admin)
    fields = {
        "username": "kim",
        "email": "kim@example.com",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }
    asked = client.post("/people/new/", fields, follow=True)
    assert "Your input is kept except for passwords" in asked.content.decode()
    assert PASSWORD not in str(
        [SessionStore().decode(row.session_data) for row in Session.objects.all()]
    )
    page = client.post(
        "/you/confirm/?next=/people/new/", {"password": "a password for tests"}
    ).content.decode()
    assert 'value="kim@example.com"' in page
    assert 'action="/people/new/"' in page
    assert client.post("/people/new/", fields).status_code == 302
    assert User.objects.filter(username="kim").exists()


def test_after_reauthentication_the_user_becomes_an_administrator(
    client: Client, admin: User, lead: User
) -> None:
    client.force_login(admin)
    asked = client.post(f"/people/{lead.pk}/administrator/", {"on": "yes"})
    client.post(asked.headers["Location"], {"password": "a password for tests"})
    assert User.objects.get(pk=lead.pk).is_superuser


def test_disabling_ends_open_sessions_at_once(as_admin: Client, lead: User) -> None:
    session = Client()
    session.force_login(lead)
    assert session.get("/").status_code == 200
    as_admin.post(f"/people/{lead.pk}/active/", {"on": "no"})
    assert session.get("/").headers["Location"].startswith("/sign-in/")
    as_admin.post(f"/people/{lead.pk}/active/", {"on": "yes"})
    actions = list(
        AuditEntry.objects.filter(subject="lin").order_by("pk").values_list("action", flat=True)
    )
    assert actions == ["person.disabled", "person.enabled"]


def test_a_new_password_ends_open_sessions(as_admin: Client, lead: User) -> None:
    session = Client()
    session.force_login(lead)
    fields = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    assert as_admin.post(f"/people/{lead.pk}/password/", fields).status_code == 302
    assert session.get("/").status_code == 302
    assert Client().post("/sign-in/", {"username": "lin", "password": PASSWORD}).status_code == 302
    weak = as_admin.post(
        f"/people/{lead.pk}/password/", {"new_password1": "x", "new_password2": "x"}
    )
    assert weak.status_code == 422


def test_an_administrator_is_made_and_unmade(as_admin: Client, lead: User) -> None:
    as_admin.post(f"/people/{lead.pk}/administrator/", {"on": "yes"})
    assert User.objects.get(pk=lead.pk).is_superuser
    as_admin.post(f"/people/{lead.pk}/administrator/", {"on": "no"})
    assert not User.objects.get(pk=lead.pk).is_superuser
    assert AuditEntry.objects.filter(action="person.administrator", subject="lin").count() == 2


@pytest.mark.parametrize("what", ["administrator", "active"])
def test_administrators_cannot_remove_their_own_role(
    as_admin: Client, admin: User, what: str
) -> None:
    answer = as_admin.post(f"/people/{admin.pk}/{what}/", {"on": "no"}, follow=True)
    assert "You cannot take this away from yourself" in answer.content.decode()
    assert User.objects.get(pk=admin.pk).is_superuser
    assert User.objects.get(pk=admin.pk).is_active


def test_a_former_administrator_changes_nothing(admin: User, lead: User) -> None:
    other = User.objects.create_superuser("max")
    set_administrator(admin, False, by=other)
    with pytest.raises(CannotChange):
        set_administrator(other, False, by=admin)
    assert User.objects.get(pk=other.pk).is_superuser


def test_an_account_is_given_changed_and_taken(
    as_admin: Client, lead: User, account: Account
) -> None:
    session = Client()
    session.force_login(lead)
    assert session.get(f"/accounts/{account.pk}/").status_code == 404
    as_admin.post(f"/people/{lead.pk}/give/", {"account": account.pk, "role": "viewer"})
    assert session.get(f"/accounts/{account.pk}/").status_code == 200
    assert "acme" in as_admin.get(f"/people/{lead.pk}/").content.decode()
    as_admin.post(f"/people/{lead.pk}/give/", {"account": account.pk, "role": "manager"})
    assert Membership.objects.get(user=lead).role == "manager"
    as_admin.post(f"/people/{lead.pk}/take/{account.pk}/")
    assert session.get(f"/accounts/{account.pk}/").status_code == 404
    written = AuditEntry.objects.filter(subject="lin", account_name="acme").order_by("pk")
    assert [entry.action for entry in written] == [
        "membership.given",
        "membership.given",
        "membership.taken",
    ]
    assert written[1].details == {"role": "manager", "before": "viewer", "operations_held": 0}


def test_several_accounts_are_given_at_once(as_admin: Client, lead: User, account: Account) -> None:
    other = Account.objects.create(
        kind="organization",
        slug="globex",
        github_id=77,
        api_url=account.api_url,
        credential=account.credential,
    )
    answer = as_admin.post(
        f"/people/{lead.pk}/give/",
        {"account": [account.pk, other.pk], "role": "viewer"},
        follow=True,
    )
    assert "lin is now a viewer of acme, globex." in answer.content.decode()
    assert Membership.objects.filter(user=lead, role="viewer").count() == 2


def test_an_e_mail_address_is_changed_and_its_old_one_no_longer_signs_in(
    as_admin: Client, admin: User, lead: User
) -> None:
    User.objects.filter(pk=admin.pk).update(email="ada@example.com")
    EmailAddress.objects.create(user=lead, email="old@example.com", verified=True)
    path = f"/people/{lead.pk}/email/"
    assert as_admin.post(path, {"email": "not one"}).status_code == 422
    taken = as_admin.post(path, {"email": "ADA@example.com"})
    assert "Another person has this address." in taken.content.decode()
    assert as_admin.post(path, {"email": "lin@example.com"}).status_code == 302
    lead.refresh_from_db()
    assert lead.email == "lin@example.com"
    assert not EmailAddress.objects.filter(user=lead).exists()
    entry = AuditEntry.objects.get(action="person.email_changed")
    assert entry.details == {"before": "", "after": "lin@example.com"}


def test_an_unknown_role_is_refused(as_admin: Client, lead: User, account: Account) -> None:
    answer = as_admin.post(f"/people/{lead.pk}/give/", {"account": account.pk, "role": "emperor"})
    assert answer.status_code == 422
    assert not Membership.objects.exists()


def test_only_administrators_see_people(
    client: Client, lead: User, admin: User, account: Account
) -> None:
    client.force_login(lead)
    for path in ("/people/", "/people/new/", f"/people/{admin.pk}/"):
        assert client.get(path).status_code == 403
    for path in (
        "new",
        f"{admin.pk}/administrator",
        f"{admin.pk}/active",
        f"{lead.pk}/give",
        f"{lead.pk}/password",
    ):
        assert (
            client.post(f"/people/{path}/", {"on": "yes", "account": account.pk}).status_code == 403
        )
    assert client.post(f"/people/{lead.pk}/take/{account.pk}/").status_code == 403
    assert "Only administrators may do this." in client.get("/people/").content.decode()


def test_get_changes_nobody_and_unknown_people_are_404(as_admin: Client, lead: User) -> None:
    for path in ("administrator", "active", "password", "give"):
        assert as_admin.get(f"/people/{lead.pk}/{path}/").status_code == 405
        assert as_admin.post(f"/people/999/{path}/", {"on": "no"}).status_code == 404
    assert as_admin.post("/people/").status_code == 405
    assert as_admin.get("/people/999/").status_code == 404


# --- What a person leaves to others


def test_disabling_a_person_lists_what_to_hand_over(
    as_admin: Client, lead: User, account: Account
) -> None:
    page = f"/people/{lead.pk}/"
    assert "To hand over" not in as_admin.get(page).content.decode()
    now = timezone.now()
    seen = {"account": account, "observed_at": now, "first_seen_at": now}
    group = RunnerGroup.objects.create(github_id=1, name="owned-group", owner="LIN", **seen)
    RunnerGroup.objects.create(github_id=2, name="group-of-others", owner="linda", **seen)
    SavedView.objects.create(user=lead, list="runners", name="mine to watch", query="q=x")
    create_token(lead, name="token-of-ci", scopes=["read"], by=lead)
    operation = Operation.objects.create(
        account=account,
        kind="update_group",
        target="group",
        target_name="half-done",
        state="needs_attention",
        actor=lead,
        requested_at=now,
        confirmed_at=now,
    )
    told = as_admin.post(f"{page}active/", {"on": "no"}, follow=True).content.decode()
    assert "What lin leaves to others is listed" in told
    for words in ("owned-group", "mine to watch", "token-of-ci", "half-done"):
        assert words in told
    assert f"/operations/{operation.pk}/" in told
    assert f"/groups/{group.pk}/" in told
    assert "group-of-others" not in told
    assert "refused while this person is disabled" in told


def test_taking_an_account_says_what_is_left_to_others(
    as_admin: Client, lead: User, account: Account
) -> None:
    Membership.objects.create(user=lead, account=account)
    SavedView.objects.create(user=lead, list="runners", name="mine to watch", query="q=x")
    told = as_admin.post(f"/people/{lead.pk}/take/{account.pk}/", follow=True).content.decode()
    assert "What lin leaves to others is listed" in told
