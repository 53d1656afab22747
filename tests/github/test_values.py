"""Whatever a server sends becomes something both databases can store."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners_app.github import values

WRONG_TYPES: list[object] = [None, True, [], {}, ["x"], {"a": 1}]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("plain", "plain"),
        ("Ω 🦄 العربية", "Ω 🦄 العربية"),
        ("nul\x00", "nul\ufffd"),
        ("lone \ud800 and \udfff", "lone \ufffd and \ufffd"),
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 499 + "…"),
        (4711, "4711"),
        (2.5, "2.5"),
        pytest.param(10**5000, "", id="a number of 5,000 digits"),
        *((wrong, "") for wrong in WRONG_TYPES),
    ],
)
def test_text_can_always_be_stored(sent: object, stored: str) -> None:
    assert values.text(sent) == stored
    stored.encode()  # raises for a lone surrogate


@pytest.mark.parametrize("sent", [0, -1, 5, 2**53 + 1, 2**63 - 1, -(2**63)])
def test_an_id_keeps_every_digit(sent: int) -> None:
    assert values.identity(sent) == sent


def test_an_id_may_come_as_a_number_without_fraction() -> None:
    assert values.identity(5.0) == 5


@pytest.mark.parametrize(
    "sent", [*WRONG_TYPES, "5", 5.5, 2**63, -(2**63) - 1, float("inf"), float("nan"), 1e300]
)
def test_what_is_no_id_is_unreadable(sent: object) -> None:
    with pytest.raises(values.Unreadable):
        values.identity(sent)
    assert values.optional_identity(sent) is None


@pytest.mark.parametrize("sent", [*WRONG_TYPES, "5", 5.5, -1, 2**31, float("inf")])
def test_what_is_no_count_is_left_out(sent: object) -> None:
    assert values.count(sent) is None


@pytest.mark.parametrize("sent", [None, 1, 0, "true", "false", [], {}])
def test_only_real_booleans_are_flags(sent: object) -> None:
    assert values.flag(sent) is False
    assert values.flag(sent, default=True) is True


@pytest.mark.parametrize(
    "sent",
    [
        "2026-10-09T23:39:01Z",
        "2026-10-10T01:39:01+02:00",
        "2026-10-09T23:39:01",
        "2026-10-09 23:39:01 +0000"[:19],
    ],
)
def test_a_moment_is_in_utc(sent: str) -> None:
    assert values.moment(sent) == datetime(2026, 10, 9, 23, 39, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "sent",
    [
        *WRONG_TYPES,
        "",
        "soon",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        1_700_000_000,
        "9" * 100,
    ],
)
def test_an_unreadable_moment_is_left_out(sent: object) -> None:
    assert values.moment(sent) is None


@pytest.mark.parametrize(
    "sent", ["http://x/", "javascript:alert(1)", "https://" + "x" * 600, " https://x/", None, 7]
)
def test_only_https_becomes_a_link(sent: object) -> None:
    assert values.https_url(sent) is None
    assert values.https_url("https://docs.github.com/rest") == "https://docs.github.com/rest"


@settings(deadline=None)  # machines are busy with other things at times
@given(
    st.one_of(
        st.none(), st.text(), st.integers(), st.floats(), st.text(alphabet="0123456789@:-+ ZT,GMT")
    )
)
def test_no_value_and_no_header_makes_the_border_fall(sent: object) -> None:
    for read in (
        values.text,
        values.optional_text,
        values.count,
        values.moment,
        values.epoch,
        values.https_url,
    ):
        read(sent)
    if isinstance(sent, str):
        values.http_date(sent)
        values.header_number(sent)
