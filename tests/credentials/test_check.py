"""Rights of a credential: the table on the account's page, after a worker has checked."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.accounts.accounts import connect_with_token, replace_token
from runners_app.accounts.github_apps import add_app, connect_installations, list_installations
from runners_app.credentials.check import ask_nightly_checks
from runners_app.credentials.rights import rights_of
from runners_app.models import Account, Credential, Membership, Operation, Reading
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
READ_RUNNERS, WRITE_RUNNERS, READ_GROUPS, WRITE_GROUPS, READ_IMAGES, DELETE_IMAGES = range(6)


def connected(simulator: SimulatorHandle, work: Work, note: str) -> Account:
    token = simulator.token(note, "acme")
    account = connect_with_token(
        "acme", kind="organization", api_url=simulator.base_url, token=token, by=None
    )
    work(account)
    return Account.objects.select_related("credential").get(pk=account.pk)


def verdicts(account: Account) -> list[bool | None]:
    return [right.has for right in rights_of(account, list(account.readings.all()))]


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("main", [True] * 7),
        ("runners-only", [True, True, False, False, True, True, False]),
        ("read-only", [False] * 7),
        ("fine-grained", [True, None, True, None, True, None, True]),
        ("fine-grained-without-self-hosted-runners", [True, None, False, None, True, None, True]),
    ],
)
@pytest.mark.django_db
def test_the_rights_of_each_kind_of_token_are_shown(
    simulator: SimulatorHandle, work: Work, note: str, expected: list[bool | None]
) -> None:
    assert verdicts(connected(simulator, work, note)) == expected


def test_the_rights_of_an_installation_follow_from_its_permissions(
    simulator: SimulatorHandle, work: Work, admin: User
) -> None:
    github_app = simulator.app()
    app = add_app(simulator.base_url, str(github_app["app_id"]), github_app["pem"], by=admin)
    list_installations(app.pk)
    app.refresh_from_db()
    one = next(one for one in app.installations if one["account"] == "acme")
    account = connect_installations(app, {one["id"]}, by=admin)[0]
    simulator.change_installation(
        one["id"], permissions={"organization_administration": "read", "metadata": "read"}
    )
    work(account)
    account = Account.objects.select_related("credential__app").get(pk=account.pk)
    assert account.credential.permissions == {
        "organization_administration": "read",
        "metadata": "read",
    }
    assert verdicts(account)[:4] == [True, False, False, False]
    rights = rights_of(account, list(account.readings.all()))
    assert "Set the App's permission Administration to Read and write" in rights[WRITE_RUNNERS].how


def test_a_missing_right_is_shown_with_how_to_grant_it(
    simulator: SimulatorHandle, work: Work, as_admin: Client
) -> None:
    account = connected(simulator, work, "runners-only")
    page = as_admin.get(f"/accounts/{account.pk}/").content.decode()
    assert "Add the scope admin:org to the token" in page
    assert "Checked" in page


def test_the_plan_is_stored_if_the_token_can_see_it(
    simulator: SimulatorHandle, work: Work, db: None
) -> None:
    simulator.change_account("organization", "acme", plan="enterprise")
    assert connected(simulator, work, "main").plan == "enterprise"


def test_missing_single_sign_on_authorisation_is_linked(
    simulator: SimulatorHandle, work: Work, db: None
) -> None:
    account = connected(simulator, work, "sso-missing")
    rights = rights_of(account, list(account.readings.all()))
    assert rights[READ_RUNNERS].has is False
    assert rights[READ_RUNNERS].how_url.startswith("https://github.com/orgs/acme/sso")


def test_the_first_change_proves_the_right_of_a_fine_grained_token(
    simulator: SimulatorHandle, work: Work, db: None
) -> None:
    account = connected(simulator, work, "fine-grained")
    now = timezone.now()
    operation = Operation.objects.create(
        account=account,
        kind="update_runner",
        target="runner",
        target_name="a",
        state="confirmed",
        requested_at=now,
        confirmed_at=now,
        sent_at=now,
        finished_at=now,
    )
    assert verdicts(account)[WRITE_RUNNERS] is True
    Operation.objects.filter(pk=operation.pk).update(state="rejected", refusal={"status": 403})
    assert verdicts(account)[WRITE_RUNNERS] is False


def test_the_nightly_check_skips_refused_credentials(
    acme: Account, globex: Account, work: Work
) -> None:
    refused = Credential.objects.get(pk=globex.credential_id)
    Credential.objects.filter(pk=refused.pk).update(quarantined_at=timezone.now())
    before = acme.credential.checked_at
    ask_nightly_checks()
    work(acme)
    work(globex)
    assert Credential.objects.get(pk=acme.credential_id).checked_at != before
    assert Credential.objects.get(pk=refused.pk).check_due_at is None


def test_a_check_answered_with_401_disables_the_credential(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    simulator.change_token(simulator.account("acme").token, revoked=True)
    Reading.objects.update(due_at=None)
    ask_nightly_checks()
    work(acme)
    assert Credential.objects.get(pk=acme.credential_id).quarantined_at is not None


def test_changing_the_address_requires_the_token_again(
    acme: Account, simulator: SimulatorHandle, confirmed: Client
) -> None:
    moved = f"{simulator.base_url}/api/v3"
    refused = confirmed.post(f"/accounts/{acme.pk}/token/", {"token": "", "api_url": moved})
    assert refused.status_code == 422
    acme.refresh_from_db()
    assert acme.api_url == simulator.base_url
    answer = confirmed.post(
        f"/accounts/{acme.pk}/token/", {"token": simulator.account("acme").token, "api_url": moved}
    )
    assert answer.status_code == 302
    acme.refresh_from_db()
    assert acme.api_url == moved == acme.credential.api_url


def test_no_token_is_stored_for_an_address_that_is_not_allowed(
    acme: Account, confirmed: Client
) -> None:
    token = "ghp_" + "0" * 36
    answer = confirmed.post(
        f"/accounts/{acme.pk}/token/", {"token": token, "api_url": "https://elsewhere.example"}
    )
    assert answer.status_code == 422
    assert token not in answer.content.decode()
    assert not Credential.objects.filter(api_url__contains="elsewhere").exists()


def test_the_same_token_at_the_same_address_stays_one_credential(
    acme: Account, simulator: SimulatorHandle, admin: User
) -> None:
    replace_token(acme, simulator.account("acme").token, by=admin)
    assert Credential.objects.count() == 1


def test_the_rights_of_a_disabled_token_are_unknown_and_replacing_it_is_advised(
    simulator: SimulatorHandle, work: Work, admin: User, lead: User, client: Client
) -> None:
    account = connected(simulator, work, "main")
    Credential.objects.update(quarantined_at=timezone.now(), quarantine_reason="GitHub refused it.")
    Reading.objects.update(error="credential")
    Membership.objects.create(user=lead, account=account)
    for person, advice in (
        (admin, f'<a href="/accounts/{account.pk}/token/">Replace it</a>'),
        (lead, "Ask an admin"),
    ):
        client.force_login(person)
        page = client.get(f"/accounts/{account.pk}/").content.decode()
        table = page.partition('id="rights"')[2].partition('id="runs"')[0]
        assert "The token is disabled," in table
        assert advice in table
        assert table.count("Not known") == 7
        assert "Add the scope" not in table
