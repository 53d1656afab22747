"""Whatever a server answers, the client gives well-typed results or raises a GitHubError, and
nothing else.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import socket
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runners_app.github import GitHubClient, GitHubError, TokenAuth

from .conftest import ORG, TOKEN
from .raw_server import answer, raw_server

RUNNERS = {
    "total_count": 1,
    "runners": [
        {
            "id": 5,
            "name": "linux-4core",
            "runner_group_id": 2,
            "platform": "linux-x64",
            "image_details": {
                "id": "2306",
                "size_gb": 86,
                "display_name": "Linux",
                "source": "github",
                "version": "1",
            },
            "machine_size_details": {
                "id": "4-core",
                "cpu_cores": 4,
                "memory_gb": 16,
                "storage_gb": 150,
            },
            "status": "Ready",
            "maximum_runners": 10,
            "public_ip_enabled": True,
            "public_ips": [{"enabled": True, "prefix": "203.0.113.16", "length": 28}],
            "last_active_on": "2026-10-09T23:39:01Z",
            "image_gen": False,
        }
    ],
}
GROUPS = {
    "total_count": 1,
    "runner_groups": [
        {
            "id": 1,
            "name": "Default",
            "visibility": "all",
            "default": True,
            "inherited": False,
            "selected_workflows": ["a"],
        }
    ],
}
REFUSAL = {
    "message": "Validation Failed",
    "errors": [{"field": "name", "code": "invalid"}],
    "documentation_url": "x",
}

ODD: st.SearchStrategy[object] = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        -1,
        2.5,
        1e300,
        2**31,
        2**53 + 1,
        2**63,
        "",
        "\x00",
        "\ud800",
        "x" * 10_000,
        [],
        {},
        [[]],
        "5",
    ]
) | st.text(max_size=5)
HOSTILE_BODIES = st.sampled_from([RUNNERS, GROUPS, REFUSAL])


class Mouth:
    """What the server says next, and a client that listens."""

    def __init__(self, client: GitHubClient) -> None:
        self.client = client
        self.sent = b""


@pytest.fixture(scope="module")
def mouth() -> Iterator[Mouth]:
    def behave(sock: socket.socket, _: bytes) -> None:
        sock.sendall(speaking.sent)
        sock.shutdown(socket.SHUT_RDWR)

    with raw_server(behave) as server:
        speaking = Mouth(GitHubClient(server.url, TokenAuth(TOKEN), deadline=2, max_bytes=100_000))
        yield speaking
        speaking.client.close()


def paths(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in pairs:
        yield from paths(inner, (*path, key))


@st.composite
def mutated(draw: st.DrawFn) -> object:
    """A body of GitHub's with up to three places replaced or taken away."""
    whole = [copy.deepcopy(draw(HOSTILE_BODIES))]
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(sorted((path for path in paths(whole) if path), key=repr)))
        parent: Any = whole
        for key in place[:-1]:
            parent = parent[key]
        if isinstance(parent, dict) and draw(st.booleans()):
            del parent[place[-1]]
        else:
            parent[place[-1]] = copy.deepcopy(
                draw(ODD)
            )  # its arrays and objects may be mutated next
    return whole[0]


def assert_well_typed(value: object, hint: Any) -> None:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        hint = next(arg for arg in args if (value is None) == (arg is types.NoneType))
        assert_well_typed(value, hint)
    elif origin is tuple:
        assert isinstance(value, tuple)
        for item in value:
            assert_well_typed(item, args[0])
    elif origin is Mapping:
        assert isinstance(value, Mapping)
    elif origin is Literal:
        assert value in args
    else:
        assert type(value) is hint
        if dataclasses.is_dataclass(value):
            for name, inner in get_type_hints(hint).items():
                assert_well_typed(getattr(value, name), inner)
        if isinstance(value, str):
            assert "\x00" not in value
            assert len(value.encode()) < 3_000


CALLS: list[Callable[[GitHubClient], Any]] = [
    lambda client: list(client.list_hosted_runners(ORG)),
    lambda client: list(client.list_runner_groups(ORG)),
    lambda client: list(client.list_custom_images(ORG)),
    lambda client: client.get_hosted_runner_limits(ORG),
    lambda client: client.delete_hosted_runner(ORG, 5),
]


def listen(mouth: Mouth, call: Callable[[GitHubClient], Any]) -> None:
    try:
        result = call(mouth.client)
    except GitHubError as error:
        assert str(error).encode()
        return
    for page in result if isinstance(result, list) else []:
        for item in page.items:
            assert_well_typed(item, type(item))


FEW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FEW
@given(
    body=mutated(),
    status=st.sampled_from([200, 200, 200, 202, 403, 422, 500]),
    call=st.sampled_from(CALLS),
)
def test_a_mutated_body_is_read_or_refused(
    mouth: Mouth, body: object, status: int, call: Callable[[GitHubClient], Any]
) -> None:
    mouth.sent = answer(json.dumps(body).encode(), status)
    listen(mouth, call)


@FEW
@given(data=st.data(), call=st.sampled_from(CALLS))
def test_mutated_bytes_are_read_or_refused(
    mouth: Mouth, data: st.DataObject, call: Callable[[GitHubClient], Any]
) -> None:
    headers = {
        "Link": '</p?page=2>; rel="next"',
        "ETag": '"a"',
        "X-RateLimit-Remaining": "1",
        "Content-Encoding": "identity",
    }
    sent = bytearray(answer(RUNNERS, headers=headers))
    for _ in range(data.draw(st.integers(1, 4))):
        # Rather in the head than in the body, which the other test is about
        start = data.draw(st.integers(0, min(len(sent), 200)))
        sent[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    mouth.sent = (
        bytes(sent[: data.draw(st.integers(0, len(sent)))])
        if data.draw(st.booleans())
        else bytes(sent)
    )
    listen(mouth, call)
