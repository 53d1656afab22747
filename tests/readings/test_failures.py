"""Why a reading failed, as GitHub said it: a permission is missing only where GitHub named one."""

from collections.abc import Callable
from typing import Any

import pytest

from runners_app.credentials.rights import why_missing
from runners_app.models import Account, Reading
from runners_app.readings.failures import next_step
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]

NAMED = {"X-Accepted-GitHub-Permissions": "organization_administration=read"}
HTML = "<!DOCTYPE html><title>Access denied</title>"


def says(message: str) -> dict[str, str]:
    return {"message": message}


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        pytest.param(
            {"status": 403, "body": says("Resource not accessible"), "headers": NAMED},
            "permission",
            "The token lacks the permission “Administration” (read).",
            id="permission",
        ),
        pytest.param(
            {"status": 403, "body": says("No")},
            "forbidden",
            "GitHub answered 403 (“No”). The token's owner may not do this, or a policy",
            id="nothing said",
        ),
        pytest.param(
            {"status": 403, "body": says("acme has an IP allow list enabled"), "headers": NAMED},
            "ip_allow_list",
            "The address Trackside comes from is not on the IP allow list.",
            id="IP allow list",
        ),
        pytest.param(
            {"status": 403, "body": says("Protected by SAML enforcement"), "headers": NAMED},
            "sso",
            "not authorised for this organization's single sign-on",
            id="single sign-on",
        ),
        pytest.param(
            {"status": 403, "body": says("This installation has been suspended")},
            "suspended",
            "The App, its installation or the token's owner is suspended.",
            id="suspended",
        ),
        pytest.param(
            {"status": 403, "body": says("`acme` forbids access via a personal access token")},
            "token_policy",
            "A policy forbids this kind of token",
            id="policy",
        ),
        pytest.param(
            {"status": 404, "body": says("Not Found"), "headers": NAMED},
            "not_found",
            "GitHub answered 404: there is no organization acme, it was renamed, or",
            id="404",
        ),
        pytest.param(
            {"status": 406, "body": HTML},
            "foreign",
            "The address may be wrong: on GitHub Enterprise Server the API's ends in /api/v3.",
            id="wrong base path",
        ),
        pytest.param(
            {"status": 403, "body": HTML},
            "foreign",
            "Something between Trackside and GitHub may have answered: a proxy or a firewall.",
            id="a page of a proxy",
        ),
        pytest.param(
            {"status": 401, "body": HTML},
            "foreign",
            "Something between Trackside and GitHub may have answered",
            id="a portal that wants somebody to sign in",
        ),
    ],
)
def test_a_failing_reading_says_what_github_said(
    acme: Account,
    simulator: SimulatorHandle,
    work: Work,
    fault: dict[str, Any],
    kind: str,
    words: str,
) -> None:
    simulator.add_fault("GET", "/orgs/acme/actions/hosted-runners.*page", "status", **fault)
    Reading.objects.schedule_now(acme, "runners")
    work(acme)
    reading = Reading.objects.get(account=acme, resource="runners")
    assert reading.error == kind
    assert words in reading.error_message
    assert next_step(reading)
    assert ("Needs the scope" in why_missing(reading, "scope admin:org")) is (kind == "permission")
    acme.credential.refresh_from_db()
    assert acme.credential.quarantined_at is None
