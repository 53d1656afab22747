"""No request is answered by a 5xx: a sample of random requests here, the full count in proof."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from django.contrib.auth.models import User
from django.db import DataError, connection, transaction
from django.test import Client
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from runners_app.models import Account, Image, Operation, Runner, RunnerGroup
from tests.people.test_who_may import ADDRESSES
from tests.processes import start_postgresql

ROOT = Path(__file__).resolve().parents[2]
SAMPLE, FULL = 300, 20_000
NAMES = (
    "q",
    "account",
    "status",
    "platform",
    "size",
    "image",
    "group",
    "static_ip",
    "idle",
    "image_offered",
    "sort",
    "kind",
    "after",
    "before",
    "version",
    "page_size",
    "columns",
    "source",
    "state",
    "visibility",
    "public",
    "inherited",
    "open",
    "person",
    "action",
    "since",
    "until",
    "runner",
    "name",
    "maximum_runners",
    "clone",
    "again",
    "matching",
    "change",
    "image_version",
    "organization",
    "repository",
    "workflow",
    "answer",
    "next",
    "slug",
    "api_url",
    "token",
    "extent",
    "groups",
    "choice",
    "nonce",
    "digest",
    "first",
    "typed",
    "username",
    "password",
    "email",
    "role",
    "on",
    "enable_static_ip",
    "base",
    "issuer",
    "private_key",
    "installation",
    "address",
    "kinds",
    "zone",
    "quiet_from",
    "code",
)
NASTY = (
    b"",
    b"\x00",
    b"a\x00b",
    b"\xed\xa0\x80",
    b"\xff\xfe",
    b"-1",
    b"0",
    b"9" * 30,
    b"99999999999999999999",
    b"1e309",
    b"NaN",
    b"true",
    b"[]",
    b"{}",
    b"null",
    b"../..",
    b"%00",
    b"<script>",
    b"' OR 1=1 --",
    b"a" * 5000,
    "\u202e\U0001f600".encode(),
    b"2026-02-30",
    b"0001-01-01",
    b"9999-12-31T23:59:60Z",
    b"org:acme status:ready size:",
    b'"',
    b"\\",
    b"*",
    b"(",
    b"[",
    b"name",
    b"-name",
    b"github:1",
    b"1,2,3",
    b"https://elsewhere.example",
    b"00000000-0000-0000-0000-000000000000",
    b"a " * 1900,
    b"1 " * 1900,
    b"is:x " * 700,
)
NUMBERS = st.integers().map(lambda number: str(number).encode())
VALUES = st.one_of(
    st.sampled_from(NASTY),
    st.binary(max_size=40),
    st.integers().map(lambda number: str(number).encode()),
)
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=5)
BODIES = st.sampled_from(("form", "json", "broken multipart", "other"))
HEADERS = st.sampled_from(
    (
        {},
        {"HX-Request": "true"},
        {"HX-Request": "true", "HX-Boosted": "true"},
        {"Accept": "\u00ff"},
        {"Referer": "http://["},
        {"X-Forwarded-For": "a, b"},
        {"HX-Current-URL": "http://[", "HX-Request": "true"},
        {"If-None-Match": "x"},
    )
)


def quoted(pairs: list[tuple[str, bytes]]) -> str:
    return "&".join(f"{name}={quote_from_bytes(value, safe='')}" for name, value in pairs)


def send(client: Client, data: st.DataObject, pks: list[int]) -> tuple[int, str]:
    """Send one request and roll its changes back. Returns its status and a description."""
    name = data.draw(st.sampled_from(sorted(ADDRESSES)))
    path = ADDRESSES[name].replace(
        "<str:file_format>", data.draw(st.sampled_from(("csv", "json", "txt", "x")))
    )
    path = path.replace("<uuid:batch>", "00000000-0000-0000-0000-000000000000")
    for argument in ("<int:pk>", "<int:account_id>", "<int:version_id>", "<int:repository_id>"):
        path = path.replace(
            argument, str(data.draw(st.sampled_from([*pks, 0, 2**31, 2**63, 10**20])))
        )
    method = data.draw(st.sampled_from(("GET", "GET", "POST")))
    address = f"{path}?{quoted(data.draw(PAIRS))}"
    body, kind = b"", "application/x-www-form-urlencoded"
    if method == "POST":
        body = quoted(data.draw(PAIRS)).encode()
        match data.draw(BODIES):
            case "json":
                kind = "application/json"
            case "broken multipart":
                kind = "multipart/form-data; boundary=x"
            case "other":
                kind = "text/plain; charset=no-such"
    headers = data.draw(HEADERS)
    cookies = dict(client.cookies)
    with transaction.atomic():
        answer = client.generic(method, address, body, content_type=kind, headers=headers)
        answer.getvalue()
        transaction.set_rollback(True)
    client.cookies.update(cookies)
    return answer.status_code, f"{method} {address} {kind} {body!r} {headers}"


def refuse_nul(
    execute: Callable[..., object], sql: str, params: object, many: bool, context: object
) -> object:
    """Refuse NUL in text as PostgreSQL does; SQLite would accept it."""
    if isinstance(params, list | tuple) and any(
        "\0" in each for each in params if isinstance(each, str)
    ):
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return execute(sql, params, many, context)


def fuzz(client: Client, pks: list[int], count: int) -> int:
    """Send random requests. Fails with the smallest one answered by a 5xx; returns how many."""
    asked = 0

    @seed(20_261_120)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(st.data())
    def one(data: st.DataObject) -> None:
        nonlocal asked
        asked += 1
        with connection.execute_wrapper(refuse_nul):
            status, request = send(client, data, pks)
        assert status < 500, request

    one()
    return asked


@pytest.mark.parametrize(
    "page",
    [
        "/runners/cost/?account={}&image=github:%00",
        "/runners/cost/?account={}&image=%00:1",
        "/images/?source=github&account=%00",
        "/images/?source=partner&account=acme%00",
        "/runners/new/?account={}&image=github:%00&image_version=%00&size=%00&name=%00",
        "/runners/name/?account={}&name=%00",
        "/runners/bulk/edit/?matching=account%3D%2500%26q%3D%2500",
        "/groups/explain/?organization={}&repository=%00",
        "/images/sizes/?account=%00",
        "/static-ips/?account=%00",
        "/audit/?person=%00&account=%00",
    ],
)
def test_no_nul_reaches_a_query(as_admin: Client, acme: Account, page: str) -> None:
    with connection.execute_wrapper(refuse_nul):
        assert as_admin.get(page.format(acme.pk)).status_code < 500


@pytest.fixture
def rows(acme: Account) -> list[int]:
    """Primary keys of existing rows."""
    firsts = [
        model.objects.order_by("pk").values_list("pk", flat=True)[:2]
        for model in (Runner, Image, RunnerGroup, Operation)
    ]
    return sorted({acme.pk, *(pk for pks in firsts for pk in pks)})


@pytest.fixture
def as_admin(admin: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(admin)
    client.post("/you/confirm/?next=/you/", {"password": "a password for tests"})
    return client


def test_no_request_is_answered_by_a_5xx(as_admin: Client, rows: list[int]) -> None:
    assert fuzz(as_admin, rows, SAMPLE) >= SAMPLE


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_no_request_of_the_full_count_is_answered_by_a_5xx(
    as_admin: Client, rows: list[int]
) -> None:
    count = int(os.environ.get("FUZZ_REQUESTS", FULL))
    assert fuzz(as_admin, rows, count) >= count


@pytest.mark.processes
@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_no_request_is_answered_by_a_5xx_on_postgresql(tmp_path: Path) -> None:
    """The same in a process that uses PostgreSQL."""
    with start_postgresql() as server:
        environment = {
            **os.environ,
            "DATABASE_URL": server.url,
            "SECRET_KEY": "fuzz" * 15,
            "TRACKSIDE_DATA_DIR": str(tmp_path),
            "CREDENTIAL_KEYS": "Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIGxvbmcuLi4=",
            "WEB_KEYS": "Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIGxvbmcuLi4=",
        }
        chosen = "tests/web/test_fuzz.py::test_no_request_of_the_full_count_is_answered_by_a_5xx"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", chosen, "-q", "-m", "proof", "-p", "no:cacheprovider"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout[-3000:]
