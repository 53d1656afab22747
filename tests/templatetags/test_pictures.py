"""Charts drawn on the server: bars and steps over time, with their numbers."""

import re
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.models import Account, Limits, Membership, Runner
from runners_app.overview.fleet import count_fleet
from runners_app.templatetags.pictures import Bar, Point, bars, steps

START = datetime(2026, 11, 1, tzinfo=UTC)


def widths(picture: str) -> list[str]:
    return re.findall(r'rect width="([\d.]+)"', picture)


def test_bars_are_drawn_in_proportion_to_the_longest() -> None:
    assert widths(bars([Bar("a", 40, "/a"), Bar("b", 10, "/b"), Bar("c", 0, "/c")], "By size")) == [
        "100.0",
        "25.0",
        "0.0",
    ]


def test_every_bar_has_its_number_and_links_to_its_list() -> None:
    picture = bars([Bar("8-core", 1240, "/runners/?size=8-core")], "By size")
    assert "1,240" in picture
    assert 'href="/runners/?size=8-core"' in picture
    assert "By size" in picture


def test_a_status_has_its_icon_and_an_unknown_one_is_shown_raw() -> None:
    picture = bars([Bar("Ready", 2, "/"), Bar("Dreaming", 1, "/")], "By status", statuses=True)
    assert "status-success" in picture
    assert "status-unknown" in picture
    assert "Dreaming" in picture


def test_labels_from_github_are_escaped() -> None:
    assert "<script>" not in bars([Bar("<script>", 1, '/"><script>')], "<script>")


def test_a_chart_without_rows_has_no_bars() -> None:
    assert widths(bars([], "By size")) == []


def test_a_value_lasts_until_the_next_point() -> None:
    points = [Point(START, 0, 10), Point(START + timedelta(days=1), 10, 10)]
    picture = steps(points, START + timedelta(days=2), "Used")
    used = re.findall(r'steps-used" points="([^"]+)"', picture)[0]
    assert used == "0.0,118.0 300.0,118.0 300.0,4.0 600.0,4.0"
    assert 'aria-label="Used"' in picture


def test_a_step_chart_without_points_is_empty() -> None:
    assert steps([], START, "Used") == ""


def test_the_overview_draws_the_fleet_by_status_platform_and_size(
    as_admin: Client, acme: Account, globex: Account
) -> None:
    page = as_admin.get("/")
    for column, picture in zip(
        ("status", "platform", "size"), page.context["pictures"], strict=True
    ):
        drawn = {bar.label: bar.count for bar in (*picture.bars, *picture.rest)}
        values = list(Runner.objects.values_list(column, flat=True))
        assert drawn == {value: values.count(value) for value in set(values)}
        bar = picture.bars[0]
        assert as_admin.get(bar.address).context["total"] == bar.count


def test_charts_of_a_team_lead_cover_only_their_accounts(
    client: Client, lead: User, acme: Account, globex: Account
) -> None:
    Membership.objects.create(user=lead, account=acme)
    client.force_login(lead)
    by_status = client.get("/").context["pictures"][0]
    assert sum(bar.count for bar in by_status.bars) == Runner.objects.filter(account=acme).count()


def test_runners_per_day_are_counted_from_when_they_appeared_and_vanished(acme: Account) -> None:
    now = timezone.now()
    first, second, third, *others = Runner.objects.filter(account=acme)
    Runner.objects.filter(pk__in=[row.pk for row in others]).delete()
    Runner.objects.filter(pk=first.pk).update(first_seen_at=now - timedelta(days=4))
    Runner.objects.filter(pk=second.pk).update(first_seen_at=now - timedelta(days=2))
    Runner.objects.filter(pk=third.pk).update(
        first_seen_at=now - timedelta(days=4), gone_at=now - timedelta(days=1), status="Ready"
    )
    fleet = count_fleet(Runner.objects.all(), now)
    assert fleet.per_day == [2, 2, 3, 2, 2]
    assert fleet.by_status.total() == 2


def test_the_limits_of_an_account_are_drawn_after_a_change(as_admin: Client, acme: Account) -> None:
    assert "steps-used" not in as_admin.get("/static-ips/?account=acme").content.decode()
    day_before = timezone.now() - timedelta(days=1)
    Limits.objects.create(account=acme, maximum=5, used=1, current=False, observed_at=day_before)
    assert "steps-used" in as_admin.get("/static-ips/?account=acme").content.decode()
