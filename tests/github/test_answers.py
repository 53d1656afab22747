"""What an answer means, without a socket."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runners_app.github import (
    AnswerUnusable,
    BadCredentials,
    Cause,
    ClockSkewed,
    Conflict,
    FieldError,
    Forbidden,
    ForeignAnswer,
    GitHubError,
    Invalid,
    NotFound,
    RateLimited,
    RedirectRefused,
    Refused,
    ServerFailed,
)
from runners_app.github.answers import Understood, understand

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
LIMIT = {"x-ratelimit-limit": "5000", "x-ratelimit-used": "5000", "x-ratelimit-resource": "core"}


def reset_in(seconds: int, remaining: int = 0) -> dict[str, str]:
    reset_at = int((NOW + timedelta(seconds=seconds)).timestamp())
    return {**LIMIT, "x-ratelimit-remaining": str(remaining), "x-ratelimit-reset": str(reset_at)}


def refusal(
    status: int,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    **how: Any,
) -> GitHubError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(GitHubError) as caught:
        understand(status, headers or {}, content, NOW, **how)
    return caught.value


def from_example(examples: dict[str, Any], name: str) -> GitHubError:
    error = examples["errors"][name]
    headers = {key.lower(): value for key, value in error.get("headers", {}).items()}
    return refusal(error["status"], error["body"], headers)


# Good answers


def test_an_answer_brings_its_payload_and_hash() -> None:
    body = b'{"total_count": 0, "runners": []}'
    understood = understand(200, {}, body, NOW)
    assert understood.payload == {"total_count": 0, "runners": []}
    assert understood.body_sha256 == hashlib.sha256(body).hexdigest()
    assert not understood.unchanged


def test_an_empty_body_is_no_error() -> None:
    assert understand(204, {}, b"", NOW, write=True, success=204).payload is None


def test_a_304_is_unchanged() -> None:
    understood = understand(304, {"etag": 'W/"a"'}, b"", NOW)
    assert understood.unchanged
    assert understood.body_sha256 is None
    assert understood.meta.etag == 'W/"a"'


def test_an_equal_body_is_unchanged_and_not_parsed() -> None:
    body = b"this is not even JSON"
    known = hashlib.sha256(body).hexdigest()
    understood = understand(200, {}, body, NOW, known_sha256=known)
    assert understood.unchanged
    assert understood.payload is None


@pytest.mark.parametrize(
    ("link", "next_link"),
    [
        (
            '<https://h/a?page=2>; rel="next", <https://h/a?page=9>; rel="last"',
            "https://h/a?page=2",
        ),
        (
            '<https://h/a?page=1>; rel="prev", <https://h/a?page=3>; rel="next"',
            "https://h/a?page=3",
        ),
        ('<https://h/a?page=1>; rel="prev"', None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_the_next_page_is_the_one_the_link_header_names(link: str, next_link: str | None) -> None:
    assert understand(200, {"link": link}, b"[]", NOW).next_link == next_link


def test_the_headers_are_read() -> None:
    meta = understand(
        200,
        {
            "x-github-request-id": "ABCD:1234",
            "etag": 'W/"0f4b"',
            "date": "Sun, 01 Nov 2026 12:00:00 GMT",
            "x-oauth-scopes": "admin:org, repo",
            "x-accepted-oauth-scopes": "",
            "x-accepted-github-permissions": "organization_administration=read",
            "github-authentication-token-expiration": "2026-12-01 12:00:00 UTC",
            "deprecation": "@1804636800",
            "sunset": "Fri, 10 Mar 2028 00:00:00 GMT",
            **reset_in(600, remaining=7),
        },
        b"{}",
        NOW,
    ).meta
    assert meta.request_id == "ABCD:1234"
    assert meta.etag == 'W/"0f4b"'
    assert meta.date == NOW
    assert meta.oauth_scopes == ("admin:org", "repo")
    assert meta.accepted_oauth_scopes == ()
    assert meta.accepted_permissions == "organization_administration=read"
    assert meta.token_expires_at == datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert meta.deprecation == datetime.fromtimestamp(1804636800, UTC)
    assert meta.sunset == datetime(2028, 3, 10, tzinfo=UTC)
    assert meta.rate_limit
    assert (meta.rate_limit.limit, meta.rate_limit.remaining, meta.rate_limit.used) == (
        5000,
        7,
        5000,
    )
    assert meta.rate_limit.reset_at == NOW + timedelta(seconds=600)


@pytest.mark.parametrize(
    "sent", ["2026-12-01 07:00:00 -0500", "2026-12-01 14:00:00 +0200", "2026-12-01 12:00:00 UTC"]
)
def test_the_end_of_a_token_is_read_in_every_zone(sent: str) -> None:
    meta = understand(200, {"github-authentication-token-expiration": sent}, b"{}", NOW).meta
    assert meta.token_expires_at == datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("etag", ["plain", '"a"\r\nX: y', '"' + "a" * 300 + '"', '"ünïcode"', ""])
def test_an_etag_that_could_not_be_sent_back_is_not_kept(etag: str) -> None:
    assert understand(200, {"etag": etag}, b"{}", NOW).meta.etag is None


# Answers that cannot be used


@pytest.mark.parametrize(
    "body",
    [
        b'{"cut',
        b"NaN",
        b"[Infinity]",
        b"[" * 100_000,
        b"1" * 5_000,
        b"\xff\xfe\x00",
        b"\x80",
    ],
)
def test_what_is_not_json_cannot_be_used(body: bytes) -> None:
    error = refusal(200, body, {"content-type": "application/json; charset=utf-8"})
    assert isinstance(error, AnswerUnusable)
    assert str(error) == "GitHub's answer is not JSON."
    assert error.__context__ is None


def test_what_is_too_large_cannot_be_used() -> None:
    with pytest.raises(AnswerUnusable, match="too large"):
        understand(200, {}, None, NOW)


@pytest.mark.parametrize("status", [100, 199, 201, 204, 299, 300, 305, 600, 999])
def test_an_unexpected_status_cannot_be_used(status: int) -> None:
    assert type(refusal(status)) is AnswerUnusable


def test_a_redirect_names_only_the_host() -> None:
    error = refusal(302, b"", {"location": "https://user:canary@evil.test/path?canary=1"})
    assert isinstance(error, RedirectRefused)
    assert error.host == "evil.test"
    assert "evil.test" in str(error)
    assert "canary" not in str(error)


# Clocks


def dated(seconds_ahead: float) -> dict[str, str]:
    return {"date": format_datetime(NOW + timedelta(seconds=seconds_ahead), usegmt=True)}


@pytest.mark.parametrize(
    ("ahead", "took", "skew"),
    [
        pytest.param(0, 0.2, 0.0, id="the same"),
        pytest.param(-1, 0.2, 0.0, id="the second before, cut off"),
        pytest.param(-8, 9.0, 0.0, id="a slow answer, dated at its beginning"),
        pytest.param(3600, 0.2, 3600.0, id="an hour ahead"),
        pytest.param(-3600, 0.2, -3598.8, id="an hour behind"),
        pytest.param(-30, 9.0, -20.0, id="behind, and slow"),
    ],
)
def test_the_skew_of_clocks_is_what_the_date_proves(ahead: int, took: float, skew: float) -> None:
    sent_at = NOW - timedelta(seconds=took)
    meta = understand(200, dated(ahead), b"{}", NOW, sent_at=sent_at).meta
    assert meta.clock_skew_seconds == pytest.approx(skew)


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_without_a_date_no_skew_is_known(headers: dict[str, str]) -> None:
    assert understand(200, headers, b"{}", NOW).meta.clock_skew_seconds is None


@pytest.mark.parametrize(
    ("ahead", "words"), [(-3600, "60 min ahead of GitHub's"), (90, "90 s behind GitHub's")]
)
def test_a_wrong_clock_is_not_taken_for_a_wrong_key(ahead: int, words: str) -> None:
    body = {"message": "'Expiration time' claim ('exp') is too far in the future"}
    error = refusal(401, body, dated(ahead), signed=True)
    assert type(error) is ClockSkewed
    assert f"This machine's clock is {words}" in str(error)
    assert "too far in the future" in str(error)
    assert error.clock_skew_seconds == pytest.approx(ahead, abs=1)


@pytest.mark.parametrize("claim", ["'exp'", "'iat'"])
def test_github_may_say_itself_that_it_is_the_time(claim: str) -> None:
    error = refusal(401, {"message": f"The claim ({claim}) is off"}, dated(0), signed=True)
    assert type(error) is ClockSkewed
    assert "This machine's clock" not in str(error)


def test_a_refused_signature_of_the_right_time_means_a_wrong_key() -> None:
    body = {"message": "A JSON web token could not be decoded"}
    assert type(refusal(401, body, dated(30), signed=True)) is BadCredentials


def test_a_token_has_nothing_to_do_with_clocks() -> None:
    error = refusal(401, {"message": "Bad credentials"}, dated(-3600))
    assert type(error) is BadCredentials


# Answers to writes


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 429])
def test_a_write_was_refused_if_github_documents_the_refusal(status: int) -> None:
    error = refusal(status, {"message": "No"}, write=True)
    assert isinstance(error, Refused)
    assert not error.may_have_applied


@pytest.mark.parametrize("status", [402, 405, 406, 413, 415, 418, 423, 431, 450, 451, 499])
def test_no_other_status_proves_that_a_write_was_refused(status: int) -> None:
    error = refusal(status, {"message": "No"}, write=True)
    assert type(error) is AnswerUnusable
    assert error.may_have_applied
    assert f"({status})" in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>blocked</html>", b'{"mess', b"[]", b"{}", None])
@pytest.mark.parametrize("status", [401, 403, 404, 422, 429])
@pytest.mark.parametrize("headers", [{}, {"x-github-request-id": "A:1", "retry-after": "60"}])
def test_a_refusal_of_a_write_without_githubs_words_proves_nothing(
    status: int, body: bytes | None, headers: dict[str, str]
) -> None:
    with pytest.raises(AnswerUnusable) as caught:
        understand(status, headers, body, NOW, write=True, success=201)
    assert caught.value.may_have_applied


@pytest.mark.parametrize("status", [200, 202, 203, 204, 206, 226, 299, 304])
def test_a_success_that_is_not_the_documented_one_proves_nothing(status: int) -> None:
    with pytest.raises(AnswerUnusable, match="unexpected status") as caught:
        understand(status, {}, b'{"id": 5}', NOW, write=True, success=201)
    assert caught.value.may_have_applied


def test_a_refusal_of_a_write_that_was_redirected_proves_nothing() -> None:
    elsewhere = "https://api.github.com/organizations/1/actions/hosted-runners"
    error = refusal(422, {"message": "Taken already"}, write=True, redirected_to=elsewhere)
    assert type(error) is AnswerUnusable
    assert error.may_have_applied
    assert "Taken already" in str(error)


# Refusals


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("400_bad_json", Refused),
        ("400_unsupported_version", Refused),
        ("401_bad_credentials", BadCredentials),
        ("403_missing_scope", Forbidden),
        ("403_fine_grained_or_app", Forbidden),
        ("403_saml_sso", Forbidden),
        ("403_primary_rate_limit", RateLimited),
        ("429_secondary_rate_limit", RateLimited),
        ("404_not_found", NotFound),
        ("409_conflict", Conflict),
        ("410_version_gone", NotFound),
        ("422_validation_errors", Invalid),
        ("422_custom", Invalid),
        ("422_simple", Invalid),
        ("422_invalid_request", Invalid),
        ("422_prefix_message", Invalid),
        ("451_trade_controls", Refused),
        ("502_timeout", ServerFailed),
    ],
)
def test_each_of_githubs_errors_is_known(
    examples: dict[str, Any], name: str, expected: type[GitHubError]
) -> None:
    error = from_example(examples, name)
    assert type(error) is expected
    assert error.status == examples["errors"][name]["status"]
    assert str(error).endswith(".")
    assert "\n" not in str(error)
    assert error.may_have_applied is (expected is ServerFailed)


def test_a_refusal_keeps_githubs_words() -> None:
    error = refusal(
        404,
        {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"},
        {"x-github-request-id": "A:1"},
    )
    assert isinstance(error, NotFound)
    assert error.github_message == "Not Found"
    assert error.documentation_url == "https://docs.github.com/rest"
    assert error.request_id == "A:1"
    assert (
        str(error)
        == "GitHub does not know this, or the credential may not see it (404): Not Found."
    )


# Answers of others


@pytest.mark.parametrize("status", [200, 401, 403, 404, 406, 407, 410, 422, 451])
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "text/html; charset=utf-8"}, b"<!DOCTYPE html><title>No</title>"),
        ({"content-type": "text/plain"}, b"404 page not found"),
        ({}, b"<html>"),
    ],
)
def test_what_is_not_of_githubs_api_is_told_as_such(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    error = refusal(status, body, headers)
    assert type(error) is ForeignAnswer
    assert str(error).startswith(f"This is no answer of GitHub's API ({status}).")
    assert ("ends in /api/v3" in str(error)) is (status in (404, 406))


@pytest.mark.parametrize(
    ("status", "expected"), [(401, BadCredentials), (403, Forbidden), (404, NotFound)]
)
@pytest.mark.parametrize("body", [b"", None])
def test_an_empty_refusal_is_githubs_if_it_has_the_id_of_a_request(
    status: int, expected: type[GitHubError], body: bytes | None
) -> None:
    for headers, kind in (({"x-github-request-id": "A:1"}, expected), ({}, ForeignAnswer)):
        with pytest.raises(GitHubError) as caught:
            understand(status, headers, body, NOW)
        assert type(caught.value) is kind


def test_a_limit_counts_whoever_asks_for_it() -> None:
    assert type(refusal(429, b"<html>Whoa there!</html>", {"retry-after": "60"})) is RateLimited


# Why


IP_ALLOW_LIST = (
    "Although you appear to have the correct authorization credentials, the `octo-org` "
    "organization has an IP allow list enabled, and your IP address is not permitted to access "
    "this resource."
)
NAMED = {"x-accepted-github-permissions": "organization_administration=read"}


@pytest.mark.parametrize(
    ("message", "headers", "cause"),
    [
        pytest.param("No", NAMED, Cause.PERMISSION, id="permission"),
        pytest.param("No", {}, Cause.UNSAID, id="nothing said"),
        pytest.param("Resource not accessible by integration", {}, Cause.UNSAID, id="not named"),
        pytest.param(IP_ALLOW_LIST, NAMED, Cause.IP_ALLOW_LIST, id="IP allow list"),
        pytest.param("This installation has been suspended", NAMED, Cause.SUSPENDED, id="App"),
        pytest.param("Sorry. Your account was suspended.", {}, Cause.SUSPENDED, id="user"),
        pytest.param(
            "`octo-org` forbids access via a personal access token (classic).",
            NAMED,
            Cause.TOKEN_POLICY,
            id="kind of token",
        ),
        pytest.param(
            "No",
            {**NAMED, "x-github-sso": "required; url=https://github.com/orgs/octo-org/sso"},
            Cause.SSO,
            id="SSO by header",
        ),
        pytest.param(
            "Resource protected by organization SAML enforcement.", NAMED, Cause.SSO, id="SSO"
        ),
        pytest.param(
            "No",
            {"x-oauth-scopes": "repo", "x-accepted-oauth-scopes": "admin:org"},
            Cause.SCOPE,
            id="scope",
        ),
        pytest.param(
            "No",
            {"x-oauth-scopes": "admin:org", "x-accepted-oauth-scopes": "admin:org"},
            Cause.UNSAID,
            id="scope that is there",
        ),
        pytest.param("No", {"x-accepted-oauth-scopes": ""}, Cause.UNSAID, id="no scope needed"),
    ],
)
def test_a_403_tells_why_if_github_does(
    message: str, headers: dict[str, str], cause: Cause
) -> None:
    error = refusal(403, {"message": message}, headers)
    assert isinstance(error, Forbidden)
    assert error.cause is cause
    assert ("Needed permission" in str(error)) is (cause is Cause.PERMISSION)
    assert ("Needed scope" in str(error)) is (cause is Cause.SCOPE)


def test_a_404_tells_of_a_scope_and_of_nothing_else() -> None:
    scopes = {"x-oauth-scopes": "repo", "x-accepted-oauth-scopes": "admin:org"}
    for headers, cause in ((scopes, Cause.SCOPE), (NAMED, Cause.UNSAID)):
        error = refusal(404, {"message": "Not Found"}, headers)
        assert isinstance(error, NotFound)
        assert error.cause is cause


def test_a_missing_scope_is_named() -> None:
    error = refusal(
        403,
        {"message": "No"},
        {"x-oauth-scopes": "repo", "x-accepted-oauth-scopes": "admin:org, x:y"},
    )
    assert isinstance(error, Forbidden)
    assert (error.scopes, error.accepted_scopes) == (("repo",), ("admin:org", "x:y"))
    assert "admin:org or x:y" in str(error)


def test_a_missing_permission_is_named() -> None:
    error = refusal(
        403,
        {"message": "No"},
        {"x-accepted-github-permissions": "organization_administration=write"},
    )
    assert isinstance(error, Forbidden)
    assert error.accepted_permissions == "organization_administration=write"
    assert "organization_administration=write" in str(error)


def test_missing_sso_says_where_to_authorise(examples: dict[str, Any]) -> None:
    error = from_example(examples, "403_saml_sso")
    assert isinstance(error, Forbidden)
    assert error.sso_url == "https://github.com/orgs/octo-org/sso?authorization_request=EXAMPLE"
    assert "single sign-on" in str(error)


@pytest.mark.parametrize(
    "header", ["required; url=javascript:alert(1)", "required", "partial-results; organizations=1"]
)
def test_only_an_https_address_is_offered_for_sso(header: str) -> None:
    error = refusal(403, {"message": "No"}, {"x-github-sso": header})
    assert isinstance(error, Forbidden)
    assert error.sso_url is None


# What is wrong with which field


@pytest.mark.parametrize(
    ("name", "errors"),
    [
        ("422_validation_errors", (FieldError("name", "already_exists", None),)),
        (
            "422_custom",
            (FieldError("maximum_runners", "custom", "maximum_runners must be greater than 0"),),
        ),
        ("422_simple", (FieldError(None, None, "Static IP limit reached"),)),
        ("422_invalid_request", (FieldError("size", "invalid", '"size" wasn\'t supplied.'),)),
        (
            "422_prefix_message",
            (
                FieldError(
                    None, "invalid", "Runner group 1 has reached max limit of 10000 runners."
                ),
            ),
        ),
        (
            "409_conflict",
            (
                FieldError(
                    None, "already_exists", "A runner with the name linux-4core already exists."
                ),
            ),
        ),
    ],
)
def test_what_github_found_wrong_is_usable(
    examples: dict[str, Any], name: str, errors: tuple[FieldError, ...]
) -> None:
    error = from_example(examples, name)
    assert isinstance(error, Refused)
    assert error.errors == errors


def test_the_sentence_tells_the_details() -> None:
    error = refusal(
        422,
        {
            "message": "Validation Failed",
            "errors": [{"field": "name", "code": "already_exists"}, "And more"],
        },
    )
    assert (
        str(error)
        == "GitHub did not accept this (422): Validation Failed. name: already exists; And more."
    )


def test_several_wrong_fields_of_one_message_are_told_apart() -> None:
    message = (
        "Invalid request.\n\nFor 'properties/name', nil is not a string.\n\"size\" wasn't supplied."
    )
    error = refusal(422, {"message": message})
    assert isinstance(error, Invalid)
    assert [(each.field, each.message) for each in error.errors] == [
        ("name", "For 'properties/name', nil is not a string."),
        ("size", '"size" wasn\'t supplied.'),
    ]


@pytest.mark.parametrize(
    "errors", [None, 7, {}, [], [[], None, {}, {"field": []}], "", [{"code": True}]]
)
def test_odd_errors_leave_the_message(errors: object) -> None:
    error = refusal(422, {"message": "Static IP limit reached", "errors": errors})
    assert isinstance(error, Invalid)
    assert error.errors == (FieldError(None, "invalid", "Static IP limit reached"),)


def test_errors_as_one_string_are_read_too() -> None:
    error = refusal(422, {"message": "No", "errors": "Name is taken"})
    assert isinstance(error, Invalid)
    assert error.errors == (FieldError(None, None, "Name is taken"),)


# Limits


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(
    ("headers", "wait", "primary"),
    [
        pytest.param({"retry-after": "30"}, 30, False, id="retry-after"),
        pytest.param(
            {"retry-after": "30", **reset_in(600)},
            30,
            False,
            id="retry-after goes before the reset",
        ),
        pytest.param(reset_in(600), 600, True, id="the reset"),
        pytest.param(reset_in(-5), 60, True, id="a reset in the past, as our clock sees it"),
        pytest.param({"retry-after": "0"}, 1, False, id="retry-after 0"),
        pytest.param({"retry-after": "9" * 17}, 86_400, False, id="an absurd retry-after"),
        pytest.param(reset_in(10**8), 86_400, True, id="an absurd reset"),
        pytest.param(
            {
                "retry-after": "Sun, 01 Nov 2026 12:02:00 GMT",
                "date": "Sun, 01 Nov 2026 12:00:00 GMT",
            },
            120,
            False,
            id="date",
        ),
    ],
)
def test_a_limit_says_how_long_to_wait(
    status: int, headers: dict[str, str], wait: int, primary: bool
) -> None:
    error = refusal(status, {"message": "Too much"}, headers)
    assert isinstance(error, RateLimited)
    assert error.wait_until == NOW + timedelta(seconds=wait)
    assert error.primary is primary
    assert not error.may_have_applied


@pytest.mark.parametrize("ahead", [3600, -3600])
def test_the_reset_is_taken_by_githubs_clock(ahead: int) -> None:
    error = refusal(403, {"message": "Too much"}, {**reset_in(ahead + 600), **dated(ahead)})
    assert isinstance(error, RateLimited)
    assert abs(error.wait_until - NOW - timedelta(seconds=600)) <= timedelta(seconds=2)


@pytest.mark.parametrize("headers", [{}, reset_in(600, remaining=10), {"retry-after": "soon"}])
def test_a_429_without_a_hint_waits_a_minute(headers: dict[str, str]) -> None:
    error = refusal(429, b"", headers)
    assert isinstance(error, RateLimited)
    assert error.wait_until == NOW + timedelta(seconds=60)


def test_a_secondary_limit_may_come_as_a_403_with_nothing_but_words(
    examples: dict[str, Any],
) -> None:
    error = refusal(
        403, examples["errors"]["429_secondary_rate_limit"]["body"], reset_in(600, remaining=4000)
    )
    assert isinstance(error, RateLimited)
    assert error.wait_until == NOW + timedelta(seconds=60)


def test_missing_sso_is_no_limit_even_when_nothing_remains() -> None:
    sso = {"x-github-sso": "required; url=https://github.com/orgs/octo-org/sso"}
    assert isinstance(refusal(403, {"message": "SAML"}, {**sso, **reset_in(600)}), Forbidden)


# Anything at all

HEADER_NAMES = [
    "link",
    "etag",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "date",
    "location",
    "x-github-sso",
    "x-oauth-scopes",
    "github-authentication-token-expiration",
    "deprecation",
    "sunset",
]
HEADER_VALUES = st.one_of(
    st.text(alphabet=st.characters(max_codepoint=255), max_size=60),
    st.sampled_from(
        [
            "0",
            "-1",
            "9" * 40,
            '<x>; rel="next"',
            "<",
            "https://[",
            "@1",
            "Thu, 99 Foo 0000 99:99:99 GMT",
            ";=,",
        ]
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["message", "errors", "field", "code", "documentation_url"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@settings(deadline=None)  # machines are busy with other things at times
@given(
    status=st.integers(100, 999) | st.sampled_from([200, 304, 302, 401, 403, 404, 422, 429, 502]),
    headers=st.dictionaries(st.sampled_from(HEADER_NAMES), HEADER_VALUES, max_size=6),
    body=st.none() | st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()),
)
@example(
    status=429, headers={"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": "x"}, body=None
)
def test_any_answer_is_understood_or_is_an_error_of_ours(
    status: int, headers: dict[str, str], body: bytes | None
) -> None:
    try:
        assert isinstance(understand(status, headers, body, NOW), Understood)
    except GitHubError as error:
        assert str(error)
        assert str(error).encode()
        assert isinstance(error.may_have_applied, bool)
