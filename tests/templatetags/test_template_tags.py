from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import RequestFactory
from django.urls import path

from runners_app.templatetags import trackside as tags
from runners_app.templatetags.words import sentence_case


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("", page, name="overview"), path("runners/", page, name="runners")]

NOW = datetime(2026, 11, 2, 10, 14, 3, tzinfo=UTC)


def rendered(source: str, at: str = "/", **values: Any) -> str:
    return Template(source).render(Context({"request": RequestFactory().get(at), **values}))


@pytest.mark.parametrize("value", ["Ready", "Provisioning", "Shutdown", "Deleting", "Stuck"])
def test_a_status_is_shown_in_githubs_word_with_an_icon(value: str) -> None:
    html = tags.status(value)
    assert html.endswith(f"</svg>{value}</span>")
    assert 'aria-hidden="true"' in html


def test_an_unknown_status_is_shown_raw_and_escaped() -> None:
    html = tags.status("<b>Hibernating</b>")
    assert "&lt;b&gt;Hibernating&lt;/b&gt;" in html
    assert "status-unknown" in html


def test_a_missing_status_does_not_break_the_page() -> None:
    assert "No status" in tags.status(None)
    assert "No status" in tags.status("")


def test_a_runner_that_is_gone_says_so() -> None:
    assert "Gone</span>" in tags.status("gone")
    assert "no longer lists" in tags.status("gone")


def test_statuses_that_github_does_not_define_have_a_note() -> None:
    assert (
        tags.status_note("Stuck")
        == tags.status_note("Shutdown")
        == "GitHub does not define this status."
    )
    assert tags.status_note("Ready") == ""


@pytest.mark.parametrize(
    ("value", "words"), [(key, state[0]) for key, state in tags.OPERATION_STATES.items()]
)
def test_an_operation_state_is_shown_in_words(value: str, words: str) -> None:
    assert tags.operation_state(value).endswith(f"{words}</span>")


def test_an_icon_is_cached() -> None:
    assert tags.icon("server") is tags.icon("server")
    assert 'width="16"' in tags.icon("server")


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(0), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=3, seconds=40), "3 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=45), "1 month ago"),
        (timedelta(days=800), "2 years ago"),
        (timedelta(seconds=-20), "in a moment"),
        (timedelta(minutes=-4), "in 4 minutes"),
    ],
)
def test_times_are_relative(distance: timedelta, words: str) -> None:
    assert tags.relative(NOW - distance, NOW) == words


def test_a_relative_time_has_the_exact_time_in_its_title() -> None:
    in_berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    html = tags.ago(in_berlin)
    assert 'datetime="2026-11-02T10:14:03Z"' in html
    assert 'title="2 Nov 2026, 10:14:03 UTC"' in html


def test_a_missing_time_is_never() -> None:
    assert tags.ago(None) == '<span class="muted">never</span>'
    assert tags.ago(None, "not <yet>") == '<span class="muted">not &lt;yet&gt;</span>'


def test_a_time_in_cached_fragments_is_not_relative() -> None:
    assert tags.when(NOW).endswith(">2 Nov 2026, 10:14</time>")


def test_an_exact_time_is_marked_for_the_script() -> None:
    assert "data-exact>2 Nov 2026, 10:14:03 UTC<" in tags.exact(NOW)


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 runners"), (1, "1 runner"), (1234, "1,234 runners"), (None, "0 runners")],
)
def test_counts_agree_with_their_noun(count: int | None, words: str) -> None:
    assert tags.plural(count, "runner") == words


def test_an_irregular_plural_can_be_given() -> None:
    assert tags.plural(2, "enterprise policy", "enterprise policies") == "2 enterprise policies"


@pytest.mark.parametrize(
    ("used", "tone", "width"),
    [
        (0, "normal", "0.0"),
        (39, "normal", "78.0"),
        (40, "warning", "80.0"),
        (50, "danger", "100.0"),
        (60, "danger", "100.0"),
    ],
)
def test_a_gauge_warns_from_80_percent(used: int, tone: str, width: str) -> None:
    html = tags.gauge(used, 50)
    assert f"gauge-{tone}" in html
    assert f'class="gauge-fill" width="{width}"' in html
    assert f"{used} of 50 used" in html


def test_a_gauge_without_numbers_says_unknown() -> None:
    assert "unknown" in tags.gauge(None, None)
    assert "3 used" in tags.gauge(3, None)
    assert "svg" not in tags.gauge(3, 0)


def test_a_sparkline_has_its_numbers_as_label() -> None:
    html = tags.sparkline([3, None, 10, 5], "Static IPs")
    assert 'aria-label="Static IPs: from 3 to 5, lowest 3, highest 10"' in html
    assert 'points="0.0,22.0 48.0,2.0 96.0,16.3"' in html


@pytest.mark.parametrize("values", [None, [], [4], [None, None]])
def test_a_sparkline_needs_two_numbers(values: list[float | None] | None) -> None:
    assert "not enough" in tags.sparkline(values)


def test_a_flat_sparkline_runs_through_the_middle() -> None:
    assert 'points="0.0,12.0 96.0,12.0"' in tags.sparkline([5, 5])


def test_a_copy_button_escapes_what_it_copies() -> None:
    html = tags.copy_button('"><script>', "Copy the label")
    assert "<script>" not in html
    assert 'aria-label="Copy the label"' in html


def test_query_changes_the_present_query_string() -> None:
    html = rendered('{% query sort="-name" after=None %}', "/runners/?q=a+b&sort=name&after=7")
    assert html == "?q=a+b&amp;sort=-name"


def test_query_keeps_repeated_values_and_drops_poll_parameters() -> None:
    assert (
        rendered("{% query %}", "/runners/?status=Ready&status=Stuck&version=9")
        == "?status=Ready&amp;status=Stuck"
    )


def test_a_sort_header_reverses_the_order_and_drops_the_place() -> None:
    html = rendered('{% sort_header "name" "Name" "name" %}', "/runners/?sort=name&after=7")
    assert 'aria-sort="ascending"' in html
    assert 'href="?sort=-name"' in html


def test_a_sort_header_of_another_column_has_no_order() -> None:
    html = rendered('{% sort_header "name" "Name" "-size" "numeric" %}')
    assert "aria-sort" not in html
    assert 'class="numeric"' in html


def test_an_account_kind_is_shown_as_a_word() -> None:
    assert "Enterprise" in tags.account_kind("enterprise")
    assert "&lt;moon&gt;" in tags.account_kind("<moon>")


@pytest.mark.urls("tests.templatetags.test_template_tags")
@pytest.mark.parametrize(
    ("at", "current"),
    [
        ("/runners/", 'aria-current="page"'),
        ("/runners/7/", 'aria-current="true"'),
        ("/images/", None),
    ],
)
def test_the_navigation_marks_the_present_page(at: str, current: str | None) -> None:
    html = rendered('{% nav_link "runners" "Runners" "server" "r" %}', at)
    assert (current in html) if current else ("aria-current" not in html)


@pytest.mark.urls("tests.templatetags.test_template_tags")
def test_the_overview_is_not_marked_on_other_pages() -> None:
    assert "aria-current" not in rendered(
        '{% nav_link "overview" "Overview" "home" "o" %}', "/runners/"
    )


@pytest.mark.urls("tests.templatetags.test_template_tags")
def test_the_navigation_has_no_link_to_a_page_that_is_not_routed() -> None:
    assert rendered('{% nav_link "moon" "Moon" "moon" "m" %}') == ""


def test_texts_of_other_packages_are_shown_in_sentence_case() -> None:
    titles = {
        "\n  Change Password\n": "Change password",
        "Two-Factor Authentication": "Two-factor authentication",
        "Use GitHub or TOTP": "Use GitHub or TOTP",
        "Don&#x27;t Trust": "Don&#x27;t trust",
        "": "",
    }
    assert {text: sentence_case(text) for text in titles} == titles


def test_the_filter_button_shows_how_many_filters_are_set() -> None:
    source = '{% filters_summary "status" "size" %}'
    none, two = (
        rendered(source, at=f"/runners/{query}")
        for query in ("?q=a&size=", "?status=a&size=b&sort=name")
    )
    assert "data-filters hidden>0<" in none
    assert "data-filters>2<" in two
