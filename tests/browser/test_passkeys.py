"""A passkey, added and used in a real browser with a virtual authenticator, under the security
policy.
"""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

PASSWORD = "a password for tests"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    opened = context.new_page()
    complaints: list[str] = []
    opened.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    devtools = context.new_cdp_session(opened)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    yield opened
    context.close()
    assert complaints == []


@pytest.mark.browser
def test_a_passkey_is_added_and_then_signs_in_without_a_password(
    transactional_db: None, live_server: LiveServer, page: Page
) -> None:
    User.objects.create_user("lin", password=PASSWORD)
    page.goto(f"{live_server.url}/sign-in/")
    page.get_by_label("Username").fill("lin")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/")
    page.goto(f"{live_server.url}/you/two-factor/webauthn/add/")
    page.get_by_label("Passwordless").check()
    page.locator("#mfa_webauthn_add").click()
    page.wait_for_url("**/recovery-codes/")
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/sign-in/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{live_server.url}/")
    assert page.locator(".header").get_by_text("lin", exact=True).is_visible()
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/sign-in/")
    page.get_by_label("Username").fill("lin")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/two-factor/authenticate/")
