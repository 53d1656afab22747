"""Exports of lists as CSV and JSON: the filters and rights of their pages, and no formulas."""

import csv
import io
import json
from datetime import timedelta
from typing import cast

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone

from runners_app.models import Account, AuditEntry, FieldChange, Membership, Runner, RunnerGroup
from runners_app.runners.export import runners as export_runners
from runners_app.runners.requests import request_delete_runner
from runners_app.web.downloads import plain_cell
from runners_app.web.pages import Request
from tests.people.test_who_may import ADDRESSES

LISTS = ["runners", "images", "groups", "operations", "accounts"]


def body(client: Client, address: str, query: dict[str, str] | None = None) -> str:
    answer = client.get(address, query or {})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    return str(content.decode())


def as_csv(client: Client, name: str, **query: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body(client, f"/{name}.csv", query))))


def as_json(client: Client, name: str, **query: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(body(client, f"/{name}.json", query))
    return rows


@pytest.mark.parametrize(
    "name", [*(f"{each}/export" for each in LISTS), "audit/export", "static-ips/ranges"]
)
def test_csv_and_json_have_the_same_rows_and_columns(
    as_admin: Client, admin: User, acme: Account, name: str
) -> None:
    request_delete_runner(Runner.objects.filter(account=acme)[0], by=admin, nonce="one")
    # The first export is itself an audit entry, so the second would contain one row more.
    query = {"action": "sign_in"} if name.startswith("audit") else {}
    rows, objects = as_csv(as_admin, name, **query), as_json(as_admin, name, **query)
    assert rows
    assert len(rows) == len(objects)
    assert list(rows[0]) == list(objects[0])


@pytest.mark.parametrize("name", LISTS)
def test_an_unknown_format_is_not_found(as_admin: Client, name: str) -> None:
    assert as_admin.get(f"/{name}/export.xlsx").status_code == 404


@pytest.mark.parametrize("name", LISTS)
def test_only_rows_that_the_user_may_see_are_exported(
    client: Client, lead: User, acme: Account, globex: Account, name: str
) -> None:
    Membership.objects.create(user=lead, account=acme)
    client.force_login(lead)
    found = {row["account"] for row in as_json(client, f"{name}/export")}
    assert found == (set() if name == "operations" else {"acme"})


def test_an_empty_list_is_an_empty_array_or_a_header(client: Client, lead: User) -> None:
    client.force_login(lead)
    assert as_json(client, "runners/export") == []
    assert body(client, "/runners/export.csv").startswith('"account","id","name",')


def test_runners_are_filtered_as_on_their_page(
    as_admin: Client, acme: Account, globex: Account
) -> None:
    query = {"q": "org:globex status:ready"}
    shown = {row.name for row in as_admin.get("/runners/", query).context["page"].rows}
    assert shown
    assert {row["name"] for row in as_json(as_admin, "runners/export", **query)} == shown


def test_runners_that_are_gone_are_exported_only_with_their_filter(
    as_admin: Client, acme: Account
) -> None:
    gone = Runner.objects.filter(account=acme)[0]
    Runner.objects.filter(pk=gone.pk).update(gone_at=timezone.now())
    assert gone.github_id not in {row["id"] for row in as_json(as_admin, "runners/export")}
    assert [row["id"] for row in as_json(as_admin, "runners/export", status="gone")] == [
        gone.github_id
    ]


def test_a_runner_is_exported_with_its_group_and_ranges(as_admin: Client, acme: Account) -> None:
    runner = next(
        row for row in Runner.objects.filter(account=acme, static_ip=True) if row.public_ips
    )
    row = next(row for row in as_csv(as_admin, "runners/export") if row["name"] == runner.name)
    assert row["public_ips"] == " ".join(runner.ip_ranges)
    assert row["group"] == acme.groups.get(github_id=runner.group_id or 0).name
    assert row["static_ip"] == "yes"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\tx", "\rx"])
def test_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    assert plain_cell(text) == f"'{text}"
    assert plain_cell([text]) == f"'{text}"


def test_numbers_stay_numbers() -> None:
    assert plain_cell(-5) == "-5"


def test_formulas_in_names_do_not_reach_a_spreadsheet(as_admin: Client, acme: Account) -> None:
    Runner.objects.filter(account=acme).update(name='=cmd|" /C calc"!A0')
    assert {row["name"][0] for row in as_csv(as_admin, "runners/export")} == {"'"}


@pytest.mark.parametrize("formula", ["=1+1", " =1+1", "\n=1+1", "\u00a0@SUM(1)", "\t+1"])
def test_a_formula_behind_blanks_is_text_too(formula: str) -> None:
    assert plain_cell(formula) == f"'{formula}"


def test_every_cell_is_quoted_for_spreadsheets_that_separate_by_semicolons(
    client: Client, admin: User, acme: Account
) -> None:
    Runner.objects.filter(account=acme).update(name="x;=cmd|'/c calc'!A0;y")
    client.force_login(admin)
    lines = body(client, "/runners/export.csv").splitlines()
    assert all(line.startswith('"') and line.endswith('"') for line in lines)
    assert all("\"x;=cmd|'/c calc'!A0;y\"" in line for line in lines[1:])


@pytest.mark.parametrize("name", LISTS)
def test_exports_refuse_post(as_admin: Client, name: str) -> None:
    assert as_admin.post(f"/{name}/export.csv").status_code == 405


class TestAuditLog:
    """Each export leaves one audit entry: who, which list, filter, number of rows and address."""

    EVERY = (
        *(f"/{each}/export.{form}" for each in (*LISTS, "audit") for form in ("csv", "json")),
        *(f"/static-ips/{each}" for each in ("ranges.txt", "ranges.csv", "ranges.json")),
        *(f"/static-ips/changes.{form}?since=2026-01-01" for form in ("txt", "csv", "json")),
        *(
            f"/insight/{table}/export.{form}"
            for table in ("queue", "waits", "capacity", "usage", "jobs")
            for form in ("csv", "json")
        ),
    )

    @pytest.fixture
    def as_admin(self, client: Client, admin: User, acme: Account) -> Client:
        request_delete_runner(Runner.objects.filter(account=acme)[0], by=admin, nonce="one")
        client.force_login(admin)
        return client

    def line(self) -> AuditEntry:
        return AuditEntry.objects.get(action="list.exported")

    @pytest.mark.parametrize("address", EVERY)
    def test_every_export_leaves_an_entry_with_the_number_of_rows_sent(
        self, as_admin: Client, address: str
    ) -> None:
        text = body(as_admin, address)
        line = self.line()
        assert (line.actor_name, line.details["address"]) == ("ada", "127.0.0.1")
        name = address.replace("static-ips/", "static-ip-").replace("insight/", "insight-")
        assert line.subject in name
        if "json" in address:
            assert line.details["rows"] == len(json.loads(text))
        else:
            assert line.details["rows"] == len(text.splitlines()) - (
                line.details["format"] == "csv"
            )

    def test_every_url_with_a_format_is_tested(self) -> None:
        exports = [path for path in ADDRESSES.values() if "<str:file_format>" in path]
        untested = [
            path
            for path in exports
            if not any(each.startswith(path.partition("<")[0]) for each in self.EVERY)
        ]
        assert untested == []

    def test_the_entry_contains_the_filter(self, as_admin: Client) -> None:
        body(
            as_admin,
            "/runners/export.csv",
            {"q": "org:acme", "status": "Ready", "no_filter": "x", "after": "y"},
        )
        assert self.line().details["filter"] == "q=org:acme, status=Ready"

    def test_a_token_in_the_search_box_is_not_stored(self, as_admin: Client) -> None:
        body(as_admin, "/runners/export.csv", {"q": f"ghp_{'a1B2' * 9} \u202e" + "x" * 900})
        kept = str(self.line().details["filter"])
        assert "a1B2" not in kept
        assert "\u202e" not in kept
        assert len(kept) < 600

    @pytest.mark.parametrize("address", EVERY)
    def test_head_leaves_no_entry(self, as_admin: Client, address: str) -> None:
        answer = as_admin.head(address)
        assert answer.status_code == 200
        assert not AuditEntry.objects.filter(action="list.exported").exists()

    def test_the_answer_to_head_contains_no_rows(
        self, rf: RequestFactory, admin: User, acme: Account
    ) -> None:
        request = rf.head("/runners/export.csv")
        request.user = admin
        assert export_runners(cast("Request", request), "csv").getvalue().decode().count("\n") == 1

    def test_a_refused_export_leaves_no_entry(self, client: Client, lead: User) -> None:
        assert client.get("/runners/export.csv").status_code == 302
        client.force_login(lead)
        assert client.get("/audit/export.csv").status_code == 403
        assert client.get("/runners/export.xlsx").status_code == 404
        assert not AuditEntry.objects.filter(action="list.exported").exists()

    def test_the_entry_of_a_limited_viewer_counts_only_their_rows(
        self, client: Client, lead: User, acme: Account
    ) -> None:
        group = RunnerGroup.objects.filter(account=acme).order_by("pk")[0]
        Runner.objects.filter(pk__in=list(Runner.objects.values_list("pk", flat=True)[:2])).update(
            group_id=group.github_id
        )
        Membership.objects.create(user=lead, account=acme, limited=True).groups.add(group)
        client.force_login(lead)
        rows = as_csv(client, "runners/export")
        assert (
            self.line().details["rows"]
            == len(rows)
            == Runner.objects.filter(group_id=group.github_id).count()
        )

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="makes SQLite read-only")
    def test_nothing_is_sent_while_the_entry_cannot_be_written(
        self, admin: User, acme: Account
    ) -> None:
        client = Client(raise_request_exception=False)
        client.force_login(admin)
        name = Runner.objects.all()[0].name
        assert name in body(client, "/runners/export.csv")
        connection.connection.execute("PRAGMA query_only=ON")  # like a standby, or a full disk
        try:
            answer = client.get("/runners/export.csv")
        finally:
            connection.connection.execute("PRAGMA query_only=OFF")
        assert answer.status_code == 503
        assert name not in answer.content.decode()

    def test_the_audit_page_shows_the_export_in_words(self, as_admin: Client) -> None:
        body(as_admin, "/runners/export.csv", {"status": "Ready"})
        page = as_admin.get("/audit/", {"action": "list.exported"}).content.decode()
        for words in (
            "Exported a list",
            "Rows: ",
            "Format: csv",
            "Filter: status=Ready",
            "Address: 127.0.0.1",
        ):
            assert words in page


class TestRangesChangedSince:
    """`/static-ips/changes.txt` and its other formats, for firewall rules."""

    @pytest.fixture
    def runner(self, client: Client, admin: User, acme: Account) -> Runner:
        """With the range 203.0.113.0/28 for ten days; no other runner of the account has one."""
        Runner.objects.filter(account=acme).update(
            static_ip=False, public_ips=[], first_seen_at=timezone.now() - timedelta(days=10)
        )
        runner = Runner.objects.filter(account=acme).order_by("pk")[0]
        self.put(runner, "203.0.113.0/28")
        client.force_login(admin)
        return runner

    def put(
        self, runner: Runner, *ranges: str, days_ago: int | None = None, enabled: bool = True
    ) -> None:
        parts = [each.split("/") for each in ranges]
        before = runner.public_ips
        runner.public_ips = [
            {"enabled": enabled, "prefix": prefix, "length": int(bits)} for prefix, bits in parts
        ]
        runner.save(update_fields=["public_ips"])
        if days_ago is not None:
            self.remember(runner, "public_ips", before, runner.public_ips, days_ago)

    def remember(
        self, runner: Runner, field: str, before: object, after: object, days_ago: int
    ) -> None:
        FieldChange.objects.create(
            account=runner.account,
            item="runner",
            item_pk=runner.pk,
            field=field,
            before=before,
            after=after,
            at=timezone.now() - timedelta(days=days_ago),
        )

    def since(self, client: Client, days_ago: int, **query: str) -> list[str]:
        day = (timezone.now() - timedelta(days=days_ago)).isoformat()
        return body(client, "/static-ips/changes.txt", {"since": day, **query}).splitlines()

    def test_no_change_is_an_empty_list(self, client: Client, runner: Runner) -> None:
        assert self.since(client, 5) == []

    def test_a_replaced_range_is_listed_as_removed_and_added(
        self, client: Client, runner: Runner
    ) -> None:
        self.put(runner, "203.0.113.16/28", days_ago=3)
        assert self.since(client, 5) == ["+ 203.0.113.16/28", "- 203.0.113.0/28"]
        assert self.since(client, 2) == []

    def test_a_range_that_came_and_went_in_between_is_not_listed(
        self, client: Client, runner: Runner
    ) -> None:
        self.put(runner, "203.0.113.0/28", "203.0.113.16/28", days_ago=3)
        self.put(runner, "203.0.113.0/28", days_ago=2)
        assert self.since(client, 5) == []

    def test_ranges_of_a_runner_that_is_gone_are_removed(
        self, client: Client, runner: Runner
    ) -> None:
        gone_at = timezone.now() - timedelta(days=2)
        Runner.objects.filter(pk=runner.pk).update(gone_at=gone_at)
        self.remember(runner, "gone_at", None, gone_at.isoformat(), days_ago=2)
        assert self.since(client, 5) == ["- 203.0.113.0/28"]
        assert self.since(client, 1) == []

    def test_ranges_of_a_new_runner_are_added(self, client: Client, runner: Runner) -> None:
        Runner.objects.filter(pk=runner.pk).update(first_seen_at=timezone.now() - timedelta(days=1))
        assert self.since(client, 5) == ["+ 203.0.113.0/28"]

    def test_a_range_switched_off_is_removed(self, client: Client, runner: Runner) -> None:
        self.put(runner, "203.0.113.0/28", days_ago=1, enabled=False)
        assert self.since(client, 5) == ["- 203.0.113.0/28"]

    def test_a_range_that_moved_to_another_runner_is_not_listed(
        self, client: Client, runner: Runner
    ) -> None:
        other = Runner.objects.exclude(pk=runner.pk)[0]
        self.put(runner, days_ago=2)
        self.put(other, "203.0.113.0/28", days_ago=1)
        assert self.since(client, 5) == []

    def test_changes_are_filtered_by_address_and_account(
        self, client: Client, runner: Runner
    ) -> None:
        self.put(runner, "198.51.100.0/28", days_ago=3)
        assert self.since(client, 5, q="198.51.100.7") == ["+ 198.51.100.0/28"]
        assert self.since(client, 5, account="globex") == []

    def test_files_contain_the_runner_and_the_time(self, client: Client, runner: Runner) -> None:
        self.put(runner, "203.0.113.16/28", days_ago=3)
        day = (timezone.now() - timedelta(days=5)).date().isoformat()
        added, removed = as_csv(client, "static-ips/changes", since=day)
        assert (added["change"], added["range"], added["runner"]) == (
            "added",
            "203.0.113.16/28",
            runner.name,
        )
        assert removed["change"] == "removed"
        assert [row["range"] for row in as_json(client, "static-ips/changes", since=day)] == [
            added["range"],
            removed["range"],
        ]

    def test_the_page_shows_the_changes(self, client: Client, runner: Runner) -> None:
        self.put(runner, "203.0.113.16/28", days_ago=3)
        day = (timezone.now() - timedelta(days=5)).date().isoformat()
        page = client.get("/static-ips/", {"since": day}).content.decode()
        assert "1 range added, 1 removed" in page

    def test_a_team_lead_sees_no_changes_of_other_accounts(
        self, client: Client, lead: User, runner: Runner
    ) -> None:
        self.put(runner, "203.0.113.16/28", days_ago=3)
        client.force_login(lead)
        assert self.since(client, 5) == []

    @pytest.mark.parametrize(
        "since", ["", "yesterday", "2026-02-30", "0001-01-01T00:00:00+14:00", "2026-13-01"]
    )
    def test_a_missing_or_malformed_day_is_refused_with_an_example(
        self, client: Client, runner: Runner, since: str
    ) -> None:
        answer = client.get("/static-ips/changes.txt", {"since": since})
        assert answer.status_code == 400
        assert "Add the start of the period" in answer.content.decode()
        assert client.get("/static-ips/", {"since": since}).status_code == 200
