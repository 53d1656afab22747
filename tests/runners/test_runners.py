"""Runner pages through Django's client, backed by the simulator."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runners_app.models import Account, Image, Membership, Operation, Reading, Runner, RunnerGroup
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
STATUSES = ("Ready", "Shutdown", "Provisioning")

SORTS = [
    *("name", "-name", "size", "-maximum", "active", "-active", "since", "-seen", "tags"),
    *("account", "-account", "status", "-status", "image", "platform", "group", "-group"),
    *("owner", "static_ip"),
]


def form_of(client: Client, address: str) -> dict[str, str]:
    """The form fields of a page as a browser would submit them."""
    form = client.get(address).context["form"]
    fields = {field.html_name: field.value() for field in form}
    return {name: str(value) for name, value in fields.items() if value not in (None, False, "")}


def new_runner(account: Account, **changes: str) -> dict[str, str]:
    image = Image.objects.filter(account=account, source="github", platform="linux-x64").earliest(
        "pk"
    )
    group = RunnerGroup.objects.get(account=account, default=True)
    return {
        "account": str(account.pk),
        "name": "team-linux",
        "image": f"github:{image.github_id}",
        "size": "8-core",
        "group": str(group.github_id),
        "maximum_runners": "5",
        **changes,
    }


def create(client: Client, account: Account, **changes: str) -> Operation:
    nonce = form_of(client, f"/runners/new/?account={account.pk}")["nonce"]
    response = client.post("/runners/new/", {**new_runner(account, **changes), "nonce": nonce})
    assert response.status_code == 302, response.context["form"].errors
    return Operation.objects.get(nonce=nonce)


class TestList:
    def test_it_shows_the_runners_of_all_accounts_to_an_administrator(
        self, as_admin: Client, acme: Account, globex: Account
    ) -> None:
        page = as_admin.get("/runners/").content.decode()
        assert "24 runners" in page
        assert "acme" in page
        assert "globex" in page

    def test_it_shows_a_team_lead_only_their_accounts(
        self, as_lead: Client, lead: User, acme: Account, globex: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        page = as_lead.get("/runners/").content.decode()
        assert "12 runners" in page
        assert "globex" not in page
        assert "New runner" not in page

    def test_it_explains_an_empty_list_to_a_user_without_access(
        self, as_lead: Client, acme: Account
    ) -> None:
        assert (
            "You don't have access to any organization yet"
            in as_lead.get("/runners/").content.decode()
        )

    @pytest.mark.parametrize(
        ("query", "rows"),
        [
            ("status=Ready", {"status": "Ready"}),
            ("q=status:ready", {"status": "Ready"}),
            ("platform=win-x64", {"platform": "win-x64"}),
            ("q=size:8-core", {"size": "8-core"}),
            ("static_ip=yes", {"static_ip": True}),
            ("q=ip:no", {"static_ip": False}),
            ("idle=never", {"last_active_on": None}),
            ("account=ACME", {"account__slug": "acme"}),
            ("q=org:globex+linux", {"account__slug": "globex", "name__icontains": "linux"}),
        ],
    )
    def test_filters_work_in_the_address_and_in_the_search_box(
        self,
        as_admin: Client,
        acme: Account,
        globex: Account,
        query: str,
        rows: dict[str, object],
    ) -> None:
        shown = as_admin.get(f"/runners/?{query}").context["page"].rows
        assert shown
        assert {row.pk for row in shown} == set(
            Runner.objects.filter(**rows).values_list("pk", flat=True)
        )

    def test_the_group_filter_takes_the_name_of_a_group(
        self, as_admin: Client, acme: Account
    ) -> None:
        group = RunnerGroup.objects.get(account=acme, default=True)
        shown = as_admin.get("/runners/", {"group": group.name}).context["page"].rows
        assert {row.group_id for row in shown} == {group.github_id}

    def test_every_sort_pages_through_every_runner_once_in_both_directions(
        self, as_admin: Client, acme: Account, globex: Account, umbrella: Account
    ) -> None:
        for sort in SORTS:
            query: dict[str, str] = {"sort": sort, "size_of_page": "25"}
            page = as_admin.get("/runners/", query).context["page"]
            pages = [[row.pk for row in page.rows]]
            while page.after:
                page = as_admin.get("/runners/", {**query, "after": page.after}).context["page"]
                pages.append([row.pk for row in page.rows])
            shown = [pk for rows in pages for pk in rows]
            assert sorted(shown) == sorted(Runner.objects.values_list("pk", flat=True)), sort
            back = as_admin.get("/runners/", {**query, "before": page.before}).context["page"]
            assert [row.pk for row in back.rows] == pages[-2], sort

    @pytest.mark.parametrize("words", ["qx", "QX qx"])
    @pytest.mark.parametrize("sort", ["name", "-name", "status"])
    def test_matches_of_short_words_are_paged_in_order(
        self, as_admin: Client, acme: Account, words: str, sort: str
    ) -> None:
        """No index finds them, and there are many, so pages are found by primary key first."""
        now = timezone.now()
        Runner.objects.bulk_create(
            Runner(
                account=acme,
                github_id=90_000 + number,
                name=f"qx{number * 37 % 97:02}7",
                status=STATUSES[number % 3],
                observed_at=now,
                first_seen_at=now,
                status_since=now,
            )
            for number in range(97)
        )
        column = sort.removeprefix("-")
        found = [
            row
            for row in Runner.objects.all()
            if all(each in row.search_text for each in words.lower().split())
        ]
        wanted = sorted(
            found,
            key=lambda row: (getattr(row, column).lower(), row.name, row.pk),
            reverse=sort.startswith("-"),
        )
        assert len(wanted) > 75
        query = {"q": words, "sort": sort, "size_of_page": "25"}
        page = as_admin.get("/runners/", query).context["page"]
        pages = [page.rows]
        while page.after:
            page = as_admin.get("/runners/", {**query, "after": page.after}).context["page"]
            pages.append(page.rows)
        assert [row.name for rows in pages for row in rows] == [row.name for row in wanted]
        assert (
            as_admin.get("/runners/", {**query, "before": page.before}).context["page"].rows
            == pages[-2]
        )

    def test_a_hundred_rows_take_no_more_queries_than_a_few(
        self, as_admin: Client, simulator: SimulatorHandle, acme: Account, work: Work
    ) -> None:
        cache.clear()
        with CaptureQueriesContext(connection) as small:
            as_admin.get("/runners/?size_of_page=100")
        for number in range(100):
            simulator.create_runner("organization", "acme", name=f"more-{number}")
        Reading.objects.schedule_now(acme, "runners")
        work(acme)
        cache.clear()
        with CaptureQueriesContext(connection) as large:
            rows = as_admin.get("/runners/?size_of_page=100").context["page"].rows
        assert len(rows) == 100
        assert len(large) <= len(small) <= 17

    def test_a_poll_with_the_current_version_is_answered_without_content(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        version = as_admin.get("/runners/").context["version"]
        poll = {"HX-Request": "true"}
        assert as_admin.get("/runners/", {"version": version}, headers=poll).status_code == 204
        simulator.create_runner("organization", "acme", name="new-one")
        Reading.objects.schedule_now(acme, "runners")
        work(acme)
        answer = as_admin.get("/runners/", {"version": version}, headers=poll)
        assert answer.status_code == 200
        assert b"new-one" in answer.content
        assert b"<html" not in answer.content

    @pytest.mark.parametrize(
        "query", ["q=%00", "after=zzz", "after=W10", "static_ip=maybe", "sort=-nothing", "size=%ff"]
    )
    def test_invalid_parameters_never_break_the_page(
        self, as_admin: Client, acme: Account, query: str
    ) -> None:
        assert as_admin.get(f"/runners/?{query}").status_code == 200

    @pytest.mark.parametrize(
        ("sort", "place"),
        [
            ("name", '["\\ud800", 1]'),
            ("name", '["a\\u0000", 1]'),
            ("-name", "[5, 1]"),
            ("name", "[null, 1]"),
            ("name", '["a", 0]'),
            ("name", '["a", true]'),
            ("name", f'["a", {2**63}]'),
            ("name", "[" * 2900),
            ("size", '["x", 1]'),
            ("size", f"[{10**30}, 1]"),
            ("size", "[true, 1]"),
            ("size", "[1.5, 1]"),
            ("since", '["x", 1]'),
            ("-since", '["2000-01-01", 1]'),
            ("-since", '["2000-01-01T00:00:00", 1]'),
            ("-since", '["0001-01-01T00:00:00+23:59", 1]'),
        ],
    )
    def test_an_invalid_page_key_leads_to_the_first_page(
        self, as_admin: Client, acme: Account, sort: str, place: str
    ) -> None:
        first = as_admin.get("/runners/", {"sort": sort}).context["page"].rows
        after = urlsafe_b64encode(place.encode()).decode()
        assert (
            as_admin.get("/runners/", {"sort": sort, "after": after}).context["page"].rows == first
        )


class TestDetail:
    def test_it_shows_every_field_that_github_reports(
        self, as_admin: Client, acme: Account
    ) -> None:
        runner = next(
            row for row in Runner.objects.filter(account=acme, static_ip=True) if row.public_ips
        )
        page = as_admin.get(f"/runners/{runner.pk}/").content.decode()
        for text in (
            runner.name,
            runner.image_name,
            runner.platform,
            runner.size,
            *runner.ip_ranges,
        ):
            assert text in page
        assert str(runner.github_id) in page
        assert f"runs-on: {runner.name}" in page

    def test_it_is_not_found_by_users_without_access(
        self, as_lead: Client, lead: User, acme: Account, globex: Account
    ) -> None:
        Membership.objects.create(user=lead, account=globex)
        runner = Runner.objects.filter(account=acme).earliest("pk")
        for address in ("", "edit/", "delete/"):
            assert as_lead.get(f"/runners/{runner.pk}/{address}").status_code == 404

    def test_a_team_lead_sees_it_without_buttons_and_cannot_change_it(
        self, as_lead: Client, lead: User, acme: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        runner = Runner.objects.filter(account=acme).earliest("pk")
        page = as_lead.get(f"/runners/{runner.pk}/").content.decode()
        assert "/edit/" not in page
        assert as_lead.get(f"/runners/{runner.pk}/edit/").status_code == 403
        assert as_lead.post(f"/runners/{runner.pk}/delete/", {}).status_code == 403


class TestCreate:
    def test_a_runner_is_created_and_becomes_ready(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        operation = create(as_admin, acme, enable_static_ip="on", image_gen="on")
        assert operation.state == "requested"
        work(acme)
        operation.refresh_from_db()
        assert operation.state == "confirmed"
        runner = Runner.objects.get(account=acme, name="team-linux")
        assert (runner.status, runner.static_ip, runner.image_gen) == ("Provisioning", True, True)
        assert (runner.maximum_runners, runner.size) == (5, "8-core")
        simulator.advance(300)
        Reading.objects.schedule_now(acme, "runners")
        work(acme)
        runner.refresh_from_db()
        assert runner.status == "Ready"
        assert "Ready" in as_admin.get(f"/runners/{runner.pk}/").content.decode()

    def test_a_form_sent_twice_creates_one_operation(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        nonce = form_of(as_admin, f"/runners/new/?account={acme.pk}")["nonce"]
        for _ in range(2):
            as_admin.post("/runners/new/", {**new_runner(acme), "nonce": nonce})
        work(acme)
        assert Operation.objects.count() == 1
        assert len(simulator.requests("POST")) == 1

    @pytest.mark.parametrize("name", ["with space", "x" * 65, "", "émile", "team-linux;rm"])
    def test_a_name_that_github_does_not_allow_is_an_error_at_its_field(
        self, as_admin: Client, acme: Account, name: str
    ) -> None:
        nonce = form_of(as_admin, f"/runners/new/?account={acme.pk}")["nonce"]
        response = as_admin.post("/runners/new/", {**new_runner(acme, name=name), "nonce": nonce})
        assert response.status_code == 422
        assert "name" in response.context["form"].errors
        assert not Operation.objects.exists()

    def test_a_taken_name_is_reported_while_typing(self, as_admin: Client, acme: Account) -> None:
        taken = Runner.objects.filter(account=acme).earliest("pk").name
        hint = as_admin.get(
            "/runners/name/", {"account": str(acme.pk), "name": taken}
        ).content.decode()
        assert "already has a runner of this name" in hint
        assert (
            "is available"
            in as_admin.get(
                "/runners/name/", {"account": str(acme.pk), "name": "fresh"}
            ).content.decode()
        )

    def test_sizes_that_do_not_fit_the_image_are_not_offered(
        self, as_admin: Client, acme: Account
    ) -> None:
        image = Image.objects.filter(account=acme, source="github", platform="win-x64").earliest(
            "pk"
        )
        page = as_admin.get(
            "/runners/new/", {"account": str(acme.pk), "image": f"github:{image.github_id}"}
        )
        sizes = [value for value, _ in page.context["form"].fields["size"].choices]
        assert "8-core" in sizes
        assert "2-core" not in sizes

    def test_versions_are_offered_for_custom_images_only(
        self, as_admin: Client, acme: Account
    ) -> None:
        image = (
            Image.objects.present()
            .filter(account=acme, source="custom", versions_count__gt=1)
            .earliest("pk")
        )
        address = f"/runners/new/?account={acme.pk}&image=custom:{image.github_id}"
        page = as_admin.get(address, headers={"HX-Request": "true"})
        assert image.latest_version in page.content.decode()
        assert b"<html" not in page.content
        assert (
            'id="id_image_version"'
            not in as_admin.get(f"/runners/new/?account={acme.pk}").content.decode()
        )

    def test_a_used_up_static_ip_limit_is_reported_before_anything_is_sent(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        simulator.change_account("organization", "acme", static_ip_maximum=1)
        Reading.objects.schedule_now(acme, "limits")
        work(acme)
        nonce = form_of(as_admin, f"/runners/new/?account={acme.pk}")["nonce"]
        response = as_admin.post(
            "/runners/new/", {**new_runner(acme, enable_static_ip="on"), "nonce": nonce}
        )
        assert "None left" in str(response.context["form"].errors["enable_static_ip"])

    def test_githubs_error_is_shown_at_its_field_when_a_rejected_create_is_edited(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        simulator.create_runner("organization", "acme", name="taken-meanwhile")
        operation = create(as_admin, acme, name="taken-meanwhile")
        work(acme)
        operation.refresh_from_db()
        assert operation.state == "rejected"
        page = as_admin.get(f"/operations/{operation.pk}/").content.decode()
        assert "already" in page
        again = re.findall(r'href="(/runners/new/\?again=\d+)"', page)[0]
        form = as_admin.get(again).context["form"]
        assert "name" in form.errors
        assert form["size"].value() == "8-core"

    def test_group_ids_seen_on_runners_are_offered_if_groups_cannot_be_read(
        self, as_admin: Client, acme: Account
    ) -> None:
        RunnerGroup.objects.filter(account=acme).delete()
        page = as_admin.get("/runners/new/", {"account": acme.pk})
        assert {int(value) for value, _ in page.context["form"].fields["group"].choices} == set(
            Runner.objects.filter(account=acme).values_list("group_id", flat=True)
        )

    def test_an_observe_only_account_refuses_writes(self, as_admin: Client, acme: Account) -> None:
        Account.objects.filter(pk=acme.pk).update(observe_only=True)
        runner = Runner.objects.filter(account=acme).earliest("pk")
        assert "New runner" not in as_admin.get("/runners/").content.decode()
        assert as_admin.get(f"/runners/{runner.pk}/edit/").status_code == 403
        assert as_admin.post(f"/runners/{runner.pk}/delete/").status_code == 403
        assert not Operation.objects.exists()


class TestEdit:
    def test_an_edit_sends_only_the_changed_fields(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        runner = Runner.objects.get(account=acme, name="linux-8core-ci")
        fields = {**form_of(as_admin, f"/runners/{runner.pk}/edit/"), "maximum_runners": "33"}
        as_admin.post(f"/runners/{runner.pk}/edit/", fields)
        work(acme)
        sent = simulator.requests("PATCH")
        assert [request["body"] for request in sent] == [{"maximum_runners": 33}]
        assert Operation.objects.get().state == "confirmed"
        runner.refresh_from_db()
        assert runner.maximum_runners == 33
        page = as_admin.get(f"/runners/{runner.pk}/").content.decode()
        assert "outside Trackside" not in page

    def test_every_field_can_be_changed(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        runner = Runner.objects.get(account=acme, name="linux-8core-ci")
        image = (
            Image.objects.present()
            .filter(account=acme, source="custom", platform="linux-x64")
            .earliest("pk")
        )
        group = RunnerGroup.objects.filter(account=acme, default=False).earliest("pk")
        fields = form_of(as_admin, f"/runners/{runner.pk}/edit/")
        fields.pop("enable_static_ip", None)
        fields |= {
            "name": "renamed",
            "image": f"custom:{image.github_id}",
            "image_version": image.latest_version,
            "size": "16-core",
            "group": str(group.github_id),
            "maximum_runners": "9",
            "image_gen": "on",
        }
        assert as_admin.post(f"/runners/{runner.pk}/edit/", fields).status_code == 302
        work(acme)
        assert Operation.objects.get().state == "confirmed", Operation.objects.get().reason
        runner.refresh_from_db()
        assert (runner.name, runner.size, runner.group_id) == (
            "renamed",
            "16-core",
            group.github_id,
        )
        assert (runner.image_source, runner.image_id) == ("custom", image.github_id)
        assert (runner.image_version, runner.static_ip) == (image.latest_version, False)
        assert (runner.maximum_runners, runner.image_gen) == (9, True)

    def test_an_old_name_with_spaces_stays_editable(
        self, as_admin: Client, acme: Account, work: Work
    ) -> None:
        runner = Runner.objects.filter(account=acme, name__contains=" ").earliest("pk")
        fields = {**form_of(as_admin, f"/runners/{runner.pk}/edit/"), "maximum_runners": "4"}
        assert as_admin.post(f"/runners/{runner.pk}/edit/", fields).status_code == 302
        work(acme)
        assert Operation.objects.get().state == "confirmed"

    def test_a_conflicting_edit_by_a_colleague_is_shown_and_not_overwritten(
        self, as_admin: Client, acme: Account, work: Work
    ) -> None:
        runner = Runner.objects.get(account=acme, name="linux-8core-ci")
        mine = {**form_of(as_admin, f"/runners/{runner.pk}/edit/"), "maximum_runners": "11"}
        theirs = {**form_of(as_admin, f"/runners/{runner.pk}/edit/"), "maximum_runners": "22"}
        as_admin.post(f"/runners/{runner.pk}/edit/", theirs)
        work(acme)
        response = as_admin.post(f"/runners/{runner.pk}/edit/", mine)
        assert response.status_code == 409
        assert response.context["conflict"] == {"maximum_runners": [22, runner.maximum_runners, 11]}
        assert Operation.objects.count() == 1

    def test_a_change_at_github_after_the_form_was_opened_stops_the_write(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        runner = Runner.objects.get(account=acme, name="linux-8core-ci")
        fields = {**form_of(as_admin, f"/runners/{runner.pk}/edit/"), "maximum_runners": "11"}
        simulator.change_runner("organization", "acme", runner.github_id, maximum_runners=44)
        as_admin.post(f"/runners/{runner.pk}/edit/", fields)
        work(acme)
        operation = Operation.objects.get()
        assert operation.state == "cancelled"
        assert operation.conflict == {"maximum_runners": [44, runner.maximum_runners, 11]}
        assert not simulator.requests("PATCH")
        assert (
            "Edit and send again" in as_admin.get(f"/operations/{operation.pk}/").content.decode()
        )
        again = as_admin.get(f"/runners/{runner.pk}/edit/?again={operation.pk}")
        assert again.context["form"]["maximum_runners"].value() == 11
        assert again.context["conflict"] == {"maximum_runners": [44, runner.maximum_runners, 11]}
        assert "Changed on GitHub since you first requested this" in again.content.decode()

    def test_a_form_with_a_tampered_base_is_refused(self, as_admin: Client, acme: Account) -> None:
        runner = Runner.objects.get(account=acme, name="linux-8core-ci")
        fields = {
            **form_of(as_admin, f"/runners/{runner.pk}/edit/"),
            "base": "made-up",
            "maximum_runners": "11",
        }
        assert as_admin.post(f"/runners/{runner.pk}/edit/", fields).status_code == 422


class TestDelete:
    def test_deleting_requires_the_name_and_lists_what_breaks(
        self, as_admin: Client, acme: Account
    ) -> None:
        runner = next(
            row for row in Runner.objects.filter(account=acme, static_ip=True) if row.public_ips
        )
        page = as_admin.get(f"/runners/{runner.pk}/delete/")
        assert runner.ip_ranges[0] in page.content.decode()
        fields = {"nonce": page.context["form"]["nonce"].value(), "typed": "something else"}
        assert as_admin.post(f"/runners/{runner.pk}/delete/", fields).status_code == 422
        assert not Operation.objects.exists()

    def test_a_deletion_is_confirmed_by_a_404_and_the_list(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        runner = Runner.objects.get(account=acme, name="linux-8core-ci")
        nonce = form_of(as_admin, f"/runners/{runner.pk}/delete/")["nonce"]
        as_admin.post(f"/runners/{runner.pk}/delete/", {"nonce": nonce, "typed": runner.name})
        work(acme)
        operation = Operation.objects.get()
        runner.refresh_from_db()
        assert (operation.state, runner.status) == ("observing", "Deleting")
        simulator.advance(600)
        Operation.objects.update(next_step_at=operation.requested_at)
        work(acme)
        operation.refresh_from_db()
        runner.refresh_from_db()
        assert operation.state == "confirmed"
        assert runner.gone_at is not None
        assert "Gone from GitHub" in as_admin.get(f"/runners/{runner.pk}/").content.decode()

    def test_deleting_a_runner_that_is_already_gone_succeeds(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        runner = Runner.objects.get(account=acme, name="linux-8core-ci")
        nonce = form_of(as_admin, f"/runners/{runner.pk}/delete/")["nonce"]
        as_admin.post(f"/runners/{runner.pk}/delete/", {"nonce": nonce, "typed": runner.name})
        simulator.delete_runner("organization", "acme", runner.github_id)
        work(acme)
        assert Operation.objects.get().state == "confirmed"


@pytest.mark.parametrize("address", ["/runners/", "/runners/name/", "/operations/"])
def test_read_only_pages_reject_post(as_admin: Client, address: str) -> None:
    assert as_admin.post(address).status_code == 405
