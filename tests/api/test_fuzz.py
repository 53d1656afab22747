"""The API under generated requests, valid and invalid: no server error, no undocumented answer."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pytest_django import Settings
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from runners_app.api import writes
from runners_app.models import (
    Account,
    Approval,
    GroupAccess,
    Image,
    Operation,
    Runner,
    RunnerGroup,
    SavedView,
)
from tests.api.conftest import MakeToken
from tests.api.wsgi import StartResponse, app
from tests.jobs.posting import Sender

DOCUMENT = "/api/v1/openapi.json"
CHECKS: list[Any] = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


Operations = APIOperation[Any, Any, Any, Any]


def rolled_back(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Trackside, which forgets what a request changed."""
    with transaction.atomic():
        content = app(environ, start_response)
        transaction.set_rollback(True)
    return content


@pytest.fixture
def keys(busy: Sender, org: Account, admin: User) -> dict[str, object]:
    """One row of each noun, so that generated requests find something."""
    now = timezone.now()
    seen = {"observed_at": now, "first_seen_at": now}
    runner = Runner.objects.get(name="big-linux")
    group = RunnerGroup.objects.get(name="builders")
    GroupAccess.objects.create(group=group, github_id=31, name="web")
    image = Image.objects.create(
        account=org, source="custom", github_id="7000", name="base", **seen
    )
    image.versions.create(account=org, version="1.0.0", **seen)
    approval = Approval.objects.create(
        kind="four_eyes",
        account=org,
        batch="5b0c7a1e-6d3e-4a57-9d0e-7a1c8e6b5f00",
        asked_by_name="lin",
        asked_at=now,
    )
    operation = Operation.objects.create(
        account=org,
        kind="update_runner",
        target="runner",
        target_id=runner.github_id,
        target_name=runner.name,
        requested_at=now,
        confirmed_at=now,
        wanted={"maximum_runners": 2},
        batch="5b0c7a1e-6d3e-4a57-9d0e-7a1c8e6b5f00",
    )
    view = SavedView.objects.create(user=admin, list="runners", name="stuck", query="q=x")
    return {
        "account": str(org.pk),
        "batch": str(operation.batch),
        "version": "1.0.0",
        "runners": runner.pk,
        "groups": group.pk,
        "images": image.pk,
        "operations": operation.pk,
        "approvals": approval.pk,
        "views": view.pk,
    }


def fuzz(
    operation: APIOperation[Any, Any, Any, Any],
    headers: dict[str, str],
    known: dict[str, object],
    examples: int,
) -> None:
    """Send generated requests of one operation: half of them about rows that exist."""
    parameters = {each.name for each in operation.path_parameters}
    noun = operation.path.removeprefix("/api/v1/").split("/")[0]
    found = {name: known[noun if name == "pk" else name] for name in parameters}
    strategies = [
        operation.as_strategy(generation_mode=mode, headers=headers, path_parameters=path)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        for path in ((found, None) if found else (None,))
    ]

    @seed(1)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(strategies))
    def check(case: Case[Any]) -> None:
        case.validate_response(case.call(), checks=CHECKS)

    check()


def check_all(headers: dict[str, str], known: dict[str, object], examples: int) -> int:
    """Number of operations. Raises a group of failures, one for each."""
    schema = schemathesis.openapi.from_wsgi(DOCUMENT, rolled_back)
    failures: list[Exception] = []
    count = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        count += 1
        try:
            fuzz(operation, headers, known, examples)
        except Exception as error:  # noqa: BLE001 # all failures are shown together
            error.add_note(operation.label)
            failures.append(error)
    if failures:
        raise ExceptionGroup("The API answered what it does not document", failures)
    return count


@pytest.fixture
def headers(admin: User, make_token: MakeToken, settings: Settings) -> Iterator[dict[str, str]]:
    settings.API_REQUESTS_PER_MINUTE = 10**6
    writes.stop_waiting()  # ?wait=60 of a generated request
    yield {"Authorization": f"Bearer {make_token(admin)}", "Accept-Encoding": "identity"}
    writes._stopping.clear()


def test_generated_requests_are_answered_as_documented(
    headers: dict[str, str], keys: dict[str, object]
) -> None:
    assert check_all(headers, keys, 3) * 3 >= 150


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_two_thousand_generated_requests_are_answered_as_documented(
    headers: dict[str, str], keys: dict[str, object]
) -> None:
    assert check_all(headers, keys, 40) * 40 >= 2000
