"""Every page of Trackside, and how the tests of its appearance open it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from playwright.sync_api import Page, expect

World = dict[str, str]
NOWHERE = "/runners/nowhere/"
WRONG = {"oldpassword": "wrong", "password1": "short", "password2": "other"}


@dataclass(frozen=True)
class Shown:
    """A page: its address (words in braces come from the world), who opens it, what to do first,
    and the expected status.
    """

    address: str
    by: str = "admin"
    then: Callable[[Page, World], None] | None = None
    status: int = 200


def press(button: str, **typed: str) -> Callable[[Page, World], None]:
    """Fill in fields by the names of their controls and press a button."""

    def do(page: Page, world: World) -> None:
        for field, text in typed.items():
            page.locator(f"main [name={field}]").fill(text.format(**world))
        with page.expect_navigation(wait_until="networkidle"):
            page.get_by_role("button", name=button, exact=True).click()

    return do


def save_from(base: str, changed: Callable[[Page], None]) -> Callable[[Page, World], None]:
    """Save a form that was opened before the same object was changed elsewhere."""

    def do(page: Page, world: World) -> None:
        page.locator("main [name=base]").evaluate(
            "(field, base) => { field.value = base }", world[base]
        )
        changed(page)
        page.get_by_role("button", name="Save changes").click()
        expect(page.get_by_role("heading", name="Nothing was sent")).to_be_visible()

    return do


def send_without_token(page: Page, world: World) -> None:
    page.locator("main [name=csrfmiddlewaretoken]").evaluate_all(
        "fields => fields.forEach((field) => field.remove())"
    )
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name="This form is out of date")).to_be_visible()


def respond_with(template: str, status: int, **context: Any) -> Callable[[Page, World], None]:
    """Show one of the server's error pages in place of the response."""

    def do(page: Page, world: World) -> None:
        body = render_to_string(template, context)
        answer = {"status": status, "body": body, "content_type": "text/html; charset=utf-8"}
        page.route(f"**{NOWHERE}", lambda route: route.fulfill(**answer), times=1)
        page.goto(re.sub(r"(?<=\d)/.*", NOWHERE, page.url))

    return do


def raise_maximum(page: Page) -> None:
    page.get_by_label("Maximum runners").fill("9")


def rename(page: Page) -> None:
    page.get_by_label("Name").fill("renamed-by-both")


PAGES = {
    "overview": Shown("/"),
    "history": Shown("/history/?period=24h"),
    "go": Shown("/go/?q=golden"),
    "runners": Shown("/runners/"),
    "runners-filtered": Shown("/runners/?q=org:acme&status=Stuck"),
    "runners-no-match": Shown("/runners/?q=nothing-is-called-so"),
    "runner": Shown("/runners/{runner}/"),
    "runner-stuck": Shown("/runners/{stuck}/"),
    "runner-changed": Shown("/runners/{legacy}/"),
    "runner-new-account": Shown("/runners/new/"),
    "runner-new": Shown("/runners/new/?account=1"),
    "runner-new-refused": Shown(
        "/runners/new/?account=1", then=press("Create runner", name="not a name"), status=422
    ),
    "runner-clone": Shown("/runners/new/?clone={runner}"),
    "runner-edit": Shown("/runners/{runner}/edit/"),
    "runner-annotate": Shown("/runners/{runner}/annotate/"),
    "runners-annotate": Shown("/runners/bulk/annotate/?runner={runner}"),
    "runners-filters": Shown("/runners/filters/"),
    "runners-view": Shown("/runners/view/"),
    "runner-conflict": Shown(
        "/runners/{legacy}/edit/", then=save_from("legacy_base", raise_maximum), status=409
    ),
    "runner-delete": Shown("/runners/{runner}/delete/"),
    "bulk-new": Shown("/runners/bulk/new/?account=1&account=2"),
    "bulk-choose": Shown("/runners/bulk/edit/?matching=status%3DReady"),
    "bulk-confirm": Shown("/runners/bulk/edit/?matching=q%3Dgolden&maximum_runners=3"),
    "bulk-recreate": Shown("/runners/bulk/recreate/?runner={stuck}"),
    "bulk-delete": Shown("/runners/bulk/delete/?matching=q%3Dgolden"),
    "images": Shown("/images/"),
    "images-github": Shown("/images/?source=github"),
    "images-no-match": Shown("/images/?q=nothing-is-called-so"),
    "image": Shown("/images/{image}/"),
    "image-delete": Shown("/images/{image}/delete/"),
    "image-version-delete": Shown("/images/{image}/versions/{version}/delete/"),
    "machine-sizes": Shown("/images/sizes/"),
    "groups": Shown("/groups/"),
    "groups-no-match": Shown("/groups/?q=nothing-is-called-so"),
    "group": Shown("/groups/{group}/"),
    "group-new-account": Shown("/groups/new/"),
    "group-new": Shown("/groups/new/?account=1"),
    "group-edit": Shown("/groups/{group}/edit/"),
    "group-annotate": Shown("/groups/{group}/annotate/"),
    "group-conflict": Shown(
        "/groups/{changed_group}/edit/", then=save_from("group_base", rename), status=409
    ),
    "group-delete": Shown("/groups/{group}/delete/"),
    "operation-undo": Shown("{operation}undo/"),
    "batch-undo": Shown("{batch}undo/"),
    "group-add-runners": Shown("/groups/{group}/add-runners/"),
    "group-access": Shown("/groups/{group}/access/"),
    "self-hosted-delete": Shown("/groups/self-hosted/{machine}/delete/"),
    "group-explain": Shown("/groups/explain/?organization={organization}"),
    "group-explained": Shown("/groups/explain/?organization={organization}&repository=api"),
    "your-tokens": Shown("/you/tokens/"),
    "tokens": Shown("/people/tokens/"),
    "api-docs": Shown("/api/v1/docs"),
    "insight": Shown("/insight/"),
    "insight-waits": Shown("/insight/waits/?period=30d"),
    "insight-capacity": Shown("/insight/capacity/?period=30d"),
    "insight-usage": Shown("/insight/usage/"),
    "insight-coverage": Shown("/insight/coverage/"),
    "insight-jobs": Shown("/insight/jobs/?period=30d"),
    "pool-slo": Shown("/insight/pools/{runner}/slo/"),
    "pool-slo-refused": Shown(
        "/insight/pools/{runner}/slo/", then=press("Save", seconds="0"), status=422
    ),
    "job-events": Shown("/accounts/1/job-events/"),
    "static-ips": Shown("/static-ips/"),
    "static-ips-of-one": Shown("/static-ips/?account=acme"),
    "static-ips-changed": Shown("/static-ips/?since=2020-01-01"),
    "static-ips-no-match": Shown("/static-ips/?q=nothing-is-called-so"),
    "operations": Shown("/operations/"),
    "operations-no-match": Shown("/operations/?q=nothing-is-called-so"),
    "operation": Shown("{operation}"),
    "batch": Shown("{batch}"),
    "approval": Shown("{approval}", by="otto"),
    "accounts": Shown("/accounts/"),
    "account": Shown("/accounts/1/"),
    "account-overview": Shown("/accounts/1/overview/?period=30d"),
    "account-new": Shown("/accounts/new/"),
    "account-token": Shown("/accounts/1/token/"),
    "account-four-eyes": Shown("/accounts/1/four-eyes/"),
    "account-disconnect": Shown("/accounts/1/disconnect/"),
    "app-new": Shown("/accounts/apps/new/"),
    "app": Shown("{app}"),
    "people": Shown("/people/"),
    "person": Shown("/people/2/"),
    "person-groups": Shown("/people/2/groups/1/"),
    "person-new": Shown("/people/new/"),
    "audit": Shown("/audit/"),
    "audit-no-match": Shown("/audit/?person=nobody-is-called-so"),
    "notices": Shown("/notices/"),
    "notice-channel-new": Shown("/notices/new/"),
    "notice-channel": Shown("{channel}"),
    "you": Shown("/you/"),
    "preferences": Shown("/you/preferences/"),
    "you-lead": Shown("/you/", by="lead"),
    "you-notices": Shown("/you/notices/"),
    "you-password": Shown("/you/password/"),
    "you-password-refused": Shown("/you/password/", then=press("Change password", **WRONG)),
    "you-confirm": Shown("/you/confirm/?next=/you/"),
    "you-two-factor": Shown("/you/two-factor/"),
    "totp-activate": Shown("/you/two-factor/totp/activate/"),
    "passkeys-none": Shown("/you/two-factor/webauthn/"),
    "passkey-add": Shown("/you/two-factor/webauthn/add/"),
    "you-two-factor-on": Shown("/you/two-factor/", by="nina"),
    "totp-deactivate": Shown("/you/two-factor/totp/deactivate/", by="nina"),
    "recovery-codes": Shown("/you/two-factor/recovery-codes/", by="nina"),
    "recovery-codes-new": Shown("/you/two-factor/recovery-codes/generate/", by="nina"),
    "passkeys": Shown("/you/two-factor/webauthn/", by="nina"),
    "passkey-edit": Shown("/you/two-factor/webauthn/keys/{passkey}/edit/", by="nina"),
    "passkey-remove": Shown("/you/two-factor/webauthn/keys/{passkey}/remove/", by="nina"),
    "you-confirm-code": Shown("/you/two-factor/reauthenticate/?next=/you/", by="nina"),
    "you-confirm-passkey": Shown("/you/two-factor/webauthn/reauthenticate/?next=/you/", by="nina"),
    "forbidden": Shown("/people/", by="lead", status=403),
    "not-found": Shown("/runners/999999/", status=404),
    "bad-request": Shown("/static-ips/changes.txt", status=400),
    "form-out-of-date": Shown("/people/new/", then=send_without_token, status=403),
    "host-unknown": Shown("/you/", then=respond_with("400.html", 400), status=400),
    "server-error": Shown("/you/", then=respond_with("500.html", 500), status=500),
    "not-ready": Shown("/you/", then=respond_with("503.html", 503), status=503),
}

# For anonymous visitors.
ENTRANCE = {
    "sign-in": Shown("/sign-in/"),
    "sign-in-refused": Shown(
        "/sign-in/", then=press("Sign in", username="nobody", password="wrong")
    ),
    "sign-in-second-factor": Shown(
        "/sign-in/", then=press("Sign in", username="nina", password="{nina}")
    ),
    "sign-in-disabled": Shown("/sign-in/disabled/"),
}

# Of an empty installation: without people, and then without accounts.
SETUP = Shown("/setup/")
EMPTY = {
    "overview-empty": Shown("/"),
    "runners-empty": Shown("/runners/"),
    "images-empty": Shown("/images/"),
    "machine-sizes-empty": Shown("/images/sizes/"),
    "groups-empty": Shown("/groups/"),
    "explain-empty": Shown("/groups/explain/"),
    "static-ips-empty": Shown("/static-ips/"),
    "operations-empty": Shown("/operations/"),
    "accounts-empty": Shown("/accounts/"),
    "notices-empty": Shown("/notices/"),
}

PROVIDER = "switched off until a provider is set up, and answered 404"
FRAGMENT = "a part that goes into a page"
# URL names that respond to GET with something other than a page.
NO_PAGES = {
    "livez": "plain text",
    "readyz": "JSON",
    "metrics": "plain text",
    "runner-name": FRAGMENT,
    "runner-cost": FRAGMENT,
    "groups-explain-repositories": FRAGMENT,
    "pool-usage": FRAGMENT,
    "mfa_download_recovery_codes": "plain text",
    "mfa_login_webauthn": "JSON",
    "socialaccount_login_cancelled": PROVIDER,
    "socialaccount_login_error": PROVIDER,
    "socialaccount_signup": PROVIDER,
    "confirm-provider": PROVIDER,
    "socialaccount_connections": PROVIDER,
    "github_login": PROVIDER,
    "github_callback": PROVIDER,
    "openid_connect_login": PROVIDER,
    "openid_connect_callback": PROVIDER,
    "openid_connect_logout": PROVIDER,
}
