"""Image pages, through Django's client, with a real simulator behind."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
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


def queries(client: Client, address: str) -> int:
    cache.clear()
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


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
        self, client: Client, admin: User, acme: Account, globex: Account
    ) -> None:
        client.force_login(admin)
        rows = client.get("/images/").context["page"].rows
        assert {row.source for row in rows} == {"custom"}
        assert {row.account for row in rows} == {acme, globex}

    def test_a_team_lead_sees_only_the_accounts_given_to_them(
        self, client: Client, lead: User, acme: Account, globex: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        client.force_login(lead)
        for source in ("custom", "github", "partner"):
            assert {
                row.account
                for row in client.get("/images/", {"source": source}).context["page"].rows
            } == {acme}
            assert "globex" not in text(client, "/images/", source=source)

    def test_a_stranger_sees_nothing_and_is_told_why(
        self, client: Client, lead: User, globex: Account
    ) -> None:
        client.force_login(lead)
        page = text(client, "/images/")
        assert "You were given no organization yet" in page
        assert "golden-linux" not in page
        assert "globex" not in page

    def test_an_image_of_github_is_one_row_however_many_accounts_are_offered_it(
        self, client: Client, admin: User, acme: Account, globex: Account
    ) -> None:
        client.force_login(admin)
        context = client.get("/images/?source=github").context
        ids = [row.github_id for row in context["page"].rows]
        assert len(ids) == len(set(ids)) == context["total"]
        assert {row.offered_in for row in context["page"].rows} == {2}
        assert ("github", "GitHub", len(ids)) in context["tabs"]
        assert "2 accounts" in text(client, "/images/", source="github")

    def test_it_counts_the_runners_on_an_image_and_links_to_them(
        self, client: Client, admin: User, acme: Account, globex: Account
    ) -> None:
        client.force_login(admin)
        image = custom(acme)
        users = Runner.objects.filter(account=acme, image_source="custom", image_id=image.github_id)
        rows = {row.pk: row for row in client.get("/images/").context["page"].rows}
        assert rows[image.pk].used_by == users.count() > 0
        assert "/runners/?account=acme&amp;image=golden-linux" in text(client, "/images/")
        linked = client.get("/runners/?account=acme&image=golden-linux").context["page"].rows
        assert {row.pk for row in linked} == set(users.values_list("pk", flat=True))

    def test_the_count_of_a_shared_image_is_that_of_the_list_it_links_to(
        self, client: Client, admin: User, acme: Account, globex: Account
    ) -> None:
        client.force_login(admin)
        for query in ({}, {"account": "acme"}, {"account": "acme\0"}):
            for row in client.get("/images/", {"source": "github", **query}).context["page"].rows:
                linked = client.get("/runners/", {"image": row.name, **query})
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
    def test_filters_live_in_the_address_and_in_the_search_box(
        self,
        client: Client,
        admin: User,
        acme: Account,
        globex: Account,
        query: str,
        rows: dict[str, object],
    ) -> None:
        Image.objects.filter(account=acme, name="cuda-12").update(state="Failed")
        Image.objects.filter(account=acme, name="android-sdk").update(state="Failed")
        client.force_login(admin)
        shown = client.get(f"/images/?{query}").context["page"].rows
        wanted = Image.objects.filter(source="custom", **rows).values_list("pk", flat=True)
        assert {row.pk for row in shown} == set(wanted) != set()

    def test_images_that_are_gone_are_shown_only_when_asked_for(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        image = custom(acme)
        Image.objects.filter(pk=image.pk).update(gone_at=timezone.now())
        cache.clear()
        assert image not in client.get("/images/").context["page"].rows
        for query in ("state=gone", "q=state:gone"):
            assert client.get(f"/images/?{query}").context["page"].rows == [image]

    @pytest.mark.parametrize("sort", ["name", "-name", "size", "-versions", "state", "platform"])
    def test_paging_by_key_shows_every_image_once(
        self, client: Client, admin: User, acme: Account, sort: str
    ) -> None:
        add_images(acme, 120)
        client.force_login(admin)
        page = client.get("/images/", {"sort": sort}).context["page"]
        seen = [row.pk for row in page.rows]
        while page.after:
            page = client.get("/images/", {"sort": sort, "after": page.after}).context["page"]
            seen += [row.pk for row in page.rows]
        assert sorted(seen) == sorted(
            Image.objects.filter(source="custom").values_list("pk", flat=True)
        )

    @pytest.mark.parametrize("source", ["custom", "github"])
    def test_more_rows_cost_no_more_queries(
        self, client: Client, admin: User, acme: Account, source: str
    ) -> None:
        client.force_login(admin)
        few = queries(client, f"/images/?source={source}")
        add_images(acme, 120, source=source)
        assert queries(client, f"/images/?source={source}") <= few <= 8

    def test_a_poll_that_has_the_version_already_is_answered_without_content(
        self, client: Client, admin: User, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        client.force_login(admin)
        version = client.get("/images/").context["version"]
        assert client.get("/images/", {"version": version}, headers=POLL).status_code == 204
        Account.objects.filter(pk=acme.pk).update(version=acme.version + 1)
        answer = client.get("/images/", {"version": version}, headers=POLL)
        assert answer.status_code == 200
        assert answer.content.strip().startswith(b"<div")
        assert b"<html" not in answer.content

    @pytest.mark.parametrize(
        "query", ["q=%00", "after=zzz", "source=moon", "sort=-nothing", "platform=%ff", "q=a:b"]
    )
    def test_nonsense_in_the_address_never_breaks_the_page(
        self, client: Client, admin: User, acme: Account, query: str
    ) -> None:
        client.force_login(admin)
        assert client.get(f"/images/?{query}").status_code == 200

    def test_empty_lists_say_why_they_are_empty(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        assert "No image matches" in text(client, "/images/", q="nothing-like-it")
        Image.objects.all().delete()
        cache.clear()
        assert "No custom images yet" in text(client, "/images/")
        acme.readings.filter(resource="custom_images").update(last_good_at=None)
        assert "Being read for the first time" in text(client, "/images/")
        acme.readings.filter(resource="custom_images").update(
            error="permission", error_message="No right to see them."
        )
        page = text(client, "/images/")
        assert "This could not be read" in page
        assert "No right to see them." in page

    def test_a_failing_account_says_so_and_the_rest_stays(
        self, client: Client, admin: User, acme: Account, globex: Account
    ) -> None:
        acme.readings.filter(resource="custom_images").update(
            error="permission", error_message="No right to see them."
        )
        client.force_login(admin)
        page = text(client, "/images/")
        assert "acme: Custom images cannot be read" in page
        assert "globex" in page
        assert "No right to see them." not in text(client, "/images/", source="github")

    def test_refreshing_reads_the_images_of_visible_accounts_again(
        self, client: Client, lead: User, acme: Account, globex: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        before = dict(globex.readings.values_list("resource", "due_at"))
        client.force_login(lead)
        assert client.post("/images/refresh/").status_code == 302
        assert acme.readings.filter(resource="custom_images", due_at__lte=timezone.now()).exists()
        assert dict(globex.readings.values_list("resource", "due_at")) == before


class TestDetail:
    def test_it_shows_facts_versions_and_the_runners_that_use_it(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        image = custom(acme)
        page = text(client, f"/images/{image.pk}/")
        for version in image.versions.all():
            assert f">{version}<" in page
        pinned = Runner.objects.get(account=acme, name="golden-linux-16core")
        following = Runner.objects.get(account=acme, name="golden-linux-latest")
        assert {runner.pk for runner in client.get(f"/images/{image.pk}/").context["users"]} == {
            pinned.pk,
            following.pk,
        }
        assert "Pinned" in page
        versions = client.get(f"/images/{image.pk}/").context["versions"]
        assert {each.version: [runner.name for runner in each.pinned] for each in versions}[
            "1.2.0"
        ] == [pinned.name]
        assert f"/images/{image.pk}/delete/" in page

    def test_a_viewer_sees_it_without_buttons_and_is_told_whom_to_ask(
        self, client: Client, lead: User, acme: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        client.force_login(lead)
        page = text(client, f"/images/{custom(acme).pk}/")
        assert "golden-linux-16core" in page
        assert "/delete/" not in page
        assert "ask an administrator" in page

    def test_a_stranger_is_told_it_does_not_exist(
        self, client: Client, lead: User, acme: Account
    ) -> None:
        client.force_login(lead)
        image = custom(acme)
        version = version_of(image, "1.0.0")
        for address in ("", "delete/", f"versions/{version.pk}/delete/"):
            assert client.get(f"/images/{image.pk}/{address}").status_code == 404

    def test_an_image_of_github_names_the_accounts_one_may_see_that_are_offered_it(
        self, client: Client, lead: User, acme: Account, globex: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        client.force_login(lead)
        image = Image.objects.filter(account=acme, source="github").first()
        assert image is not None
        page = text(client, f"/images/{image.pk}/")
        assert "globex" not in page
        Membership.objects.create(user=lead, account=globex)
        context = client.get(f"/images/{image.pk}/").context
        assert [each.account.slug for each in context["offered"]] == ["acme", "globex"]

    def test_history_tells_of_the_image_and_of_its_versions(
        self, client: Client, admin: User, acme: Account
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
        client.force_login(admin)
        page = text(client, f"/images/{image.pk}/")
        assert "Version 1.0.0: State" in page
        assert "Latest version" in page
        assert len(client.get(f"/images/{image.pk}/").context["changes"]) == 2

    def test_an_image_that_is_gone_says_so_and_offers_nothing(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        image = custom(acme)
        Image.objects.filter(pk=image.pk).update(gone_at=timezone.now())
        client.force_login(admin)
        page = text(client, f"/images/{image.pk}/")
        assert "No longer offered" in page
        assert "Runners still use it" in page
        assert "/delete/" not in page
        assert client.get(f"/images/{image.pk}/delete/").status_code == 404

    @pytest.mark.parametrize("source", ["custom", "github"])
    def test_it_costs_at_most_eight_queries_however_much_uses_it(
        self,
        client: Client,
        lead: User,
        acme: Account,
        simulator: SimulatorHandle,
        work: Work,
        source: str,
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        client.force_login(lead)
        image = (
            Image.objects.filter(account=acme, source=source, platform="linux-x64")
            .order_by("name")
            .last()
        )
        assert image is not None
        few = queries(client, f"/images/{image.pk}/")
        Runner.objects.filter(account=acme).update(image_source=source, image_id=image.github_id)
        assert queries(client, f"/images/{image.pk}/") <= few <= 8

    def test_a_poll_answers_nothing_until_something_is_asked_for(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        image = custom(acme, "cuda-12")
        version = client.get(f"/images/{image.pk}/").context["version"]
        assert (
            client.get(f"/images/{image.pk}/", {"version": version}, headers=POLL).status_code
            == 204
        )
        client.post(
            f"/images/{image.pk}/delete/", delete_form(client, f"/images/{image.pk}/delete/")
        )
        answer = client.get(f"/images/{image.pk}/", {"version": version}, headers=POLL)
        assert answer.status_code == 200
        assert b"Deletion asked for" in answer.content
        assert b"<html" not in answer.content


class TestDelete:
    def test_it_shows_what_breaks_before_anything_is_typed(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        page = text(client, f"/images/{custom(acme).pk}/delete/")
        assert "2 runners use this image" in page
        assert "golden-linux-16core" in page
        assert "4 versions are lost" in page

    @pytest.mark.parametrize("typed", ["", "golden", "GOLDEN-LINUX"])
    def test_another_name_deletes_nothing(
        self, client: Client, admin: User, acme: Account, typed: str
    ) -> None:
        client.force_login(admin)
        address = f"/images/{custom(acme).pk}/delete/"
        response = client.post(address, {**delete_form(client, address), "typed": typed})
        assert response.status_code == 422
        assert not Operation.objects.exists()

    def test_only_managers_may_ask_for_it(self, client: Client, lead: User, acme: Account) -> None:
        image = custom(acme, "cuda-12")
        version = version_of(image, "1.0.0")
        addresses = (
            f"/images/{image.pk}/delete/",
            f"/images/{image.pk}/versions/{version.pk}/delete/",
        )
        membership = Membership.objects.create(user=lead, account=acme)
        client.force_login(lead)
        for address in addresses:
            assert client.get(address).status_code == 403
            assert client.post(address, {"typed": "cuda-12"}).status_code == 403
        assert not Operation.objects.exists()
        Membership.objects.filter(pk=membership.pk).update(role="manager")
        for address in addresses:
            assert client.get(address).status_code == 200
        Account.objects.filter(pk=acme.pk).update(observe_only=True)
        for address in addresses:
            assert client.get(address).status_code == 403

    def test_images_of_github_and_partners_cannot_be_deleted(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        for source in ("github", "partner"):
            image = Image.objects.filter(account=acme, source=source).first()
            assert image is not None
            assert client.get(f"/images/{image.pk}/delete/").status_code == 404
            assert (
                client.post(f"/images/{image.pk}/delete/", {"typed": image.name}).status_code == 404
            )

    def test_an_unused_image_is_deleted_and_seen_to_be_gone(
        self, client: Client, admin: User, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        client.force_login(admin)
        image = custom(acme, "arm-toolchain")
        address = f"/images/{image.pk}/delete/"
        form = delete_form(client, address)
        response = client.post(address, form)
        operation = Operation.objects.get(nonce=form["nonce"])
        assert response.headers["Location"] == f"/operations/{operation.pk}/"
        assert operation.state == "requested"
        assert "Deletion asked for" in text(client, f"/images/{image.pk}/")
        assert "Deletion asked for" in text(client, "/images/")
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
        assert "arm-toolchain" not in text(client, "/images/")
        assert "arm-toolchain" in text(client, "/images/", state="gone")

    def test_the_same_form_sent_twice_is_one_deletion(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        address = f"/images/{custom(acme, 'cuda-12').pk}/delete/"
        form = delete_form(client, address)
        assert (
            client.post(address, form).headers["Location"]
            == client.post(address, form).headers["Location"]
        )
        assert Operation.objects.count() == 1
        assert "This was asked for already" in text(client, address)

    def test_an_image_in_use_stays_and_github_says_why(
        self, client: Client, admin: User, acme: Account, work: Work
    ) -> None:
        client.force_login(admin)
        image = custom(acme)
        address = f"/images/{image.pk}/delete/"
        where = client.post(address, delete_form(client, address)).headers["Location"]
        work(acme)
        assert Operation.objects.get().state == "rejected"
        assert "The image is used by golden-linux-16core" in text(client, where)
        image.refresh_from_db()
        assert image.gone_at is None
        assert f"/images/{image.pk}/delete/" in text(client, f"/images/{image.pk}/")

    def test_one_version_is_deleted_and_the_others_stay(
        self, client: Client, admin: User, acme: Account, simulator: SimulatorHandle, work: Work
    ) -> None:
        client.force_login(admin)
        image = custom(acme)
        version = version_of(image, "1.0.0")
        address = f"/images/{image.pk}/versions/{version.pk}/delete/"
        assert "No runner is pinned to this version" in text(client, address)
        assert (
            client.post(
                address, {**delete_form(client, address), "typed": "golden-linux"}
            ).status_code
            == 422
        )
        client.post(address, delete_form(client, address))
        work(acme)
        simulator.advance(60)
        Operation.objects.filter(state="observing").update(next_step_at=timezone.now())
        work(acme)
        operation = Operation.objects.get()
        assert operation.state == "confirmed", operation.reason
        shown = client.get(f"/images/{image.pk}/").context["versions"]
        assert [each.version for each in shown] == ["1.3.0", "1.2.0", "1.1.0"]
        assert client.get(address).status_code == 404

    def test_a_version_names_the_runners_pinned_to_it_and_those_that_follow_the_latest(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        image = custom(acme)
        pinned = text(
            client, f"/images/{image.pk}/versions/{version_of(image, '1.2.0').pk}/delete/"
        )
        assert "1 runner is pinned to this version" in pinned
        assert "golden-linux-16core" in pinned
        latest = text(
            client, f"/images/{image.pk}/versions/{version_of(image, '1.3.0').pk}/delete/"
        )
        assert "the one built before it becomes the latest" in latest
        assert "golden-linux-latest" in latest

    def test_a_version_of_another_image_is_not_found(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        other = version_of(custom(acme, "golden-windows"), "1.0.0")
        assert (
            client.get(f"/images/{custom(acme).pk}/versions/{other.pk}/delete/").status_code == 404
        )


class TestMachineSizes:
    def test_it_says_which_sizes_are_offered_where(
        self, client: Client, admin: User, acme: Account, globex: Account
    ) -> None:
        MachineSize.objects.filter(account=globex, github_id="96-core").delete()
        client.force_login(admin)
        sizes = {size["github_id"]: size for size in client.get("/images/sizes/").context["sizes"]}
        assert sizes["8-core"]["names"] == []
        assert sizes["96-core"]["names"] == ["acme"]
        assert sizes["8-core"]["used_by"] == Runner.objects.filter(size="8-core").count()
        assert "all 2 accounts" in text(client, "/images/sizes/")

    def test_a_team_lead_sees_the_offer_of_their_accounts(
        self, client: Client, lead: User, acme: Account, globex: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        client.force_login(lead)
        assert "globex" not in text(client, "/images/sizes/")
        assert client.get("/images/sizes/?account=globex").context["sizes"] == []

    def test_more_accounts_cost_no_more_queries(
        self, client: Client, admin: User, acme: Account, globex: Account
    ) -> None:
        client.force_login(admin)
        assert (
            queries(client, "/images/sizes/?account=acme") == queries(client, "/images/sizes/") <= 8
        )


@pytest.mark.parametrize("address", ["/images/", "/images/sizes/"])
def test_it_rejects_post(client: Client, admin: User, address: str) -> None:
    client.force_login(admin)
    assert client.post(address).status_code == 405


def test_a_reading_that_brings_a_version_shows_it(
    client: Client, admin: User, acme: Account, work: Work
) -> None:
    """What the pages show comes from readings alone."""
    image = custom(acme)
    ImageVersion.objects.filter(image=image, version="1.3.0").delete()
    acme.credential.cached_responses.all().delete()
    Reading.objects.schedule_now(acme, "image_versions")
    work(acme)
    client.force_login(admin)
    assert "1.3.0" in [
        each.version for each in client.get(f"/images/{image.pk}/").context["versions"]
    ]
