"""A script in every text that GitHub can send is inert on every page, in a real browser, under the
policy.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer

from runners_app.accounts.accounts import connect_with_token
from runners_app.accounts.github_apps import add_app, list_installations
from runners_app.models import (
    Account,
    AuditEntry,
    Image,
    Reading,
    Runner,
    RunnerGroup,
    SelfHostedRunner,
)
from runners_app.runners.requests import request_delete_runner
from tests.people.test_who_may import ADDRESSES, LINES
from tests.simulator_handle import SimulatorHandle

P = '"\'><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>{{7*7}}'
NO_PAGES = ("/sign-", "/setup", "/livez", "/readyz", "/metrics")
# Path → patch of each response to it; ids stay, because they must differ.
OVER: dict[str, dict[str, Any]] = {
    r"/hosted-runners\?": {
        "runners": [
            {
                "name": P,
                "status": P,
                "platform": P,
                "last_active_on": P,
                "image_details": {"id": P, "display_name": P, "source": P, "version": P},
                "machine_size_details": {"id": P},
                "public_ips": [{"prefix": P}],
            }
        ]
    },
    r"/hosted-runners/\d+$": {"name": P, "status": P},
    r"/machine-sizes": {"machine_specs": [{"id": P}]},
    r"/platforms": {"platforms": [P]},
    r"/images/(github-owned|partner)": {
        "images": [{"display_name": P, "platform": P, "source": P}]
    },
    r"/images/custom\?": {
        "images": [{"name": P, "platform": P, "state": P, "latest_version": P, "source": P}]
    },
    r"/images/custom/\d+/versions": {"image_versions": [{"state": P, "state_details": P}]},
    r"/runner-groups\?": {
        "runner_groups": [
            {
                "name": P,
                "visibility": P,
                "network_configuration_id": P,
                "selected_workflows": [P],
                "restricted_to_workflows": True,
            }
        ]
    },
    r"/repos(itories)?\?": {"repositories": [{"name": P, "full_name": P, "visibility": P}]},
    r"/actions/runners\?": {
        "runners": [{"name": P, "os": P, "status": P, "labels": [{"name": P, "type": P}]}]
    },
    r"/orgs/acme$": {"plan": {"name": P}, "name": P},
    r"/app$": {"name": P, "slug": P, "owner": {"login": P}},
    r"/app/installations\?": {},
}


@pytest.fixture
def hostile(
    transactional_db: None, simulator: SimulatorHandle, work: Callable[[Account], None]
) -> Account:
    """An account whose GitHub sends scripts in every text and in some of its refusals."""
    for path, body in OVER.items():
        simulator.add_fault("GET", path, "replace", body=body, times=0)
    refusal = {
        "message": P,
        "documentation_url": "javascript:window.pwned=1",
        "errors": [{"message": P, "field": P}],
    }
    sso = {
        "X-GitHub-SSO": "required; url=javascript:window.pwned=1",
        "X-Accepted-GitHub-Permissions": P,
    }
    simulator.add_fault("GET", "/limits", "status", status=403, body=refusal, headers=sso, times=0)
    simulator.add_fault("DELETE", "/hosted-runners/", "status", status=422, body=refusal, times=0)
    account = connect_with_token(
        "acme",
        kind="organization",
        api_url=simulator.base_url,
        token=simulator.account("acme").token,
        by=None,
    )
    work(account)
    return account


@pytest.fixture
def page(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page and everything that its browser reported."""
    context = browser.new_context()
    # A fragment opened as a page names no icon, so the browser requests this one.
    context.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    complaints: list[str] = []
    opened = context.new_page()
    opened.on(
        "console",
        lambda message: complaints.append(message.text) if is_complaint(message) else None,
    )
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    yield opened, complaints
    context.close()


def is_complaint(message: ConsoleMessage) -> bool:
    """Whether a message counts: a fragment names no icon, so the browser fails to find one."""
    return message.type == "error" and not message.location["url"].endswith("/favicon.ico")


def addresses(account: Account, pks: dict[str, int]) -> Iterator[str]:
    readable = {line.name for line in LINES if line.method == "GET"}
    for name, path in ADDRESSES.items():
        is_page = not path.startswith(NO_PAGES) and "<str:file_format>" not in path
        if name not in readable or not is_page:
            continue
        path = path.replace("<int:account_id>", str(account.pk)).replace(
            "<int:version_id>", str(pks["version"])
        )
        path = path.replace("<uuid:batch>", "00000000-0000-0000-0000-000000000000")
        yield path.replace("<int:pk>", str(pks.get(name.partition("-")[0], account.pk)))
    yield f"/runners/?q={P}&sort={P}&status={P}"
    yield "/images/?source=github"
    yield f"/groups/explain/?organization={account.pk}&repository=web"


@pytest.mark.browser
@pytest.mark.timeout(240)
def test_no_script_from_github_runs_on_any_page(
    hostile: Account,
    live_server: LiveServer,
    page: tuple[Page, list[str]],
    simulator: SimulatorHandle,
    work: Callable[[Account], None],
) -> None:
    admin = User.objects.create_superuser("ada", password="x")
    runner, image = (
        Runner.objects.order_by("pk")[0],
        Image.objects.filter(source="custom").order_by("pk")[0],
    )
    operation = request_delete_runner(runner, by=admin, nonce="one")
    work(hostile)
    operation.refresh_from_db()
    assert P in operation.reason, (
        f"GitHub's words did not reach the operation: {operation.state} {operation.reason}"
    )
    told = simulator.app()
    app = add_app(simulator.base_url, str(told["app_id"]), told["pem"], by=admin)
    list_installations(app.pk)
    AuditEntry.objects.create(
        at=operation.requested_at, actor_name=P, action=P, account_name=P, subject=P, details={P: P}
    )
    assert P in (runner.name, image.name)
    assert Reading.objects.filter(error_message__contains="<script>").exists()
    pks = {
        "account": hostile.pk,
        "runner": runner.pk,
        "image": image.pk,
        "operation": operation.pk,
        "app": app.pk,
        "group": RunnerGroup.objects.order_by("pk")[0].pk,
        "person": admin.pk,
        "self": SelfHostedRunner.objects.order_by("pk")[0].pk,
        "version": image.versions.order_by("pk")[0].pk,
    }
    client = Client()
    client.force_login(admin)
    opened, complaints = page
    opened.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    shown, visited = 0, 0
    for path in addresses(hostile, pks):
        answer = opened.goto(live_server.url + path, wait_until="load")
        visited += 1
        if answer is not None and answer.status in (400, 403, 404, 405):
            complaints[:] = [
                each for each in complaints if f"status of {answer.status}" not in each
            ]
        assert opened.evaluate("window.pwned") is None, path
        assert opened.locator("a[href^='javascript:'], form[action^='javascript:']").count() == 0, (
            path
        )
        assert (
            opened.locator("img[src='x'], script:not([src]):not([type='application/json'])").count()
            == 0
        ), path
        assert complaints == [], path
        shown += "onerror=" in opened.locator("body").inner_text()
    assert visited > 40
    assert shown > 15, "the scripts stood on hardly any page, so this proves little"
