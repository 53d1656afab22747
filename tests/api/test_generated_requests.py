"""Requests generated from the OpenAPI document: none is answered by a 5xx or out of the document.

Needs schemathesis, which is not among the dependencies of the other tests.
"""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from runners_app.models import Account
from tests.api.conftest import MakeToken

schemathesis: Any = pytest.importorskip("schemathesis")


def check(token: str, account: int, examples: int) -> int:
    """Send generated requests, rolling back what they change. Returns how many."""
    from dashboard.wsgi import application

    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
    operations = [each.ok() for each in schema.get_all_operations()]
    sent = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def one(data: st.DataObject) -> None:
        nonlocal sent
        operation = data.draw(st.sampled_from(operations))
        case = data.draw(operation.as_strategy())
        if "account" in case.path_parameters and data.draw(st.booleans()):
            case.path_parameters["account"] = str(account)
        case.query["dry_run"] = "true"
        with transaction.atomic():
            response = case.call(headers={"Authorization": f"Bearer {token}"})
            transaction.set_rollback(True)
        sent += 1
        documented = operation.definition.raw["responses"]
        where = f"{case.method} {case.formatted_path} {case.query}: {response.status_code}"
        assert response.status_code in (405, *map(int, documented)), where
        assert response.status_code < 500 or response.status_code == 503, where

    one()
    return sent


@pytest.mark.timeout(900)
def test_no_generated_request_breaks_the_api(
    acme: Account, admin: User, make_token: MakeToken, settings: Settings
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 10**9
    assert check(make_token(admin), acme.pk, 100) >= 100


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_no_generated_request_of_the_full_count_breaks_the_api(
    acme: Account, admin: User, make_token: MakeToken, settings: Settings
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 10**9
    assert check(make_token(admin), acme.pk, 2000) >= 2000
