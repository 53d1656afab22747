"""Pages, conditional requests and the headers of every response."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.simulator.conftest import RUNNERS, Caller, caller_of
from tests.simulator_handle import SimulatorHandle


def links(header: str) -> dict[str, str]:
    return {rel: url for url, rel in re.findall(r'<([^>]+)>; rel="(\w+)"', header)}


def test_next_links_lead_through_every_runner_once(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    seen, path = [], f"{RUNNERS}?per_page=15"
    while path:
        answer = acme("GET", path)
        seen += [runner["id"] for runner in answer.json()["runners"]]
        assert answer.json()["total_count"] == 40
        path = (
            links(answer.headers.get("Link", "")).get("next", "").removeprefix(simulator.base_url)
        )
    assert seen == list(range(1, 41))


@pytest.mark.parametrize(
    ("page", "rels"),
    [(1, {"next", "last"}), (2, {"first", "prev", "next", "last"}), (4, {"first", "prev"})],
)
def test_links_name_the_other_pages(acme: Caller, page: int, rels: set[str]) -> None:
    answer = acme("GET", RUNNERS, params={"per_page": 10, "page": page})
    assert set(links(answer.headers["Link"])) == rels
    assert len(answer.json()["runners"]) == 10


def test_links_are_absolute_and_keep_the_query(simulator: SimulatorHandle, acme: Caller) -> None:
    answer = acme("GET", "/orgs/acme/repos", params={"type": "private", "per_page": 3})
    url = links(answer.headers["Link"])["next"]
    assert url.startswith(f"{simulator.base_url}/orgs/acme/repos?")
    assert parse_qs(urlsplit(url).query) == {"type": ["private"], "per_page": ["3"], "page": ["2"]}


@pytest.mark.parametrize(
    ("per_page", "length"),
    [(None, 30), ("0", 30), ("x", 30), ("-1", 30), ("39", 39), ("100", 40), ("5000", 40)],
)
def test_a_page_has_thirty_items_by_default_and_at_most_a_hundred(
    acme: Caller, per_page: str | None, length: int
) -> None:
    answer = acme("GET", RUNNERS, params={"per_page": per_page} if per_page else {})
    assert len(answer.json()["runners"]) == length


def test_a_hundred_is_the_most(simulator: SimulatorHandle) -> None:
    simulator.reset(runners=130)
    call = caller_of(simulator, simulator.account("acme").token)
    assert len(call("GET", RUNNERS, params={"per_page": 1000}).json()["runners"]) == 100


def test_one_page_has_no_link(acme: Caller) -> None:
    assert "Link" not in acme("GET", RUNNERS, params={"per_page": 40}).headers


def test_a_page_beyond_the_last_is_empty(acme: Caller) -> None:
    answer = acme("GET", RUNNERS, params={"page": 9})
    assert (answer.status_code, answer.json()) == (200, {"total_count": 40, "runners": []})


def test_an_unchanged_answer_is_304_and_free(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.set_speed(0)
    first = acme("GET", RUNNERS)
    again = acme("GET", RUNNERS, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert (
        again.headers["X-RateLimit-Remaining"] == first.headers["X-RateLimit-Remaining"] == "4999"
    )


def test_a_changed_answer_is_200_with_another_etag(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    simulator.set_speed(0)
    first = acme("GET", RUNNERS)
    simulator.change_runner("organization", "acme", 1, maximum_runners=3)
    again = acme("GET", RUNNERS, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 200
    assert again.headers["ETag"] != first.headers["ETag"]


def test_an_etag_belongs_to_one_token(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.set_speed(0)
    other = caller_of(simulator, simulator.token("many-organizations"))
    etag = acme("GET", RUNNERS).headers["ETag"]
    assert other("GET", RUNNERS, headers={"If-None-Match": etag}).status_code == 200


def test_every_answer_carries_githubs_headers(acme: Caller) -> None:
    answer = acme("GET", RUNNERS)
    expected = (
        "ETag Cache-Control Vary X-GitHub-Media-Type X-GitHub-Api-Version-Selected "
        "X-GitHub-Request-Id X-RateLimit-Limit X-RateLimit-Remaining X-RateLimit-Used "
        "X-RateLimit-Reset X-RateLimit-Resource "
        "X-OAuth-Scopes X-Accepted-OAuth-Scopes"
    )
    assert [name for name in expected.split() if name not in answer.headers] == []
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["ETag"].startswith('W/"')
    assert (
        answer.headers["X-GitHub-Request-Id"] != acme("GET", RUNNERS).headers["X-GitHub-Request-Id"]
    )


def test_a_trailing_slash_or_an_unknown_path_is_404(acme: Caller) -> None:
    for path in (f"{RUNNERS}/", "/orgs/acme/", "/nowhere", f"{RUNNERS}/abc", "/"):
        assert acme("GET", path).status_code == 404, path
    assert acme("PUT", RUNNERS).status_code == 404


def test_an_encoded_slash_does_not_separate(acme: Caller) -> None:
    assert acme("GET", "/orgs%2Facme/actions/hosted-runners").status_code == 404
    assert acme("GET", "/orgs/%61cme/actions/hosted-runners").status_code == 200


def test_an_id_of_any_length_is_404(acme: Caller) -> None:
    assert acme("GET", f"{RUNNERS}/{10**15}").status_code == 404
    assert acme("GET", f"{RUNNERS}/{10**30}").status_code == 404


def test_repositories_are_sorted_and_filtered(acme: Caller) -> None:
    by_name = [
        each["name"]
        for each in acme("GET", "/orgs/acme/repos", params={"sort": "full_name"}).json()
    ]
    assert by_name == sorted(by_name)
    created = [each["created_at"] for each in acme("GET", "/orgs/acme/repos").json()]
    assert created == sorted(created, reverse=True)


def test_the_newest_api_version_lacks_has_downloads(acme: Caller) -> None:
    headers = {"X-GitHub-Api-Version": "2026-03-10"}
    assert "has_downloads" in acme("GET", "/orgs/acme/repos").json()[0]
    assert "has_downloads" not in acme("GET", "/orgs/acme/repos", headers=headers).json()[0]
