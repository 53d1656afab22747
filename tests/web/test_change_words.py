"""Changes are shown with the names of images and groups, before and after they are requested."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.models import Account, FieldChange, Image, Operation, Runner, RunnerGroup
from runners_app.runners.requests import request_update
from runners_app.runners.settings import RunnerSettings
from runners_app.runners.support_facts import support_facts
from runners_app.web.change_words import Names


def text_of(client: Client, address: str, **query: str) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split()))


def images_of(account: Account) -> tuple[Image, Image]:
    first, second = Image.objects.filter(
        account=account, source="github", platform="linux-x64"
    ).order_by("pk")[:2]
    return first, second


def test_an_image_change_shows_names_instead_of_fields(admin: User, acme: Account) -> None:
    old, new = images_of(acme)
    before = {
        "image_id": old.github_id,
        "image_source": "github",
        "image_version": None,
        "maximum_runners": 5,
    }
    after = {**before, "image_id": new.github_id, "maximum_runners": 7}
    lines = Names(admin, [acme.pk]).changes(acme.pk, before, after)
    assert lines == [("image_name", old.name, new.name), ("maximum_runners", 5, 7)]


def test_only_custom_images_have_a_version_and_none_means_the_latest(
    admin: User, acme: Account
) -> None:
    custom = Image.objects.filter(account=acme, source="custom")[0]
    old, _ = images_of(acme)
    before = {"image_id": old.github_id, "image_source": "github", "image_version": None}
    after = {"image_id": custom.github_id, "image_source": "custom", "image_version": "1.0.0"}
    assert Names(admin, [acme.pk]).changes(acme.pk, before, after) == [
        ("image_name", old.name, f"{custom.name} (custom)"),
        ("image_version", None, "1.0.0"),
    ]
    latest = {**after, "image_version": None}
    assert Names(admin, [acme.pk]).changes(acme.pk, after, latest) == [
        ("image_version", "1.0.0", "latest")
    ]


def test_a_create_shows_every_field(admin: User, acme: Account) -> None:
    group = RunnerGroup.objects.filter(account=acme)[0]
    old, _ = images_of(acme)
    wanted = {
        "name": "new",
        "image_id": old.github_id,
        "image_source": "github",
        "runner_group_id": group.github_id,
    }
    assert Names(admin, [acme.pk]).changes(acme.pk, {}, wanted) == [
        ("image_name", None, old.name),
        ("name", None, "new"),
        ("runner_group_id", None, group.name),
    ]


def test_an_unknown_image_or_group_is_shown_by_id(admin: User, acme: Account) -> None:
    names = Names(admin, [acme.pk])
    assert names.value(acme.pk, "group_id", 987654) == "id 987654"
    assert names.value(acme.pk, "image_id", "nothing") == "id nothing"
    assert names.value(acme.pk, "image_version", "") == "latest"


def test_the_bulk_page_and_the_operation_show_names(
    as_admin: Client, admin: User, acme: Account
) -> None:
    old, new = images_of(acme)
    runner = Runner.objects.filter(account=acme, status="Ready", platform="linux-x64")[0]
    Runner.objects.filter(pk=runner.pk).update(
        image_id=old.github_id, image_source="github", image_name=old.name
    )
    runner.refresh_from_db()
    wanted = replace(RunnerSettings.of(runner), image_id=new.github_id)
    operation = request_update(
        runner, wanted, base=RunnerSettings.of(runner), by=admin, nonce="one"
    )
    page = text_of(as_admin, f"/operations/{operation.pk}/")
    assert f"Image {old.name} {new.name}" in page
    assert "Image id" not in page
    page = text_of(
        as_admin, "/runners/bulk/edit/", runner=str(runner.pk), image=f"github:{new.name}"
    )
    assert f"Image: {old.name} {new.name}" in page
    assert "Image id" not in page


def test_a_conflict_shows_names(admin: User, acme: Account) -> None:
    group = RunnerGroup.objects.filter(account=acme)[0]
    shown = Names(admin, [acme.pk]).conflict(
        acme.pk, {"runner_group_id": [group.github_id, 987654, None]}
    )
    assert shown == {"runner_group_id": [group.name, "id 987654", None]}


class TestHistory:
    def change(self, runner: Runner, field: str, before: object, after: object) -> None:
        at = timezone.now() - timedelta(days=2)
        FieldChange.objects.create(
            account=runner.account,
            item="runner",
            item_pk=runner.pk,
            field=field,
            before=before,
            after=after,
            at=at,
        )

    def test_a_change_made_outside_trackside_links_to_githubs_audit_log(
        self, as_admin: Client, acme: Account
    ) -> None:
        runner = Runner.objects.filter(account=acme)[0]
        group = RunnerGroup.objects.filter(account=acme)[0]
        self.change(runner, "group_id", 987654, group.github_id)
        answer = as_admin.get(f"/runners/{runner.pk}/").content.decode()
        assert "outside Trackside" in answer
        day = (timezone.now() - timedelta(days=2)).date()
        assert f"/organizations/acme/settings/audit-log?q=created%3A{day}" in answer
        assert f"Runner group: id 987654 {group.name}" in text_of(
            as_admin, f"/runners/{runner.pk}/"
        )

    def test_a_change_of_status_is_not_shown_as_made_outside_trackside(
        self, as_admin: Client, acme: Account
    ) -> None:
        runner = Runner.objects.filter(account=acme)[0]
        self.change(runner, "status", "Provisioning", "Ready")
        assert "outside Trackside" not in as_admin.get(f"/runners/{runner.pk}/").content.decode()


def test_facts_for_support_contain_request_ids_and_no_secret(admin: User, acme: Account) -> None:
    runner = Runner.objects.filter(account=acme)[0]
    now = timezone.now()
    operation = Operation.objects.create(
        account=acme,
        kind="update_runner",
        target="runner",
        target_id=runner.github_id,
        target_name=runner.name,
        actor_name="ada",
        requested_at=now,
        confirmed_at=now,
    )
    operation.events.create(at=now, state="sent", request_id="C0DE:1234")
    facts = support_facts(runner, [operation])
    assert f"id {runner.github_id}" in facts
    assert "C0DE:1234 (Edit runner" in facts
    assert acme.credential.sealed_secret not in facts
