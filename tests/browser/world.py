"""The objects behind the pages: one of each in the demo, changes to several, and a person with a
second factor.
"""

import re
import time
from typing import Any

import requests
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, enter

SLOW_MS = 30_000
ROW = ".table a.row-link"
PASSWORD = "a long enough password"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def make_world(visit: Visit) -> dict[str, str]:
    """Create the objects as an administrator; their ids by the names that addresses use."""
    page = visit.page
    found = {
        "runner": number(visit, "/runners/?q=org:acme golden", ROW),
        "stuck": number(visit, "/runners/?q=org:acme status:stuck", ROW),
        "legacy": number(visit, "/runners/?q=org:acme legacy", ROW),
        "image": number(visit, "/images/?account=acme", ROW),
        "group": number(visit, "/groups/?account=acme", ROW),
        "changed_group": number(visit, "/groups/?account=globex&inherited=no&q=production", ROW),
        "organization": number(visit, "/accounts/", f"{ROW}:text-is('acme')"),
        "nina": PASSWORD,
    }
    visit.open(f"/images/{found['image']}/")
    href = page.locator("a[href*='/versions/']").first.get_attribute("href") or ""
    found["version"] = re.findall(r"\d+", href)[1]
    visit.open(f"/groups/{number(visit, '/groups/?account=acme&q=default', ROW)}/")
    found["machine"] = re.sub(
        r"\D", "", page.locator("a[href*='/self-hosted/']").first.get_attribute("href") or ""
    )
    found["legacy_base"] = base_of(visit, f"/runners/{found['legacy']}/edit/")
    found["group_base"] = base_of(visit, f"/groups/{found['changed_group']}/edit/")
    found |= {"app": add_app(visit), "channel": add_channel(visit)}
    found |= change_several(visit)
    rename_group(visit, found["changed_group"])
    found["approval"] = ask_for_approval(visit)
    return found


def number(visit: Visit, path: str, link: str) -> str:
    """The primary key in the first of these links on a page."""
    visit.open(path)
    return re.sub(r"\D", "", visit.page.locator(link).first.get_attribute("href") or "")


def base_of(visit: Visit, path: str) -> str:
    """The values that a form started from, to be sent after they have become outdated."""
    return visit.open(path).locator("main [name=base]").input_value()


def change_several(visit: Visit) -> dict[str, str]:
    page = visit.open("/runners/bulk/edit/?matching=q%3Dlegacy&maximum_runners=6")
    page.get_by_role("button", name=re.compile("^Change ")).click()
    expect(page.get_by_role("heading", name="4 of 4 confirmed")).to_be_visible(timeout=SLOW_MS)
    batch = page.url.removeprefix(visit.url)
    return {"batch": batch, "operation": f"/operations/{number(visit, batch, ROW)}/"}


def rename_group(visit: Visit, group: str) -> None:
    page = visit.open(f"/groups/{group}/edit/")
    page.get_by_label("Name").fill("renamed-meanwhile")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("heading", name="Confirmed")).to_be_visible(timeout=SLOW_MS)


def ask_for_approval(visit: Visit) -> str:
    """Switch four eyes on in the enterprise, and ask to delete one of its runners."""
    add_person(visit, "otto", administrator=True)
    account = number(visit, "/accounts/", f"{ROW}:text-is('umbrella')")
    page = visit.open(f"/accounts/{account}/four-eyes/")
    page.get_by_label("Needed for deletions and large batches").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    runner = number(visit, "/runners/?q=enterprise:umbrella status:ready", ROW)
    page = visit.open(f"/runners/{runner}/delete/")
    page.get_by_label("to confirm").fill(
        page.locator("label[for=id_typed]").inner_text().split()[1]
    )
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("link", name="Show the approval").click()
    page.wait_for_url("**/operations/approvals/**")
    return page.url.removeprefix(visit.url)


def add_app(visit: Visit) -> str:
    """Add the simulated GitHub's App, with its installations listed."""
    api = visit.open("/accounts/1/").locator("dd.mono").first.inner_text()
    told: dict[str, Any] = requests.get(f"{api}/_simulator/app", timeout=10).json()
    page = visit.open("/accounts/apps/new/")
    page.locator("[name=issuer]").fill(str(told["app_id"]))
    page.locator("[name=private_key]").fill(told["pem"])
    page.locator("[name=api_url]").fill(api)
    page.get_by_role("button", name="Store the App").click()
    expect(page.get_by_role("link", name="acme").or_(page.get_by_text("acme")).first).to_be_visible(
        timeout=SLOW_MS
    )
    return page.url.removeprefix(visit.url)


def add_channel(visit: Visit, name: str = "Platform team") -> str:
    page = visit.open("/notices/new/")
    page.get_by_label("Name").fill(name)
    page.locator("#id_address").fill("jsons://hooks.example.com/trackside")
    page.get_by_role("button", name="Save").click()
    link = page.get_by_role("link", name=name)
    expect(link).to_be_visible()
    return link.get_attribute("href") or ""


def add_person(visit: Visit, name: str, *, administrator: bool = False) -> None:
    page = visit.open("/people/new/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    if administrator:
        page.get_by_label("Administrator").check()
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_url(re.compile(r"/people/\d+/$"))


def set_up_second_factor(visit: Visit, name: str) -> str:
    """Set up an authenticator app, recovery codes and a passkey for a new person, who stays signed
    in. Returns the authenticator's secret.
    """
    enter(visit, name, PASSWORD)
    page = visit.open("/you/two-factor/totp/activate/")
    confirm(page, PASSWORD)
    page.locator("#id_code").fill(code_of(page.locator("#authenticator_secret").input_value()))
    page.get_by_role("button", name="Activate").click()
    page.wait_for_url(re.compile(r"/two-factor/(recovery-codes/)?$"))
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    visit.open("/you/two-factor/webauthn/add/")
    page.get_by_label("Name").fill("Key in the drawer")
    page.locator("#mfa_webauthn_add").click()
    page.wait_for_url(re.compile(r"/two-factor/(webauthn/)?$"))
    visit.open("/you/two-factor/webauthn/")
    href = page.get_by_role("link", name="Edit").first.get_attribute("href") or ""
    return re.sub(r"\D", "", href)


def code_of(secret: str) -> str:
    """The code that an authenticator app shows now."""
    code: str = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    return code


def confirm(page: Page, password: str) -> bool:
    """Enter the password if the page requires it again, as pages about signing in do after some
    minutes; whether it did.
    """
    if not re.search(r"/you/confirm/|/reauthenticate/", page.url):
        return False
    if "/you/confirm/" not in page.url:
        page.get_by_role("link", name="Use your password").click()
    page.locator("[name=password]").fill(password)
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url(re.compile(r"^(?!.*/(you/confirm|reauthenticate)/)"))
    return True
