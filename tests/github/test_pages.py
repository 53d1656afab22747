"""Lists: page by page, only as far as GitHub says, and only what changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest

from runners_app.github import AnswerUnusable, GitHubClient, KnownPage, Page

from .conftest import ORG
from .raw_server import RawServer, answer, raw_server, saying

Connect = Callable[..., GitHubClient]

PATH = "/orgs/octo-org/actions/hosted-runners"
FIRST = f"{PATH}?per_page=100"


def runners(*ids: int, total: int | None = None) -> dict[str, object]:
    return {
        "total_count": len(ids) if total is None else total,
        "runners": [{"id": id_, "name": str(id_)} for id_ in ids],
    }


def next_page(where: str) -> dict[str, str]:
    return {"Link": f'<{where}>; rel="next", <{where}>; rel="last"'}


def known_by(pages: list[Page[object]]) -> Callable[[str], KnownPage | None]:
    kept = {
        page.url: KnownPage(page.etag, page.body_sha256, page.next_url, page.total_count)
        for page in pages
    }
    return kept.get


def read(client: GitHubClient, **options: object) -> list[Page[object]]:
    return list(client.list_hosted_runners(ORG, **options))  # type: ignore[arg-type]


def ids(pages: list[Page[object]]) -> list[list[int] | None]:
    return [None if page.items is None else [item.id for item in page.items] for page in pages]  # type: ignore[attr-defined]


def test_all_pages_are_read_in_order(connect: Connect) -> None:
    with raw_server(
        saying(answer(runners(1, 2, total=3), headers=next_page("/p?page=2")), answer(runners(3)))
    ) as server:
        pages = read(connect(server.url))
        assert ids(pages) == [[1, 2], [3]]
        assert pages[0].total_count == 3
        assert server.targets == [f"GET {FIRST}", "GET /p?page=2"]


def test_a_page_is_asked_for_only_when_it_is_wanted(connect: Connect) -> None:
    with raw_server(saying(answer(runners(1), headers=next_page("/p?page=2")))) as server:
        pages = connect(server.url).list_hosted_runners(ORG)
        next(pages)
        assert len(server.requests) == 1


def test_an_empty_page_is_the_last(connect: Connect) -> None:
    with raw_server(saying(answer(runners(), headers=next_page("/p?page=2")))) as server:
        (page,) = read(connect(server.url))
        assert page.items == ()
        assert page.next_url is None


def test_an_unchanged_list_is_neither_sent_nor_parsed_again(connect: Connect) -> None:
    etags = [next_page("/p?page=2") | {"ETag": 'W/"one"'}, {"ETag": 'W/"two"'}]
    fresh = [
        answer(runners(1, total=2), headers=etags[0]),
        answer(runners(2, total=2), headers=etags[1]),
    ]
    with raw_server(saying(*fresh, answer(b"", 304))) as server:
        client = connect(server.url)
        before = read(client)
        after = read(client, known=known_by(before))
        assert ids(after) == [None, None]
        assert [page.not_modified for page in after] == [True, True]
        for old, new in zip(before, after, strict=True):
            assert (new.url, new.next_url, new.total_count) == (
                old.url,
                old.next_url,
                old.total_count,
            )
            assert (new.etag, new.body_sha256) == (old.etag, old.body_sha256)
        assert [b'If-None-Match: W/"' in request for request in server.requests] == [
            False,
            False,
            True,
            True,
        ]


def test_an_equal_body_counts_as_unchanged_without_any_etag(connect: Connect) -> None:
    fresh = [
        answer(runners(1, total=2), headers=next_page("/p?page=2")),
        answer(runners(2, total=2)),
    ]
    with raw_server(saying(*fresh, *fresh)) as server:
        client = connect(server.url)
        before = read(client)
        after = read(client, known=known_by(before))
        assert ids(after) == [None, None]
        assert [page.not_modified for page in after] == [False, False]
        assert [page.total_count for page in after] == [2, 2]
        assert b"If-None-Match" not in server.requests[2]


def test_only_the_changed_page_is_parsed(connect: Connect) -> None:
    first = answer(runners(1), headers=next_page("/p?page=2"))
    with raw_server(saying(first, answer(runners(2)), first, answer(runners(2, 3)))) as server:
        client = connect(server.url)
        assert ids(read(client, known=known_by(read(client)))) == [None, [2, 3]]


def test_a_page_added_after_an_equal_one_is_found(connect: Connect) -> None:
    alone, followed = answer(runners(1)), answer(runners(1), headers=next_page("/p?page=2"))
    with raw_server(saying(alone, followed, answer(runners(2)))) as server:
        client = connect(server.url)
        assert ids(read(client, known=known_by(read(client)))) == [None, [2]]


def test_a_page_that_is_the_last_now_is_the_last_even_if_equal(connect: Connect) -> None:
    followed, alone = answer(runners(1), headers=next_page("/p?page=2")), answer(runners(1))
    with raw_server(saying(followed, answer(runners(2)), alone)) as server:
        client = connect(server.url)
        assert ids(read(client, known=known_by(read(client)))) == [None]
        assert len(server.requests) == 3


def test_a_304_may_say_that_the_list_goes_on_now(connect: Connect) -> None:
    fresh, unchanged = (
        answer(runners(1), headers={"ETag": '"a"'}),
        answer(b"", 304, next_page("/p?page=2")),
    )
    with raw_server(saying(fresh, unchanged, answer(runners(2)))) as server:
        client = connect(server.url)
        assert ids(read(client, known=known_by(read(client)))) == [None, [2]]


def test_a_304_nobody_asked_for_cannot_be_used(connect: Connect) -> None:
    with (
        raw_server(saying(answer(b"", 304))) as server,
        pytest.raises(AnswerUnusable, match="do not have"),
    ):
        read(connect(server.url))


@pytest.mark.parametrize(
    "where",
    [
        "http://localhost:{port}/p?page=2",
        "https://127.0.0.1:{port}/p",
        "http://x@127.0.0.1:{port}/p",
        "/../p",
        "//h/p",
    ],
)
def test_a_next_page_off_the_api_is_not_followed(connect: Connect, where: str) -> None:
    def behave_at(server: RawServer) -> bytes:
        return answer(runners(1), headers=next_page(where.format(port=server.port)))

    with raw_server(lambda sock, _: sock.sendall(behave_at(server))) as server:
        with pytest.raises(AnswerUnusable, match="does not belong to this API"):
            read(connect(server.url + "/api/v3"))
        assert len(server.requests) == 1


def test_a_known_next_page_off_the_api_is_not_followed(connect: Connect) -> None:
    kept = KnownPage('"a"', "0" * 64, "http://localhost/p?page=2", 1)
    with (
        raw_server(saying(answer(b"", 304))) as server,
        pytest.raises(AnswerUnusable, match="does not belong"),
    ):
        read(connect(server.url), known=lambda url: kept)


def test_a_known_etag_that_cannot_be_a_header_is_not_sent(connect: Connect) -> None:
    kept = KnownPage('"a"\r\nX-Evil: yes', "0" * 64, None, 1)
    with raw_server(saying(answer(runners(1)))) as server:
        assert ids(read(connect(server.url), known=lambda url: kept)) == [[1]]
        assert b"Evil" not in server.requests[0]


def test_a_list_that_leads_back_to_itself_is_not_read_for_ever(connect: Connect) -> None:
    round_trip = [
        answer(runners(1), headers=next_page("/p?page=2")),
        answer(runners(2), headers=next_page(FIRST)),
    ]
    with raw_server(saying(*round_trip)) as server:
        with pytest.raises(AnswerUnusable, match="does not end"):
            read(connect(server.url))
        assert len(server.requests) == 2


def test_a_list_of_ever_new_pages_is_not_read_for_ever(connect: Connect) -> None:
    def next_number(server: RawServer) -> bytes:
        return answer(runners(1), headers=next_page(f"/p?page={len(server.requests)}"))

    with raw_server(lambda sock, _: sock.sendall(next_number(server))) as server:
        with pytest.raises(AnswerUnusable, match="does not end"):
            read(connect(server.url))
        assert len(server.requests) == 1_000


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"runners": None},
        {"runners": {}},
        {"total_count": 1},
        None,
        7,
        "text",
        {"runners": [{}]},
        {"runners": [None]},
        {"runners": [{"id": 1}, {"id": 2**63}]},
    ],
)
def test_a_list_of_the_wrong_shape_cannot_be_used(connect: Connect, body: object) -> None:
    with (
        raw_server(saying(answer(body))) as server,
        pytest.raises(AnswerUnusable, match="cannot be used"),
    ):
        read(connect(server.url))


@pytest.mark.parametrize("total", [None, "many", -1, 2.5, True, 2**40])
def test_an_odd_total_is_left_out(connect: Connect, total: object) -> None:
    with raw_server(saying(answer({"total_count": total, "runners": [{"id": 1}]}))) as server:
        assert read(connect(server.url))[0].total_count is None


def test_a_bare_array_will_do_for_a_list(connect: Connect) -> None:
    with raw_server(saying(answer([{"id": 1}, {"id": 2}]))) as server:
        assert ids(read(connect(server.url))) == [[1, 2]]


def test_the_hash_of_a_page_is_that_of_its_body(connect: Connect) -> None:
    body = json.dumps(runners(1)).encode()
    with raw_server(saying(answer(body))) as server:
        assert read(connect(server.url))[0].body_sha256 == hashlib.sha256(body).hexdigest()
