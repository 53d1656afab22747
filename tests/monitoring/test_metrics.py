"""`/metrics`: its series, and who may read them."""

from collections.abc import Callable

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings

from runners_app.models import Account, Delivery, Limits, Reading, Runner
from tests.jobs.posting import Sender
from tests.simulator_handle import SimulatorHandle

Labels = dict[str, str]
Read = Callable[..., list[tuple[Labels, float]]]


@pytest.fixture
def read(client: Client, settings: Settings, db: None) -> Read:
    """Reads samples by name and labels; answers pairs of all labels and value."""
    settings.METRICS_TOKEN = "a token for Prometheus"

    def samples(name: str, **labels: str) -> list[tuple[Labels, float]]:
        answer = client.get("/metrics", headers={"authorization": "Bearer a token for Prometheus"})
        assert answer.status_code == 200
        found = [
            each
            for family in text_string_to_metric_families(answer.content.decode())
            for each in family.samples
        ]
        return [
            (each.labels, each.value)
            for each in found
            if each.name == name and labels.items() <= each.labels.items()
        ]

    return samples


def test_metrics_are_not_found_without_a_configured_token(
    client: Client, settings: Settings, db: None
) -> None:
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize(
    "header", ["", "Bearer wrong", "Bearer ", "Basic a token for Prometheus", "Bearer tökén"]
)
def test_a_wrong_token_is_refused(
    client: Client, settings: Settings, db: None, header: str
) -> None:
    settings.METRICS_TOKEN = "a token for Prometheus"
    answer = client.get("/metrics", headers={"authorization": header} if header else {})
    assert answer.status_code == 401
    assert b"trackside_" not in answer.content


def test_runners_are_counted_by_account_status_platform_and_size(read: Read, acme: Account) -> None:
    listed = Runner.objects.present().filter(account=acme)
    assert sum(value for _, value in read("trackside_runners", account="acme")) == listed.count()
    ready = listed.filter(status="Ready", platform="linux-x64")
    assert (
        sum(value for _, value in read("trackside_runners", status="Ready", platform="linux-x64"))
        == ready.count()
    )


def test_rare_words_are_folded_into_other(read: Read, acme: Account) -> None:
    for number, runner in enumerate(Runner.objects.filter(account=acme)):
        for copy in range(5):
            runner.pk, runner.github_id = None, 10_000 + number * 5 + copy
            runner.size = f"{number}-{copy}-core"
            runner.save()
    sizes = {labels["size"] for labels, _ in read("trackside_runners")}
    assert len(sizes) == 31
    assert "other" in sizes
    total = sum(value for _, value in read("trackside_runners"))
    assert total == Runner.objects.present().count()


def test_static_ips_are_reported_with_their_maximum(read: Read, acme: Account) -> None:
    limits = Limits.objects.current().get(account=acme)
    labels = {"account": "acme", "kind": "organization", "api_url": acme.api_url}
    assert read("trackside_static_ips_used") == [(labels, limits.used)]
    assert read("trackside_static_ips_maximum") == [(labels, limits.maximum)]


def test_an_organization_and_an_enterprise_of_one_slug_are_told_apart(
    read: Read, acme: Account, umbrella: Account
) -> None:
    Account.objects.filter(pk=umbrella.pk).update(slug="acme")
    for kind, account in (("organization", acme), ("enterprise", umbrella)):
        labels = {"account": "acme", "kind": kind, "api_url": account.api_url}
        listed = Runner.objects.present().filter(account=account).count()
        assert sum(value for _, value in read("trackside_runners", **labels)) == listed > 0
        assert len(read("trackside_static_ips_used", **labels)) == 1
        assert len(read("trackside_reading_age_seconds", **labels, resource="runners")) == 1
        assert len(read("trackside_reading_requests_total", **labels, resource="runners")) == 1


@pytest.mark.usefixtures("in_earnest")
def test_readings_report_age_duration_requests_and_errors(
    read: Read, acme: Account, simulator: SimulatorHandle, work: Callable[[Account], None]
) -> None:
    simulator.set_speed(0)
    of_runners = {"account": "acme", "resource": "runners"}
    Reading.objects.schedule_now(acme, "runners")
    work(acme)
    assert [value for _, value in read("trackside_reading_requests_total", **of_runners)] == [2]
    assert [value for _, value in read("trackside_reading_not_modified_total", **of_runners)] == [1]
    assert read("trackside_reading_age_seconds", **of_runners)[0][1] < 60
    assert read("trackside_reading_seconds", **of_runners)[0][1] > 0
    assert read("trackside_reading_failing") == []
    simulator.add_fault("GET", "hosted-runners", "status", status=500)
    Reading.objects.schedule_now(acme, "runners")
    work(acme)
    assert [value for _, value in read("trackside_reading_errors_total", **of_runners)] == [1]
    labels = {**of_runners, "kind": "organization", "api_url": acme.api_url}
    assert read("trackside_reading_failing") == [({**labels, "error": "unreachable"}, 1)]


def test_budget_and_queue_are_reported(read: Read, acme: Account) -> None:
    assert read("trackside_rate_limit", kind="classic")[0][1] == 5000
    assert 0 < read("trackside_rate_remaining", kind="classic")[0][1] <= 5000
    assert read("trackside_credential_quarantined", kind="classic")[0][1] == 0
    assert read("trackside_credentials_waiting") == [({}, 0)]
    assert read("trackside_queue_depth")[0][1] >= 0


def test_jobs_are_counted_by_organization_and_pool(read: Read, busy: Sender) -> None:
    def by_pool(name: str) -> dict[str, float]:
        return {labels["pool"]: value for labels, value in read(name, account="acme")}

    assert by_pool("trackside_jobs_running") == {"": 0, "big-linux": 1, "big-linux-gpu": 0}
    # The one of big-linux-gpu waits for an approval and wants no machine yet.
    assert by_pool("trackside_jobs_waiting") == {"": 1, "big-linux": 1, "big-linux-gpu": 0}
    oldest = by_pool("trackside_jobs_oldest_wait_seconds")
    assert oldest == {
        "": pytest.approx(200, abs=60),
        "big-linux": pytest.approx(300, abs=60),
        "big-linux-gpu": 0,
    }


def test_deliveries_are_counted_as_received_failed_and_repaired(read: Read, busy: Sender) -> None:
    repaired, asked = Delivery.objects.order_by("pk")[:2]
    Delivery.objects.filter(pk=repaired.pk).update(live=False)
    Delivery.objects.filter(pk=asked.pk).update(live=False, outcome="asked")
    counts = {
        labels["outcome"]: value
        for labels, value in read("trackside_job_deliveries", account="acme")
    }
    total = Delivery.objects.count()
    assert counts == {"received": total - 1, "failed": 2, "repaired": 1}


def test_pages_are_timed_by_url_name(read: Read, client: Client) -> None:
    before = read("trackside_page_seconds_count", page="livez", method="GET", status="2xx")
    client.get("/livez")
    after = read("trackside_page_seconds_count", page="livez", method="GET", status="2xx")
    assert after[0][1] == (before[0][1] if before else 0) + 1


def test_unknown_urls_and_made_up_methods_add_no_series(read: Read, client: Client) -> None:
    client.get("/no-such-page-1")
    client.generic("MADEUP", "/no-such-page-2")
    labels = [labels for labels, _ in read("trackside_page_seconds_count", page="unknown")]
    assert {each["method"] for each in labels} <= {"GET", "HEAD", "POST", "other"}
    assert not any("no-such" in each["page"] for each in labels)


def test_the_number_of_queries_does_not_depend_on_accounts_and_runners(
    client: Client,
    settings: Settings,
    acme: Account,
    globex: Account,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    settings.METRICS_TOKEN = "a token"
    with django_assert_num_queries(26):
        client.get("/metrics", headers={"authorization": "Bearer a token"})
