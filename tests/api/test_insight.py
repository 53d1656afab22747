"""Queue times, capacity, usage and the live queue over the API, and to whom they show what."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runners_app.api.tokens import Access
from runners_app.jobs.ingest import normalise_waiting
from runners_app.models import Account, Job, Runner, RunnerGroup
from tests.api.conftest import MakeToken
from tests.insight.conftest import shift
from tests.jobs.conftest import make_account
from tests.jobs.payloads import completed
from tests.jobs.posting import Sender
from tests.jobs.test_ingest import viewer

INSIGHT = "/api/v1/insight"
TABLES = ("waits", "usage", "capacity", "queue", "coverage")
BY = ("pool", "group", "repository", "workflow", "account")
NAMES = {"account", "group", "pool", "repository", "workflow", "jobs"}
FIELDS = {
    "waits": {*NAMES, "p50", "p90", "p95", "max", "over_slo", "slo_seconds", "estimated"}
    | {"approval_seconds"},
    "usage": {*NAMES, "run_seconds", "billable_minutes", "estimated_usd", "last_job_at"},
    "capacity": {"account", "pool", "since", "until", "maximum", "peak", "p99", "peak_demand"}
    | {"seconds_at_maximum", "running_seconds"},
    "queue": {"account", "pool", "running", "waiting", "oldest_wait_seconds", "maximum", "cause"}
    | {"asks_for"},
}


def rows_of(client: Client, table: str, **query: str) -> dict[Any, dict[str, Any]]:
    """Rows by pool."""
    answer = client.get(f"{INSIGHT}/{table}", query)
    assert answer.status_code == 200, answer.content
    return {row["pool"]: row for row in answer.json()["rows"]}


@pytest.fixture
def limited(org: Account, make_token: MakeToken) -> Client:
    """A viewer who sees one of the two groups."""
    return Client(headers={"Authorization": f"Bearer {make_token(viewer(org, 7))}"})


@pytest.fixture
def limited_token(org: Account, admin: User, make_token: MakeToken) -> Client:
    """A token of the administrator that is limited to the same group."""
    groups = list(RunnerGroup.objects.filter(account=org, github_id=7))
    text = make_token(admin, access=[Access(org, groups)])
    return Client(headers={"Authorization": f"Bearer {text}"})


@pytest.mark.parametrize("table", FIELDS)
def test_rows_have_the_fields_that_scripts_rely_on(
    busy: Sender, as_script: Client, table: str
) -> None:
    answer = as_script.get(f"{INSIGHT}/{table}").json()
    assert {frozenset(row) for row in answer["rows"]} == {frozenset(FIELDS[table])}
    assert {row["account"] for row in answer["rows"]} == {"organization:acme"}
    frame = {"as_of", "rows"} if table == "queue" else {"as_of", "rows", "since", "until"}
    assert set(answer) == frame | (set() if table == "queue" else {"coverage"})
    assert answer["as_of"]


def test_queue_times_are_seconds_and_shares(busy: Sender, as_script: Client) -> None:
    rows = rows_of(as_script, "waits")
    row = rows["big-linux"]
    assert (row["jobs"], row["group"], row["slo_seconds"]) == (4, "builders", 60)
    assert (row["p50"], row["p90"], row["p95"], row["max"]) == (40, 40, 40, 40)
    assert (row["over_slo"], row["repository"], row["workflow"]) == (0, None, None)
    Job.objects.filter(github_id=1).update(queue_seconds=61)
    row = rows_of(as_script, "waits")["big-linux"]
    assert (row["over_slo"], row["p50"], row["max"]) == (0.25, 40, 61)


@pytest.mark.parametrize("by", BY)
def test_rows_name_what_was_asked_for(busy: Sender, as_script: Client, by: str) -> None:
    for table in ("waits", "usage"):
        rows = as_script.get(f"{INSIGHT}/{table}", {"by": by}).json()["rows"]
        assert sum(row["jobs"] for row in rows) == 5
        assert all(row[by] for row in rows)


def test_usage_counts_minutes_and_estimates_their_price(busy: Sender, as_script: Client) -> None:
    Runner.objects.filter(name="secret-pool").update(size="4-core")
    row = rows_of(as_script, "usage", by="pool")["secret-pool"]
    assert (row["jobs"], row["run_seconds"], row["billable_minutes"]) == (1, 60, 1)
    assert row["estimated_usd"] == pytest.approx(0.012)
    assert rows_of(as_script, "usage", by="pool")["big-linux"]["estimated_usd"] is None


def test_capacity_is_measured_against_the_maximum(busy: Sender, as_script: Client) -> None:
    Runner.objects.filter(name="big-linux").update(maximum_runners=3)
    hour_ago = timezone.now() - timedelta(hours=1)
    row = rows_of(as_script, "capacity", since=hour_ago.isoformat())["big-linux"]
    assert (row["maximum"], row["peak"], row["seconds_at_maximum"]) == (3, 3, 60)
    assert row["running_seconds"] == pytest.approx(3 * 60 + 560, abs=30)
    assert rows_of(as_script, "capacity")["big-linux-gpu"]["peak"] == 0


def test_the_queue_says_who_waits_and_why(busy: Sender, as_script: Client) -> None:
    Runner.objects.filter(name="big-linux").update(maximum_runners=1)
    rows = rows_of(as_script, "queue")
    causes = {pool: row["cause"] for pool, row in rows.items()}
    assert causes == {
        None: "no_such_label",
        "big-linux": "pool_full",
        "big-linux-gpu": "approval",
        "secret-pool": None,
    }
    assert rows[None]["asks_for"] == "no-such-label"
    row = rows["big-linux"]
    assert (row["running"], row["waiting"], row["maximum"]) == (1, 1, 1)
    assert row["oldest_wait_seconds"] == pytest.approx(300, abs=30)


def test_a_job_belongs_to_the_window_in_which_it_started(busy: Sender, as_script: Client) -> None:
    started = Job.objects.get(github_id=50).started_at
    assert started
    after = started + timedelta(seconds=1)
    window = {"since": started.isoformat(), "until": after.isoformat()}
    assert rows_of(as_script, "waits", **window)["secret-pool"]["jobs"] == 1
    window = {"since": (started - timedelta(days=30)).isoformat(), "until": started.isoformat()}
    assert rows_of(as_script, "waits", **window) == {}


@pytest.mark.parametrize(
    "query",
    [
        "account=organization:acme",
        "pool=secret-pool",
        "group=others",
        "repository=acme/secret-repository",
        "pool={pool}",
        "group={group}",
    ],
)
def test_names_and_keys_narrow(busy: Sender, org: Account, as_script: Client, query: str) -> None:
    pool = Runner.objects.get(name="secret-pool").pk
    group = RunnerGroup.objects.get(name="others").pk
    address = f"{INSIGHT}/waits?{query.format(pool=pool, group=group)}"
    pools = {row["pool"] for row in as_script.get(address).json()["rows"]}
    assert pools == ({"big-linux", "secret-pool"} if "account" in query else {"secret-pool"})


@pytest.mark.parametrize(
    "query",
    [
        "since=x",
        "since=2026-11-02&until=2026-11-01",
        "since=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31",
        "by=colour",
    ],
)
def test_a_malformed_question_is_refused(as_script: Client, query: str) -> None:
    answer = as_script.get(f"{INSIGHT}/waits?{query}")
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 1)


@pytest.mark.parametrize("text", ["2026-11-01", "2026-11-01T00:00:00", "2026-11-01T02:00:00+02:00"])
def test_times_are_utc_unless_they_have_an_offset(as_script: Client, text: str) -> None:
    answer = as_script.get(f"{INSIGHT}/usage?since={text}&until=2026-11-02")
    assert answer.json()["since"] == "2026-11-01T00:00:00Z"


@pytest.mark.parametrize("table", TABLES)
def test_an_unchanged_answer_is_not_sent_again(busy: Sender, as_script: Client, table: str) -> None:
    Job.objects.filter(ended_at=None).delete()  # seconds of what still runs or waits go on
    query = {"since": "2026-11-01", "until": timezone.now().isoformat()}
    first = as_script.get(f"{INSIGHT}/{table}", query)
    headers = {"If-None-Match": first.headers["ETag"]}
    assert as_script.get(f"{INSIGHT}/{table}", query, headers=headers).status_code == 304
    Job.objects.all().delete()
    Runner.objects.all().delete()
    assert as_script.get(f"{INSIGHT}/{table}", query, headers=headers).status_code == 200


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("days", [1, 30])
def test_a_limited_viewer_sees_nothing_of_other_groups(
    busy: Sender, limited: Client, limited_token: Client, table: str, days: int
) -> None:
    since = (timezone.now() - timedelta(days=days)).isoformat()
    for client in (limited, limited_token):
        for by in BY if table in ("waits", "usage") else BY[:1]:
            answer = client.get(f"{INSIGHT}/{table}", {"since": since, "by": by})
            assert answer.status_code == 200
            assert "secret-" not in answer.content.decode()
            assert "others" not in answer.content.decode()
        assert client.get(f"{INSIGHT}/coverage").json()["rows"] == []
        assert answer.json().get("coverage", []) == []


def test_totals_of_a_limited_viewer_leave_out_other_groups(
    busy: Sender, limited: Client, as_script: Client
) -> None:
    for table in ("waits", "usage"):
        for client, number in ((limited, 4), (as_script, 5)):
            (row,) = client.get(f"{INSIGHT}/{table}?by=account").json()["rows"]
            assert (row["account"], row["jobs"]) == ("organization:acme", number)


@pytest.mark.parametrize(
    "query",
    [
        "account=organization:globex",
        "account=acme",
        "pool=secret-pool",
        "group=others",
        "repository=acme/secret-repository",
        "pool=99999999999999999999",
    ],
)
def test_what_the_user_may_not_see_does_not_exist(
    busy: Sender, limited: Client, query: str
) -> None:
    for table in TABLES[:-1]:
        assert limited.get(f"{INSIGHT}/{table}?{query}").status_code == 404


def test_tables_are_downloaded_as_csv_with_a_token(busy: Sender, limited: Client) -> None:
    for table in ("waits", "usage", "capacity", "queue", "jobs"):
        answer = limited.get(f"/insight/{table}/export.csv")
        assert answer.status_code == 200
        text = b"".join(answer).decode()
        assert text.startswith('"account",')
        assert "secret-" not in text


def test_the_number_of_queries_is_constant(busy: Sender, as_script: Client) -> None:
    def count(table: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert as_script.get(f"{INSIGHT}/{table}").status_code == 200
        return len(queries)

    as_script.get(f"{INSIGHT}/queue")  # the first request notes that the token was used
    before = {table: count(table) for table in TABLES}
    other = Sender(make_account("globex", {9: ("deployers", ["deploy", "deploy-gpu"])}))
    names = {"labels": ["deploy"], "runner_group_id": 9, "runner_name": "deploy_0123456789ab"}
    other.deliver(*(shift(completed(40, 100, id=n, **names), 3000) for n in range(70, 75)))
    normalise_waiting()
    assert len(rows_of(as_script, "waits")) == 3
    assert {table: count(table) for table in TABLES} == before
