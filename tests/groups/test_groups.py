"""Pages of runner groups, through Django's client, with a real simulator behind."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.models import Account, FieldChange, Membership, Runner, RunnerGroup
from tests.queries import queries

POLL = {"HX-Request": "true"}


def group(account: Account, name: str) -> RunnerGroup:
    return RunnerGroup.objects.get(account=account, name=name)


def text(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


class TestList:
    def test_the_list_shows_the_groups_of_all_accounts_with_their_runners(
        self, client: Client, admin: User, acme: Account, globex: Account
    ) -> None:
        client.force_login(admin)
        rows = client.get("/groups/").context["page"].rows
        assert {row.account for row in rows} == {acme, globex}
        for row in rows:
            own = Runner.objects.filter(account=row.account, group_id=row.github_id).count()
            assert row.runners_count == (row.shared_runners.count() if row.inherited else own)

    def test_the_count_links_to_the_runners_of_that_group(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        row = group(acme, "production-deploys")
        assert "/runners/?account=acme&amp;group=production-deploys" in text(client, "/groups/")
        linked = client.get("/runners/?account=acme&group=production-deploys").context["page"].rows
        assert {runner.group_id for runner in linked} == {row.github_id}

    def test_a_team_lead_sees_only_the_accounts_given_to_them(
        self, client: Client, lead: User, acme: Account, globex: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        client.force_login(lead)
        assert {row.account for row in client.get("/groups/").context["page"].rows} == {acme}
        assert "globex" not in text(client, "/groups/")

    def test_a_user_without_access_sees_nothing_and_is_told_why(
        self, client: Client, lead: User, globex: Account
    ) -> None:
        client.force_login(lead)
        page = text(client, "/groups/")
        assert "You don't have access to any organization yet" in page
        assert "globex" not in page

    @pytest.mark.parametrize(
        ("query", "rows"),
        [
            ("public=yes", {"allows_public_repositories": True}),
            ("q=public:yes", {"allows_public_repositories": True}),
            ("public=no", {"allows_public_repositories": False}),
            ("visibility=selected", {"visibility": "selected"}),
            ("inherited=yes", {"inherited": True}),
            ("account=ACME", {"account__slug": "acme"}),
            ("q=org:umbrella+gpu", {"account__slug": "umbrella", "name__contains": "gpu"}),
        ],
    )
    def test_filters_work_in_the_url_and_in_the_search_box(
        self,
        client: Client,
        admin: User,
        acme: Account,
        umbrella: Account,
        query: str,
        rows: dict[str, object],
    ) -> None:
        client.force_login(admin)
        shown = client.get(f"/groups/?{query}").context["page"].rows
        assert (
            {row.pk for row in shown}
            == set(RunnerGroup.objects.filter(**rows).values_list("pk", flat=True))
            != set()
        )

    def test_a_group_open_to_public_repositories_stands_out(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        assert "status-warning" in text(client, "/groups/", q="open-source")
        assert "status-warning" not in text(client, "/groups/", q="sandbox")

    def test_gone_groups_are_shown_only_on_request(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        row = group(acme, "sandbox")
        RunnerGroup.objects.filter(pk=row.pk).update(gone_at=timezone.now())
        client.force_login(admin)
        assert row not in client.get("/groups/").context["page"].rows
        assert client.get("/groups/?state=gone").context["page"].rows == [row]
        assert "Gone from GitHub" in text(client, f"/groups/{row.pk}/")

    @pytest.mark.parametrize("sort", ["name", "-name", "visibility"])
    def test_paging_by_key_shows_every_group_once_for_as_many_queries(
        self, client: Client, admin: User, acme: Account, sort: str
    ) -> None:
        client.force_login(admin)
        few = queries(client, f"/groups/?sort={sort}")
        now = timezone.now()
        RunnerGroup.objects.bulk_create(
            RunnerGroup(
                account=acme, github_id=900 + n, name=f"g{n}", observed_at=now, first_seen_at=now
            )
            for n in range(120)
        )
        assert queries(client, f"/groups/?sort={sort}") <= few <= 8
        page = client.get("/groups/", {"sort": sort}).context["page"]
        seen = [row.pk for row in page.rows]
        while page.after:
            page = client.get("/groups/", {"sort": sort, "after": page.after}).context["page"]
            seen += [row.pk for row in page.rows]
        assert sorted(seen) == sorted(RunnerGroup.objects.values_list("pk", flat=True))

    def test_empty_lists_say_why_they_are_empty(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        assert "No group matches" in text(client, "/groups/", q="nothing-like-it")
        RunnerGroup.objects.all().delete()
        acme.readings.filter(resource="groups").update(
            error="permission", error_message="No right to see them."
        )
        page = text(client, "/groups/")
        assert "No right to see them." in page
        assert "This could not be read" in page

    def test_a_poll_with_the_current_version_is_answered_with_204(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        for address in ("/groups/", f"/groups/{group(acme, 'sandbox').pk}/"):
            version = client.get(address).context["version"]
            assert client.get(address, {"version": version}, headers=POLL).status_code == 204
            answer = client.get(address, {"version": "older"}, headers=POLL)
            assert answer.status_code == 200
            assert b"<html" not in answer.content

    @pytest.mark.parametrize(
        "query", ["q=%00", "after=zzz", "public=maybe", "sort=-x", "visibility=%ff", "state=x"]
    )
    def test_invalid_query_parameters_never_break_the_page(
        self, client: Client, admin: User, acme: Account, query: str
    ) -> None:
        client.force_login(admin)
        assert client.get(f"/groups/?{query}").status_code == 200

    def test_refreshing_reads_the_groups_again(
        self, client: Client, lead: User, acme: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        client.force_login(lead)
        assert client.post("/groups/refresh/").status_code == 302
        assert acme.readings.filter(resource="groups", due_at__lte=timezone.now()).exists()


class TestDetail:
    def test_the_detail_page_shows_workflows_runners_and_history(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        row = group(acme, "production-deploys")
        FieldChange.objects.create(
            account=acme,
            item="group",
            item_pk=row.pk,
            field="visibility",
            before="all",
            after="selected",
            at=timezone.now(),
        )
        client.force_login(admin)
        page = text(client, f"/groups/{row.pk}/")
        assert "acme/api/.github/workflows/deploy.yaml@refs/heads/main" in page
        assert "golden-linux-16core" in page
        assert "Visibility: <span" in page

    def test_the_detail_page_warns_of_public_repositories(
        self, client: Client, admin: User, acme: Account
    ) -> None:
        client.force_login(admin)
        warning = "Public repositories may use these runners"
        assert warning in text(client, f"/groups/{group(acme, 'open-source').pk}/")
        assert warning not in text(client, f"/groups/{group(acme, 'sandbox').pk}/")

    def test_an_inherited_group_links_to_the_enterprise_and_back_if_visible(
        self, client: Client, lead: User, acme: Account, umbrella: Account
    ) -> None:
        inherited, own = group(acme, "enterprise-shared"), group(umbrella, "enterprise-shared")
        Membership.objects.create(user=lead, account=acme)
        client.force_login(lead)
        assert list(client.get(f"/groups/{inherited.pk}/").context["same_name"]) == []
        Membership.objects.create(user=lead, account=umbrella)
        assert list(client.get(f"/groups/{inherited.pk}/").context["same_name"]) == [own]
        assert list(client.get(f"/groups/{own.pk}/").context["same_name"]) == [inherited]

    def test_a_viewer_sees_a_group_and_a_user_without_access_gets_404(
        self, client: Client, lead: User, acme: Account, globex: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        client.force_login(lead)
        assert client.get(f"/groups/{group(acme, 'sandbox').pk}/").status_code == 200
        assert client.get(f"/groups/{group(globex, 'sandbox').pk}/").status_code == 404

    def test_the_detail_page_costs_at_most_twelve_queries(
        self, client: Client, lead: User, acme: Account
    ) -> None:
        Membership.objects.create(user=lead, account=acme)
        client.force_login(lead)
        row = group(acme, "sandbox")
        few = queries(client, f"/groups/{row.pk}/")
        Runner.objects.filter(account=acme).update(group_id=row.github_id)
        assert queries(client, f"/groups/{row.pk}/") <= few <= 12


def test_the_detail_page_rejects_post(client: Client, admin: User) -> None:
    client.force_login(admin)
    assert client.post("/groups/").status_code == 405
