"""Viewers limited to some runner groups of an account: what they see of it, and what they must not
poll_reports.
"""

import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import Value
from django.db.models.functions import Concat
from django.test import Client
from django.utils import timezone

from runners_app.models import (
    AccessCheck,
    Account,
    Credential,
    GroupAccess,
    Image,
    ImageVersion,
    Limits,
    Membership,
    Operation,
    Repository,
    Runner,
    RunnerGroup,
    SharedRunner,
)
from runners_app.models.history import FieldChange
from runners_app.people.people import CannotChange, give_account, limit_to_groups
from runners_app.templatetags.trackside import icon


@pytest.fixture
def groups(acme: Account) -> tuple[RunnerGroup, RunnerGroup]:
    """Two groups, of which the first holds two runners and the second all others."""
    first, second = RunnerGroup.objects.filter(account=acme).order_by("pk")[:2]
    mine = list(Runner.objects.order_by("pk").values_list("pk", flat=True)[:2])
    Runner.objects.update(group_id=second.github_id, status="Ready")
    for pk in mine:
        Runner.objects.filter(pk=pk).update(group_id=first.github_id, name=f"mine-{pk}")
    for runner in Runner.objects.exclude(pk__in=mine):
        Runner.objects.filter(pk=runner.pk).update(name=f"secret-{runner.pk}", status="Stuck")
    RunnerGroup.objects.filter(pk=second.pk).update(
        name="secret-group", allows_public_repositories=True
    )
    SharedRunner.objects.exclude(group=first).update(name=Concat(Value("secret-"), "name"))
    Repository.objects.update(name=Concat(Value("secret-"), "name"))
    images = Image.objects.exclude(
        github_id__in=Runner.objects.filter(pk__in=mine).values("image_id")
    )
    images.update(name=Concat(Value("secret-"), "name"))
    ImageVersion.objects.filter(image__in=images).update(
        version=Concat(Value("secret-"), "version")
    )
    return first, second


@pytest.fixture
def limited(
    groups: tuple[RunnerGroup, RunnerGroup], acme: Account, lead: User, client: Client
) -> Client:
    membership = Membership.objects.create(user=lead, account=acme, limited=True)
    membership.groups.add(groups[0])
    client.force_login(lead)
    return client


def operation(account: Account, name: str, **fields: object) -> Operation:
    now = timezone.now()
    times = {"requested_at": now, "confirmed_at": now}
    return Operation.objects.create(
        account=account, target="runner", target_name=name, **times, **fields
    )


PAGES = (
    "/",
    "/runners/",
    "/runners/?q=secret",
    "/runners/?group=secret-group",
    "/images/",
    "/images/?source=github",
    "/groups/",
    "/static-ips/",
    "/operations/",
    "/accounts/",
    "/images/sizes/",
    "/static-ips/ranges.txt",
    "/runners/export.csv",
    "/runners/export.json",
    "/operations/export.csv",
    "/images/export.csv",
    "/groups/export.csv",
    "/accounts/export.csv",
    "/static-ips/ranges.csv",
    "/static-ips/changes.csv?since=2020-01-01",
    "/runners/?q=group:s",
    "/runners/filters/?q=secret",
    "/groups/explain/",
    "/groups/{group}/",
    "/groups/{group}/access/",
    "/groups/{group}/access/?show=all",
    "/groups/{group}/access/?show=without&q=secret",
    "/runners/bulk/edit/?runner={runner}",
    "/accounts/{account}/",
    "/runners/{runner}/",
    "/groups/explain/?organization={account}&repository=web",
    "/groups/explain/?runner=r{runner}",
    "/groups/explain/repositories/?organization={account}&repository=",
)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_names_anything_of_another_runner_group(
    limited: Client, acme: Account, page: str
) -> None:
    secret = Runner.objects.filter(name__startswith="secret")[0]
    operation(
        acme, secret.name, kind="delete_runner", target_id=secret.github_id, state="needs_attention"
    )
    group, runner = (
        RunnerGroup.objects.order_by("pk")[0],
        Runner.objects.filter(name__startswith="mine")[0],
    )
    answer = limited.get(page.format(account=acme.pk, group=group.pk, runner=runner.pk))
    assert answer.status_code in ((200, 404, 422) if "explain" in page else (200,))
    asked_for = (
        'Group: <b>secret-group|group[=:]secret-group|value="secret-group" selected>secret-group'
        "|“secret-group” is not a value"
    )
    told = re.sub(asked_for, "", answer.getvalue().decode())
    assert "secret-" not in told
    assert "Stuck" not in told or page.startswith(
        "/runners"
    )  # there it is only a filter one may choose


def test_full_and_limited_viewers_share_no_cached_page(
    limited: Client, acme: Account, admin: User
) -> None:
    viewer = Client()
    person = User.objects.create_user("vera")
    Membership.objects.create(user=person, account=acme)
    viewer.force_login(person)
    for page in (page for page in PAGES if "{" not in page):
        whole = viewer.get(page).getvalue().decode()
        if "secret" not in page:
            assert "secret-" not in limited.get(page).getvalue().decode(), page
        if page == "/runners/":
            assert "secret-" in whole


def test_the_list_and_its_count_hold_the_runners_of_the_group(limited: Client) -> None:
    page = limited.get("/runners/").content.decode()
    assert "mine-" in page
    assert "2 runners" in page


def test_a_limited_viewer_sees_no_total_of_static_ips(limited: Client, acme: Account) -> None:
    Limits.objects.filter(account=acme, current=True).update(maximum=7919, used=7907)
    for page in ("/", "/static-ips/", f"/accounts/{acme.pk}/"):
        told = limited.get(page).content.decode()
        assert not re.search(
            r"\b79(19|07)\b", told.replace(",", "")
        )  # as a number, not within a version of a page


def test_a_limited_viewer_sees_only_images_their_runners_use(limited: Client, lead: User) -> None:
    used = set(
        Runner.objects.filter(name__startswith="mine").values_list("image_source", "image_id")
    )
    assert set(Image.objects.visible_to(lead).values_list("source", "github_id")) <= used
    assert Image.objects.visible_to(lead).exists()


def test_a_limited_viewer_sees_only_operations_on_their_groups(
    limited: Client, groups: tuple[RunnerGroup, RunnerGroup], acme: Account, lead: User
) -> None:
    mine, secret = (
        Runner.objects.filter(name__startswith="mine")[0],
        Runner.objects.order_by("-name")[0],
    )
    seen = {
        operation(acme, "a", kind="update_runner", target_id=mine.github_id).pk,
        operation(
            acme, "b", kind="create_runner", wanted={"runner_group_id": groups[0].github_id}
        ).pk,
    }
    operation(acme, "c", kind="update_runner", target_id=secret.github_id)
    operation(acme, "d", kind="create_runner", wanted={"runner_group_id": groups[1].github_id})
    operation(acme, "e", kind="delete_image")
    assert set(Operation.objects.visible_to(lead).values_list("pk", flat=True)) == seen


def test_a_limited_viewer_sees_only_history_of_their_groups(
    limited: Client, acme: Account, lead: User
) -> None:
    now = timezone.now()
    FieldChange.objects.all().delete()
    for runner in Runner.objects.all():
        FieldChange.objects.create(
            account=acme, item="runner", item_pk=runner.pk, field="status", at=now
        )
    assert FieldChange.objects.visible_to(lead).count() == 2


def test_a_limited_viewer_sees_nothing_outside_groups(limited: Client, lead: User) -> None:
    for rows in (Repository.objects, Limits.objects):
        assert not rows.visible_to(lead).exists()


def test_a_limited_viewer_sees_only_repositories_on_their_groups_lists(
    limited: Client, groups: tuple[RunnerGroup, RunnerGroup], admin: User
) -> None:
    GroupAccess.objects.create(group=groups[0], github_id=1, name="web-shop", private=True)
    for query in ("", "?show=all", "?show=without", "?show=with"):
        page = limited.get(f"/groups/{groups[0].pk}/access/{query}").content.decode()
        assert "web-shop" in page
        assert "You see only some runner groups of acme" in page
    limited.force_login(admin)
    page = limited.get(f"/groups/{groups[0].pk}/access/").content.decode()
    assert "secret-" in page
    assert "You see only some runner groups" not in page


def test_githubs_own_answer_counts_only_visible_groups(
    limited: Client, groups: tuple[RunnerGroup, RunnerGroup], acme: Account, admin: User
) -> None:
    now, ids = timezone.now(), [group.github_id for group in groups]
    AccessCheck.objects.create(
        account=acme, repository="web", asked_at=now, answered_at=now, group_ids=ids
    )
    address = f"/groups/explain/?organization={acme.pk}&repository=web"
    assert "web may use 1 group," in limited.get(address).content.decode()
    limited.force_login(admin)
    assert "web may use 2 groups," in limited.get(address).content.decode()


def test_a_viewer_whose_groups_are_gone_sees_nothing(limited: Client, lead: User) -> None:
    Membership.objects.get(user=lead).groups.clear()
    assert not Runner.objects.visible_to(lead).exists()
    assert "No runners" in limited.get("/runners/").content.decode()


def test_a_limit_in_one_account_does_not_affect_another(
    limited: Client, globex: Account, lead: User
) -> None:
    Membership.objects.create(user=lead, account=globex)
    seen = Runner.objects.visible_to(lead)
    assert seen.filter(account=globex).count() == 12
    assert seen.count() == 14
    assert (
        RunnerGroup.objects.visible_to(lead).filter(account=globex).count() == globex.groups.count()
    )


def test_an_administrator_limits_and_widens_through_the_page(
    groups: tuple[RunnerGroup, RunnerGroup], acme: Account, lead: User, admin: User, client: Client
) -> None:
    client.force_login(admin)
    client.post("/you/confirm/", {"password": "a password for tests"})
    give_account(lead, acme, "viewer", by=admin)
    path = f"/people/{lead.pk}/groups/{acme.pk}/"
    assert client.post(path, {"extent": "groups"}).status_code == 422
    answer = client.post(path, {"extent": "groups", "groups": [groups[0].pk]}, follow=True)
    assert f"lin now sees only {groups[0].name} in acme." in answer.content.decode()
    assert Runner.objects.visible_to(lead).count() == 2
    assert f"sees only {groups[0].name}" in client.get(f"/people/{lead.pk}/").content.decode()
    both = client.post(path, {"extent": "all", "groups": [groups[0].pk]})
    assert both.status_code == 422
    assert "Groups are ticked, but “The whole account” is chosen" in both.content.decode()
    assert Runner.objects.visible_to(lead).count() == 2
    answer = client.post(path, {"extent": "all"}, follow=True)
    assert "lin now sees the whole account in acme." in answer.content.decode()
    assert Runner.objects.visible_to(lead).count() == 12


def test_a_limit_cannot_name_groups_of_another_account(
    acme: Account, globex: Account, lead: User, admin: User, client: Client
) -> None:
    client.force_login(admin)
    client.post("/you/confirm/", {"password": "a password for tests"})
    give_account(lead, acme, "viewer", by=admin)
    foreign = RunnerGroup.objects.filter(account=globex)[0]
    answer = client.post(
        f"/people/{lead.pk}/groups/{acme.pk}/", {"extent": "groups", "groups": [foreign.pk]}
    )
    assert answer.status_code == 404
    assert not Membership.objects.get(user=lead).limited


def test_becoming_a_manager_removes_the_limit(
    groups: tuple[RunnerGroup, RunnerGroup], acme: Account, lead: User, admin: User
) -> None:
    give_account(lead, acme, "viewer", by=admin)
    limit_to_groups(lead, acme, [groups[0]], by=admin)
    give_account(lead, acme, "manager", by=admin)
    assert not Membership.objects.get(user=lead).limited
    with pytest.raises(CannotChange):
        limit_to_groups(lead, acme, [groups[0]], by=admin)


def test_history_calls_an_invisible_group_another_group(
    limited: Client, groups: tuple[RunnerGroup, RunnerGroup], acme: Account, admin: User
) -> None:
    mine, other = groups
    runner = Runner.objects.filter(name__startswith="mine")[0]
    moved = {"before": other.github_id, "after": mine.github_id}
    FieldChange.objects.create(
        account=acme, item="runner", item_pk=runner.pk, field="group_id", at=timezone.now(), **moved
    )
    asked = {
        "base": {"runner_group_id": other.github_id},
        "wanted": {"runner_group_id": mine.github_id},
    }
    update = operation(
        acme,
        runner.name,
        kind="update_runner",
        target_id=runner.github_id,
        state="confirmed",
        **asked,
    )
    for address in (f"/runners/{runner.pk}/", f"/operations/{update.pk}/"):
        page = limited.get(address).content.decode()
        assert f"another group</del>{icon('arrow-right')}<ins>{mine.name}" in page
        assert f"id {other.github_id}<" not in page
    RunnerGroup.objects.filter(pk=other.pk).delete()
    limited.force_login(admin)
    assert f"id {other.github_id}</del>" in limited.get(f"/runners/{runner.pk}/").content.decode()


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_names_only_visible_groups(
    limited: Client, groups: tuple[RunnerGroup, RunnerGroup], acme: Account, admin: User, form: str
) -> None:
    mine, other = groups
    RunnerGroup.objects.filter(pk=other.pk).update(github_id=987_654_321)
    runner = Runner.objects.filter(name__startswith="mine")[0]
    for number, group_id in enumerate((987_654_321, mine.github_id)):
        wanted = {"name": f"asked-{number}", "runner_group_id": group_id}
        operation(
            acme, "moved-later", kind="create_runner", target_id=runner.github_id, wanted=wanted
        )
    told = limited.get(f"/operations/export.{form}").getvalue().decode().replace('""', '"')
    assert '"name": "asked-0", "runner_group_id": "another group"' in told
    assert f'"runner_group_id": {mine.github_id}' in told
    assert "987654321" not in told
    limited.force_login(admin)
    assert "987654321" in limited.get(f"/operations/export.{form}").getvalue().decode()


def test_an_export_of_images_counts_only_visible_runners(limited: Client, admin: User) -> None:
    mine = Runner.objects.filter(name__startswith="mine")[0]
    Runner.objects.update(image_source=mine.image_source, image_id=mine.image_id)
    address = f"/images/export.json?source={mine.image_source}"
    assert [row["used_by_runners"] for row in json.loads(limited.get(address).getvalue())] == [2]
    limited.force_login(admin)
    assert 12 in [row["used_by_runners"] for row in json.loads(limited.get(address).getvalue())]


# --- Who only looks does not use up what changes need


@pytest.fixture
def spent(acme: Account, lead: User) -> None:
    """A fifth of the hour's budget is left, which is kept for changes."""
    now = timezone.now()
    acme.readings.update(due_at=now + timedelta(hours=1))
    Credential.objects.update(
        rate_limit=5000, rate_remaining=900, rate_reset_at=now + timedelta(minutes=30)
    )
    Membership.objects.create(user=lead, account=acme)


ASKS = (
    "/runners/refresh/",
    "/images/refresh/",
    "/groups/refresh/",
    "/static-ips/refresh/",
    "/accounts/{}/refresh/",
    "/groups/explain/ask/",
)


@pytest.mark.parametrize("path", ASKS)
@pytest.mark.parametrize("role", ["viewer", "manager"])
def test_only_managers_can_refresh_while_the_budget_is_low(
    client: Client, lead: User, acme: Account, spent: None, path: str, role: str
) -> None:
    Membership.objects.update(role=role)
    client.force_login(lead)
    fields = {"organization": str(acme.pk), "repository": "web"}
    page = client.post(path.format(acme.pk), fields, follow=True).content.decode()
    assert acme.readings.filter(due_at__lte=timezone.now()).exists() is (role == "manager")
    words = "hourly rate budget for acme is nearly used up, and the rest is reserved for changes"
    assert (words in page) is (role == "viewer")


def test_viewers_can_refresh_while_budget_is_left(
    client: Client, lead: User, acme: Account, spent: None
) -> None:
    Credential.objects.update(rate_remaining=1200)
    client.force_login(lead)
    client.post("/runners/refresh/")
    assert acme.readings.filter(due_at__lte=timezone.now()).exists()
