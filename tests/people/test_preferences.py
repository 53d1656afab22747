"""What the product remembers about a user: rows, density, theme, time zone, columns and views."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from runners_app.models import Account, Preferences, SavedView

VIEW = "/runners/view/"


def test_preferences_are_saved_and_shown_on_every_page(as_admin: Client, admin: User) -> None:
    values = {"theme": "dark", "density": "comfortable", "rows": "100", "time_zone": "Asia/Tokyo"}
    assert as_admin.post("/you/preferences/", values).status_code == 302
    page = as_admin.get("/").content.decode()
    assert 'data-theme="dark"' in page
    assert 'data-density="comfortable"' in page
    assert 'data-time-zone="Asia/Tokyo"' in page
    assert Preferences.objects.get(user=admin).rows == 100


def test_a_script_changes_one_preference_and_leaves_the_others(
    as_admin: Client, admin: User
) -> None:
    Preferences.objects.create(user=admin, rows=25, density="comfortable")
    answer = as_admin.post("/you/preferences/", {"theme": "light"}, headers={"HX-Request": "true"})
    assert answer.status_code == 204
    stored = Preferences.objects.get(user=admin)
    assert (stored.theme, stored.rows, stored.density) == ("light", 25, "comfortable")


@pytest.mark.parametrize("values", [{"theme": "pink"}, {"rows": "7"}, {"time_zone": "Mars/Base"}])
def test_unknown_preferences_are_refused(
    as_admin: Client, admin: User, values: dict[str, str]
) -> None:
    assert as_admin.post("/you/preferences/", values).status_code == 422
    assert not Preferences.objects.filter(user=admin).exists()


def test_the_number_of_rows_is_remembered_while_filtering_and_for_the_next_visit(
    as_admin: Client, acme: Account, globex: Account
) -> None:
    assert as_admin.get("/runners/").context["page"].size == 50
    as_admin.get("/runners/?size_of_page=25")
    assert as_admin.get("/runners/?q=org:acme").context["page"].size == 25
    assert as_admin.get("/runners/").context["page"].size == 25


def test_columns_are_chosen_and_remembered(as_admin: Client, acme: Account) -> None:
    values = {"action": "apply", "column": ["status", "owner"], "sort": "status"}
    answer = as_admin.post(VIEW, {**values, "query": "q=org%3Aacme", "descending": "on"})
    assert answer.headers["Location"] == "/runners/?q=org%3Aacme&sort=-status"
    page = as_admin.get("/runners/")
    assert [column.name for column in page.context["columns"]] == ["status", "owner"]
    assert 'data-label="Image"' not in page.content.decode()


def test_a_saved_view_brings_back_filter_sort_and_columns(
    as_admin: Client, admin: User, acme: Account
) -> None:
    values = {"action": "save", "name": "Stuck ones", "column": ["status"], "default": "on"}
    as_admin.post(VIEW, {**values, "query": "q=status%3AStuck&sort=-since"})
    answer = as_admin.get("/runners/")
    assert answer.headers["Location"].startswith("/runners/?q=status%3AStuck&sort=-since&columns=")
    page = as_admin.get(answer.headers["Location"])
    assert [column.name for column in page.context["columns"]] == ["status"]
    assert as_admin.get("/runners/?q=").status_code == 200, "all runners stay one click away"
    assert "Stuck ones" in as_admin.get(VIEW).content.decode()

    view = SavedView.objects.get(user=admin)
    as_admin.post(VIEW, {"action": "delete", "view": str(view.pk)})
    assert as_admin.get("/runners/").status_code == 200
    assert not SavedView.objects.exists()


def test_views_of_other_users_are_neither_listed_nor_deleted(
    as_lead: Client, admin: User, acme: Account
) -> None:
    view = SavedView.objects.create(user=admin, list="runners", name="Mine", query="q=x")
    assert "Mine" not in as_lead.get(VIEW).content.decode()
    answer = as_lead.post(VIEW, {"action": "delete", "view": str(view.pk)})
    assert answer.status_code == 404
    assert SavedView.objects.filter(pk=view.pk).exists()
