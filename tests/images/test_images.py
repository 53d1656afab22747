"""Image pages through Django's client, backed by the simulator."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from runners_app.models import (
    Account,
    FieldChange,
    Image,
    ImageVersion,
    MachineSize,
    Membership,
    Operation,
    Reading,
    Runner,
)
from tests.queries import queries
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
POLL = {"HX-Request": "true"}


def custom(account: Account, name: str = "golden-linux") -> Image:
    return Image.objects.get(account=account, source="custom", name=name)


def version_of(image: Image, version: str) -> ImageVersion:
    return ImageVersion.objects.get(image=image, version=version)


def text(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def delete_form(client: Client, address: str) -> dict[str, str]:
    form = client.get(address).context["form"]
    return {"nonce": str(form["nonce"].value()), "typed": form.expected}


def add_images(account: Account, count: int, **values: object) -> None:
    now = timezone.now()
    fields = {
        "source": "custom",
        "platform": "linux-x64",
        "state": "Ready",
        "observed_at": now,
        "first_seen_at": now,
    }
    Image.objects.bulk_create(
        Image(
            account=account,
            github_id=str(70_000 + number),
            name=f"more-{number:03}",
            **{**fields, **values},
        )
        for number in range(count)
    )


class TestList:
    def test_it_opens_with_the_custom_images_of_all_accounts(
        self, as_admin: Client, acme: Account, globex: Account
    ) -> None:
        rows = as_admin.get("/images/").context["page"].rows
        assert {row.source for row in rows} == {"custom"}
        assert {row.account for row in rows} == {acme, globex}

    def test_a_team_lead_sees_only_their_accounts(
        self, as_lead: Client, lead: User, acme: Account, globex: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        for source in ("custom", "github", "partner"):
            assert {
                row.account
                for row in as_lead.get("/images/", {"source": source}).context["page"].rows
            } == {acme}
            assert "globex" not in text(as_lead, "/images/", source=source)

    def test_a_user_without_access_sees_an_explanation(
        self, as_lead: Client, globex: Account
    ) -> None:
        page = text(as_lead, "/images/")
        assert "You don't have access to any organization yet" in page
        assert "golden-linux" not in page
        assert "globex" not in page

    def test_a_github_image_is_one_row_for_all_accounts(
        self, as_admin: Client, acme: Account, globex: Account
    ) -> None:
        context = as_admin.get("/images/?source=github").context
        ids = [row.github_id for row in context["page"].rows]
        assert len(ids) == len(set(ids)) == context["total"]
        assert {row.offered_in for row in context["page"].rows} == {2}
        assert ("github", "GitHub", len(ids)) in context["tabs"]
        assert "2 accounts" in text(as_admin, "/images/", source="github")

    def test_it_counts_the_runners_on_an_image_and_links_to_them(
        self, as_admin: Client, acme: Account, globex: Account
    ) -> None:
        image = custom(acme)
        users = Runner.objects.filter(account=acme, image_source="custom", image_id=image.github_id)
        rows = {row.pk: row for row in as_admin.get("/images/").context["page"].rows}
        assert rows[image.pk].used_by == users.count() > 0
        assert "/runners/?account=acme&amp;image=golden-linux" in text(as_admin, "/images/")
        linked = as_admin.get("/runners/?account=acme&image=golden-linux").context["page"].rows
        assert {row.pk for row in linked} == set(users.values_list("pk", flat=True))

    def test_the_runner_count_matches_the_list_it_links_to(
        self, as_admin: Client, acme: Account, globex: Account
    ) -> None:
        for query in ({}, {"account": "acme"}, {"account": "acme\0"}):
            for row in as_admin.get("/images/", {"source": "github", **query}).context["page"].rows:
                linked = as_admin.get("/runners/", {"image": row.name, **query})
                assert linked.context["total"] == row.used_by

    @pytest.mark.parametrize(
        ("query", "rows"),
        [
            ("platform=win-x64", {"platform": "win-x64"}),
            ("q=platform:win-x64", {"platform": "win-x64"}),
            ("state=ready", {"state": "Ready"}),
            ("q=state:Failed", {"state": "Failed"}),
            ("account=ACME", {"account__slug": "acme"}),
            ("q=org:globex+golden", {"account__slug": "globex", "name__icontains": "golden"}),
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
        Image.objects.filter(account=acme, name="cuda-12").update(state="Failed")
        Image.objects.filter(account=acme, name="android-sdk").update(state="Failed")
        shown = as_admin.get(f"/images/?{query}").context["page"].rows
        wanted = Image.objects.filter(source="custom", **rows).values_list("pk", flat=True)
        assert {row.pk for row in shown} == set(wanted) != set()

    def test_gone_images_are_listed_only_with_the_gone_filter(
        self, as_admin: Client, acme: Account
    ) -> None:
        image = custom(acme)
        Image.objects.filter(pk=image.pk).update(gone_at=timezone.now())
        cache.clear()
        assert image not in as_admin.get("/images/").context["page"].rows
        for query in ("state=gone", "q=state:gone"):
            assert as_admin.get(f"/images/?{query}").context["page"].rows == [image]

    @pytest.mark.parametrize("sort", ["name", "-name", "size", "-versions", "state", "platform"])
    def test_paging_by_key_shows_every_image_once(
        self, as_admin: Client, acme: Account, sort: str
    ) -> None:
        add_images(acme, 120)
        page = as_admin.get("/images/", {"sort": sort}).context["page"]
        seen = [row.pk for row in page.rows]
        while page.after:
            page = as_admin.get("/images/", {"sort": sort, "after": page.after}).context["page"]
            seen += [row.pk for row in page.rows]
        assert sorted(seen) == sorted(
            Image.objects.filter(source="custom").values_list("pk", flat=True)
        )

    @pytest.mark.parametrize("source", ["custom", "github"])
    def test_more_rows_take_no_more_queries(
        self, as_admin: Client, acme: Account, source: str
    ) -> None:
        small = queries(as_admin, f"/images/?source={source}")
        add_images(acme, 120, source=source)
        assert queries(as_admin, f"/images/?source={source}") <= small <= 9

    def test_a_poll_with_the_current_version_is_answered_without_content(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        version = as_admin.get("/images/").context["version"]
        assert as_admin.get("/images/", {"version": version}, headers=POLL).status_code == 204
        Account.objects.filter(pk=acme.pk).update(version=acme.version + 1)
        answer = as_admin.get("/images/", {"version": version}, headers=POLL)
        assert answer.status_code == 200
        assert answer.content.strip().startswith(b"<div")
        assert b"<html" not in answer.content

    @pytest.mark.parametrize(
        "query", ["q=%00", "after=zzz", "source=moon", "sort=-nothing", "platform=%ff", "q=a:b"]
    )
    def test_invalid_parameters_never_break_the_page(
        self, as_admin: Client, acme: Account, query: str
    ) -> None:
        assert as_admin.get(f"/images/?{query}").status_code == 200

    def test_empty_lists_say_why_they_are_empty(self, as_admin: Client, acme: Account) -> None:
        assert "No image matches" in text(as_admin, "/images/", q="nothing-like-it")
        Image.objects.all().delete()
        cache.clear()
        assert "No custom images yet" in text(as_admin, "/images/")
        acme.readings.filter(resource="custom_images").update(last_good_at=None)
        assert "Being read for the first time" in text(as_admin, "/images/")
        acme.readings.filter(resource="custom_images").update(
            error="permission", error_message="No right to see them."
        )
        page = text(as_admin, "/images/")
        assert "This could not be read" in page
        assert "No right to see them." in page

    def test_a_failing_account_is_reported_and_the_others_stay(
        self, as_admin: Client, acme: Account, globex: Account
    ) -> None:
        acme.readings.filter(resource="custom_images").update(
            error="permission", error_message="No right to see them."
        )
        page = text(as_admin, "/images/")
        assert "acme: Custom images cannot be read" in page
        assert "globex" in page
        assert "No right to see them." not in text(as_admin, "/images/", source="github")

    def test_refreshing_schedules_a_reading_of_all_visible_images(
        self, as_lead: Client, lead: User, acme: Account, globex: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        before = dict(globex.readings.values_list("resource", "due_at"))
        assert as_lead.post("/images/refresh/").status_code == 302
        assert acme.readings.filter(resource="custom_images", due_at__lte=timezone.now()).exists()
        assert dict(globex.readings.values_list("resource", "due_at")) == before


class TestDetail:
    def test_it_shows_facts_versions_and_the_runners_on_it(
        self, as_admin: Client, acme: Account
    ) -> None:
        image = custom(acme)
        page = text(as_admin, f"/images/{image.pk}/")
        for version in image.versions.all():
            assert f">{version}<" in page
        pinned = Runner.objects.get(account=acme, name="golden-linux-16core")
        following = Runner.objects.get(account=acme, name="golden-linux-latest")
        assert {runner.pk for runner in as_admin.get(f"/images/{image.pk}/").context["users"]} == {
            pinned.pk,
            following.pk,
        }
        assert "Pinned" in page
        versions = as_admin.get(f"/images/{image.pk}/").context["versions"]
        assert {each.version: [runner.name for runner in each.pinned] for each in versions}[
            "1.2.0"
        ] == [pinned.name]
        assert f"/images/{image.pk}/delete/" in page

    def test_a_viewer_sees_no_buttons_and_is_told_whom_to_ask(
        self, as_lead: Client, lead: User, acme: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        page = text(as_lead, f"/images/{custom(acme).pk}/")
        assert "golden-linux-16core" in page
        assert "/delete/" not in page
        assert "ask an administrator" in page

    def test_it_is_not_found_by_users_without_access(self, as_lead: Client, acme: Account) -> None:
        image = custom(acme)
        version = version_of(image, "1.0.0")
        for address in ("", "delete/", f"versions/{version.pk}/delete/"):
            assert as_lead.get(f"/images/{image.pk}/{address}").status_code == 404

    def test_a_github_image_lists_the_visible_accounts_it_is_offered_to(
        self, as_lead: Client, lead: User, acme: Account, globex: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        image = Image.objects.filter(account=acme, source="github").first()
        assert image is not None
        page = text(as_lead, f"/images/{image.pk}/")
        assert "globex" not in page
        Membership.objects.create(user=lead, account=globex)
        context = as_lead.get(f"/images/{image.pk}/").context
        assert [each.account.slug for each in context["offered"]] == ["acme", "globex"]

    def test_the_history_covers_the_image_and_its_versions(
        self, as_admin: Client, acme: Account
    ) -> None:
        image = custom(acme)
        version = version_of(image, "1.0.0")
        now = timezone.now()
        for item, pk, field in (
            ("image", image.pk, "latest_version"),
            ("image_version", version.pk, "state"),
        ):
            FieldChange.objects.create(
                account=acme,
                item=item,
                item_pk=pk,
                field=field,
                before="Ready",
                after="Disabled",
                at=now,
            )
        FieldChange.objects.create(
            account=acme, item="group", item_pk=image.pk, field="name", before="x", at=now
        )
        page = text(as_admin, f"/images/{image.pk}/")
        assert "Version 1.0.0: State" in page
        assert "Latest version" in page
        assert len(as_admin.get(f"/images/{image.pk}/").context["changes"]) == 2

    def test_a_gone_image_says_so_and_has_no_buttons(self, as_admin: Client, acme: Account) -> None:
        image = custom(acme)
        Image.objects.filter(pk=image.pk).update(gone_at=timezone.now())
        page = text(as_admin, f"/images/{image.pk}/")
        assert "No longer offered" in page
        assert "Runners still use it" in page
        assert "/delete/" not in page
        assert as_admin.get(f"/images/{image.pk}/delete/").status_code == 404

    @pytest.mark.parametrize("source", ["custom", "github"])
    def test_it_takes_at_most_nine_queries_for_any_number_of_users(
        self,
        as_lead: Client,
        lead: User,
        acme: Account,
        simulator: SimulatorHandle,
        work: Work,
        source: str,
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        image = (
            Image.objects.filter(account=acme, source=source, platform="linux-x64")
            .order_by("name")
            .last()
        )
        assert image is not None
        small = queries(as_lead, f"/images/{image.pk}/")
        Runner.objects.filter(account=acme).update(image_source=source, image_id=image.github_id)
        assert queries(as_lead, f"/images/{image.pk}/") <= small <= 9

    def test_a_poll_is_empty_until_an_operation_is_requested(
        self, as_admin: Client, acme: Account
    ) -> None:
        image = custom(acme, "cuda-12")
        version = as_admin.get(f"/images/{image.pk}/").context["version"]
        assert (
            as_admin.get(f"/images/{image.pk}/", {"version": version}, headers=POLL).status_code
            == 204
        )
        as_admin.post(
            f"/images/{image.pk}/delete/", delete_form(as_admin, f"/images/{image.pk}/delete/")
        )
        answer = as_admin.get(f"/images/{image.pk}/", {"version": version}, headers=POLL)
        assert answer.status_code == 200
        assert b"Deletion requested" in answer.content
        assert b"<html" not in answer.content


class TestDelete:
    def test_it_lists_what_breaks_before_anything_is_typed(
        self, as_admin: Client, acme: Account
    ) -> None:
        page = text(as_admin, f"/images/{custom(acme).pk}/delete/")
        assert "2 runners use this image" in page
        assert "golden-linux-16core" in page
        assert "4 versions are deleted" in page

    @pytest.mark.parametrize("typed", ["", "golden", "GOLDEN-LINUX"])
    def test_typing_another_name_deletes_nothing(
        self, as_admin: Client, acme: Account, typed: str
    ) -> None:
        address = f"/images/{custom(acme).pk}/delete/"
        response = as_admin.post(address, {**delete_form(as_admin, address), "typed": typed})
        assert response.status_code == 422
        assert not Operation.objects.exists()

    def test_only_managers_can_request_it(self, as_lead: Client, lead: User, acme: Account) -> None:
        image = custom(acme, "cuda-12")
        version = version_of(image, "1.0.0")
        addresses = (
            f"/images/{image.pk}/delete/",
            f"/images/{image.pk}/versions/{version.pk}/delete/",
        )
        membership = Membership.objects.create(user=lead, account=acme)
        for address in addresses:
            assert as_lead.get(address).status_code == 403
            assert as_lead.post(address, {"typed": "cuda-12"}).status_code == 403
        assert not Operation.objects.exists()
        Membership.objects.filter(pk=membership.pk).update(role="manager")
        for address in addresses:
            assert as_lead.get(address).status_code == 200
        Account.objects.filter(pk=acme.pk).update(observe_only=True)
        for address in addresses:
            assert as_lead.get(address).status_code == 403

    def test_github_and_partner_images_cannot_be_deleted(
        self, as_admin: Client, acme: Account
    ) -> None:
        for source in ("github", "partner"):
            image = Image.objects.filter(account=acme, source=source).first()
            assert image is not None
            assert as_admin.get(f"/images/{image.pk}/delete/").status_code == 404
            assert (
                as_admin.post(f"/images/{image.pk}/delete/", {"typed": image.name}).status_code
                == 404
            )

    def test_an_unused_image_is_deleted_and_then_gone(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        image = custom(acme, "arm-toolchain")
        address = f"/images/{image.pk}/delete/"
        form = delete_form(as_admin, address)
        response = as_admin.post(address, form)
        operation = Operation.objects.get(nonce=form["nonce"])
        assert response.headers["Location"] == f"/operations/{operation.pk}/"
        assert operation.state == "requested"
        assert "Deletion requested" in text(as_admin, f"/images/{image.pk}/")
        assert "Deletion requested" in text(as_admin, "/images/")
        work(acme)
        simulator.advance(60)
        Operation.objects.filter(state="observing").update(next_step_at=timezone.now())
        work(acme)
        operation.refresh_from_db()
        assert operation.state == "confirmed", operation.reason
        image.refresh_from_db()
        assert image.gone_at is not None
        assert (
            len(
                simulator.requests(
                    "DELETE", f"/orgs/acme/actions/hosted-runners/images/custom/{image.github_id}"
                )
            )
            == 1
        )
        assert "arm-toolchain" not in text(as_admin, "/images/")
        assert "arm-toolchain" in text(as_admin, "/images/", state="gone")

    def test_a_form_sent_twice_creates_one_deletion(self, as_admin: Client, acme: Account) -> None:
        address = f"/images/{custom(acme, 'cuda-12').pk}/delete/"
        form = delete_form(as_admin, address)
        assert (
            as_admin.post(address, form).headers["Location"]
            == as_admin.post(address, form).headers["Location"]
        )
        assert Operation.objects.count() == 1
        assert "A deletion was already requested" in text(as_admin, address)

    def test_an_image_in_use_stays_with_githubs_reason(
        self, as_admin: Client, acme: Account, work: Work
    ) -> None:
        image = custom(acme)
        address = f"/images/{image.pk}/delete/"
        where = as_admin.post(address, delete_form(as_admin, address)).headers["Location"]
        work(acme)
        assert Operation.objects.get().state == "rejected"
        assert "The image is used by golden-linux-16core" in text(as_admin, where)
        image.refresh_from_db()
        assert image.gone_at is None
        assert f"/images/{image.pk}/delete/" in text(as_admin, f"/images/{image.pk}/")

    def test_one_version_is_deleted_and_the_others_stay(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        image = custom(acme)
        version = version_of(image, "1.0.0")
        address = f"/images/{image.pk}/versions/{version.pk}/delete/"
        assert "No runner is pinned to this version" in text(as_admin, address)
        assert (
            as_admin.post(
                address, {**delete_form(as_admin, address), "typed": "golden-linux"}
            ).status_code
            == 422
        )
        as_admin.post(address, delete_form(as_admin, address))
        work(acme)
        simulator.advance(60)
        Operation.objects.filter(state="observing").update(next_step_at=timezone.now())
        work(acme)
        operation = Operation.objects.get()
        assert operation.state == "confirmed", operation.reason
        shown = as_admin.get(f"/images/{image.pk}/").context["versions"]
        assert [each.version for each in shown] == ["1.3.0", "1.2.0", "1.1.0"]
        assert as_admin.get(address).status_code == 404

    def test_a_version_lists_pinned_runners_and_followers_of_the_latest(
        self, as_admin: Client, acme: Account
    ) -> None:
        image = custom(acme)
        pinned = text(
            as_admin, f"/images/{image.pk}/versions/{version_of(image, '1.2.0').pk}/delete/"
        )
        assert "1 runner is pinned to this version" in pinned
        assert "golden-linux-16core" in pinned
        latest = text(
            as_admin, f"/images/{image.pk}/versions/{version_of(image, '1.3.0').pk}/delete/"
        )
        assert "the one before it becomes the latest" in latest
        assert "golden-linux-latest" in latest

    def test_a_version_of_another_image_is_not_found(self, as_admin: Client, acme: Account) -> None:
        other = version_of(custom(acme, "golden-windows"), "1.0.0")
        assert (
            as_admin.get(f"/images/{custom(acme).pk}/versions/{other.pk}/delete/").status_code
            == 404
        )


class TestMachineSizes:
    def test_it_lists_where_each_size_is_offered(
        self, as_admin: Client, acme: Account, globex: Account
    ) -> None:
        MachineSize.objects.filter(account=globex, github_id="96-core").delete()
        sizes = {
            size["github_id"]: size for size in as_admin.get("/images/sizes/").context["sizes"]
        }
        assert sizes["8-core"]["names"] == []
        assert sizes["96-core"]["names"] == ["acme"]
        assert sizes["8-core"]["used_by"] == Runner.objects.filter(size="8-core").count()
        assert "all 2 accounts" in text(as_admin, "/images/sizes/")

    def test_a_team_lead_sees_the_sizes_of_their_accounts(
        self, as_lead: Client, lead: User, acme: Account, globex: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        assert "globex" not in text(as_lead, "/images/sizes/")
        assert as_lead.get("/images/sizes/?account=globex").context["sizes"] == []

    def test_more_accounts_take_no_more_queries(
        self, as_admin: Client, acme: Account, globex: Account
    ) -> None:
        assert (
            queries(as_admin, "/images/sizes/?account=acme")
            == queries(as_admin, "/images/sizes/")
            <= 8
        )


@pytest.mark.parametrize("address", ["/images/", "/images/sizes/"])
def test_read_only_pages_reject_post(as_admin: Client, address: str) -> None:
    assert as_admin.post(address).status_code == 405


def test_a_version_appears_after_it_was_read(as_admin: Client, acme: Account, work: Work) -> None:
    """The pages show only what readings stored."""
    image = custom(acme)
    ImageVersion.objects.filter(image=image, version="1.3.0").delete()
    acme.credential.cached_responses.all().delete()
    Reading.objects.schedule_now(acme, "image_versions")
    work(acme)
    assert "1.3.0" in [
        each.version for each in as_admin.get(f"/images/{image.pk}/").context["versions"]
    ]
