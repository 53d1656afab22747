"""The rules for Prometheus and the dashboard for Grafana ask for what `/metrics` tells."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import promql_parser
import pytest
import yaml
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import AggregateExpr, VectorSelector
from pytest_django import Settings

from runners_app.models import Account, Operation, Reading
from tests.processes import ROOT
from tests.simulator_handle import SimulatorHandle

(GROUP,) = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())["groups"]
RULES: list[dict[str, Any]] = GROUP["rules"]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/trackside.json").read_text())
# What Prometheus itself adds.
ADDED = {"job", "instance"}
Told = dict[str, set[str]]


@pytest.fixture
def told(
    client: Client,
    settings: Settings,
    acme: Account,
    simulator: SimulatorHandle,
    work: Callable[[Account], None],
) -> Told:
    """The labels of every metric, with one reading that fails and one operation."""
    now = timezone.now()
    Operation.objects.create(
        account=acme, kind="create_runner", target="runner", requested_at=now, confirmed_at=now
    )
    simulator.add_fault("GET", "hosted-runners", "status", status=500)
    Reading.objects.schedule_now(acme, "runners")
    work(acme)
    settings.METRICS_TOKEN = "a token for Prometheus"
    client.get("/livez")
    answer = client.get("/metrics", headers={"authorization": "Bearer a token for Prometheus"})
    labels: Told = {"up": set()}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def parts(expression: object) -> Iterator[object]:
    """An expression of PromQL and all that it is made of."""
    yield expression
    for name in ("lhs", "rhs", "expr", "vector_selector", "args"):
        part = getattr(expression, name, None)
        for each in part if isinstance(part, list) else [part]:
            if each is not None:
                yield from parts(each)


def check(text: str, told: Told) -> None:
    """Every metric and every label in the expression is one that `/metrics` tells."""
    asked: set[str] = set()
    for part in parts(promql_parser.parse(text)):
        if isinstance(part, VectorSelector):
            assert part.name in told, f"{part.name} in {text}"
            asked |= told[part.name]
            matched = {matcher.name for matcher in part.matchers.matchers}
            assert matched <= told[part.name] | ADDED, f"{matched} in {text}"
    for part in parts(promql_parser.parse(text)):
        if isinstance(part, AggregateExpr) and part.modifier:
            assert set(part.modifier.labels) <= asked, text


def test_every_rule_asks_for_metrics_and_labels_that_exist(told: Told) -> None:
    for rule in RULES:
        check(rule["expr"], told)


def test_every_panel_asks_for_metrics_and_labels_that_exist(told: Told) -> None:
    asked = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    for text in asked:
        check(text.replace("$account", ".*").replace("$__rate_interval", "5m"), told)
    (account,) = [each for each in DASHBOARD["templating"]["list"] if each["name"] == "account"]
    name, label = re.findall(r"label_values\((\w+), (\w+)\)", account["definition"])[0]
    assert label in told[name]


def test_every_metric_is_in_the_dashboard(told: Told) -> None:
    """But for the buckets' companions, and how long a reading took."""
    text = json.dumps(DASHBOARD)
    missing = {name for name in told if name.startswith("trackside_") and name not in text}
    assert missing == {
        "trackside_credential_paused",
        "trackside_page_seconds_created",
        "trackside_page_seconds_sum",
        "trackside_reading_seconds",
    }


def test_an_alert_says_what_happened_and_what_to_do() -> None:
    for rule in RULES:
        assert rule["alert"].startswith("Trackside")
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert {"summary", "description"} == rule["annotations"].keys()
        grouped = re.search(r"\bby \(([^)]*)\)", rule["expr"])
        kept = set(grouped[1].split(", ")) if grouped else set()
        used = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert used <= kept, rule["alert"]


def test_one_thing_raises_one_alert_however_many_web_containers_tell_of_it() -> None:
    """All of them tell the figures of the database."""
    for rule in RULES:
        for name in re.findall(r"trackside_\w+", rule["expr"]):
            if "page_seconds" not in name:
                assert re.search(rf"max(?: by \([^)]*\))?\s*\({name}\b", rule["expr"]), rule[
                    "alert"
                ]


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        sources = {panel["datasource"]["uid"], *(t["datasource"]["uid"] for t in panel["targets"])}
        assert sources == {"${datasource}"}
