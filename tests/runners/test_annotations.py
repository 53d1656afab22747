"""Owner, tags and notes of runners and groups: found, exported, changed in bulk, with history."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from runners_app.models import (
    Account,
    AuditEntry,
    FieldChange,
    Membership,
    Reading,
    Runner,
    RunnerGroup,
)
from runners_app.templatetags.words import yaml_string
from tests.simulator_handle import SimulatorHandle


def test_owner_tags_and_note_of_a_runner_are_kept_found_and_exported(
    as_admin: Client, acme: Account
) -> None:
    runner = Runner.objects.filter(account=acme).earliest("pk")
    address = f"/runners/{runner.pk}/annotate/"
    values = {"owner": "Platform team", "tags": "GPU, ml gpu", "note": "Ask before deleting."}
    assert as_admin.post(address, values).headers["Location"] == f"/runners/{runner.pk}/"
    page = as_admin.get(f"/runners/{runner.pk}/").content.decode()
    assert "Platform team" in page
    assert "Ask before deleting." in page
    for q in ("tag:gpu", "tag:ML", "tag:gp*", 'owner:"platform team"', "owner:plat*", "-tag:none"):
        rows = as_admin.get("/runners/", {"q": q}).context["page"].rows
        assert [row.pk for row in rows] == [runner.pk], q
    assert as_admin.get("/runners/", {"q": "tag:gp"}).context["total"] == 0
    [line] = [
        row
        for row in as_admin.get("/runners/export.json?q=tag:gpu").getvalue().decode().split("},")
        if runner.name in row
    ]
    assert '"tags": ["gpu", "ml"]' in line
    changed = FieldChange.objects.filter(item="runner", item_pk=runner.pk)
    assert set(changed.values_list("field", flat=True)) == {"owner", "tags", "note"}
    assert AuditEntry.objects.get(action="annotated").subject == runner.name

    answer = as_admin.post(address, {**values, "tags": "no$good"})
    assert answer.status_code == 422
    assert "“no$good” cannot be a tag" in answer.content.decode()


def test_a_reading_keeps_what_was_annotated(
    acme: Account, work: Callable[[Account], None], simulator: SimulatorHandle
) -> None:
    Runner.objects.update(owner="ada", tags="keep", note="Ask first.")
    runner = Runner.objects.filter(account=acme).earliest("pk")
    simulator.change_runner("organization", "acme", runner.github_id, maximum_runners=9)
    Reading.objects.schedule_now(acme, "runners")
    work(acme)
    runner.refresh_from_db()
    kept = (runner.maximum_runners, runner.owner, runner.tags, runner.note)
    assert kept == (9, "ada", "keep", "Ask first.")


def test_selected_runners_get_an_owner_and_tags_at_once(
    as_lead: Client, lead: User, acme: Account, globex: Account
) -> None:
    Membership.objects.create(user=lead, account=acme, role="manager")
    Membership.objects.create(user=lead, account=globex, role="viewer")
    Runner.objects.update(tags="old")
    page = as_lead.get("/runners/bulk/annotate/", {"matching": ""})
    assert page.context["left_out"] == Runner.objects.filter(account=globex).count()
    address = f"/runners/bulk/annotate/?selection={page.context['selection'].pk}"
    as_lead.post(address, {"owner": "web team", "add_tags": "new", "remove_tags": "old"})
    mine, theirs = Runner.objects.filter(account=acme), Runner.objects.filter(account=globex)
    assert set(mine.values_list("owner", "tags")) == {("web team", "new")}
    assert set(theirs.values_list("owner", "tags")) == {("", "old")}
    assert AuditEntry.objects.filter(action="annotated").count() == 1


def test_a_group_has_owner_and_tags_too_and_viewers_cannot_change_them(
    client: Client, admin: User, lead: User, acme: Account
) -> None:
    group = RunnerGroup.objects.filter(account=acme).earliest("pk")
    address = f"/groups/{group.pk}/annotate/"
    client.force_login(admin)
    client.post(address, {"owner": "core", "tags": "prod", "note": ""})
    rows = client.get("/groups/", {"q": "tag:prod owner:core"}).context["page"].rows
    assert [row.pk for row in rows] == [group.pk]
    Membership.objects.create(user=lead, account=acme)
    client.force_login(lead)
    assert "core" in client.get(f"/groups/{group.pk}/").content.decode()
    assert client.post(address, {"owner": "mine"}).status_code == 403
    runner = Runner.objects.filter(account=acme).earliest("pk")
    assert client.get(f"/runners/{runner.pk}/annotate/").status_code == 403


def test_the_side_panel_shows_the_open_runner_with_links_to_its_group_and_image(
    client: Client, admin: User, lead: User, acme: Account
) -> None:
    client.force_login(admin)
    runner = Runner.objects.get(account=acme, name="golden-linux-16core")
    page = client.get(f"/runners/?q=golden&open={runner.pk}").content.decode()
    assert f'data-panel="{runner.pk}"' in page
    group = RunnerGroup.objects.get(account=acme, github_id=runner.group_id or 0)
    assert f'href="/groups/{group.pk}/"' in page
    headers = {"HX-Request": "true", "HX-Target": "panel"}
    part = client.get(f"/runners/?open={runner.pk}", headers=headers).content.decode()
    assert f'data-panel="{runner.pk}"' in part
    assert "<table" not in part
    client.force_login(lead)
    hidden = client.get(f"/runners/?open={runner.pk}").content.decode()
    assert "you don't have access" in hidden
    assert "golden-linux-16core" not in hidden


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("linux-8core", "linux-8core"),
        ("24.10", '"24.10"'),
        ("null", '"null"'),
        ("0x1F", '"0x1F"'),
        ("No", '"No"'),
        ("a # b", '"a # b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("8-core", '"8-core"'),
    ],
)
def test_names_are_quoted_where_yaml_would_not_read_them_as_text(name: str, written: str) -> None:
    assert yaml_string(name) == written
