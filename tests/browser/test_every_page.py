"""Every page in every theme, wide and on a phone: accessible, silent, steady, alone, and not too wide.

In `make test` each page is looked at in one theme and one width, in turn; `make proof` looks at all of them. Each look
leaves a screenshot in test-output/screenshots.
"""

import re
from collections.abc import Callable, Iterator
from itertools import product

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Trackside, Visit, enter, listen, new_context

pytestmark = pytest.mark.browser
SLOW_MS = 30_000
THEMES = ("light", "dark", "high-contrast", "high-contrast-dark")
WIDTHS = (1280, 360)
LOOKS = tuple(product(THEMES, WIDTHS))

# Name of the screenshot → address; words in braces are filled in from what `world` made.
PAGES = {
    "overview": "/",
    "runners": "/runners/",
    "runners-filtered": "/runners/?q=org:acme&status=Stuck",
    "runners-no-match": "/runners/?q=nothing-is-called-so",
    "runner": "/runners/{runner}/",
    "runner-stuck": "/runners/{stuck}/",
    "runner-new-account": "/runners/new/",
    "runner-new": "/runners/new/?account=1",
    "runner-clone": "/runners/new/?clone={runner}",
    "runner-edit": "/runners/{runner}/edit/",
    "runner-delete": "/runners/{runner}/delete/",
    "bulk-new": "/runners/bulk/new/?account=1&account=2",
    "bulk-choose": "/runners/bulk/edit/?matching=status%3DReady",
    "bulk-confirm": "/runners/bulk/edit/?matching=q%3Dgolden&maximum_runners=3",
    "bulk-delete": "/runners/bulk/delete/?matching=q%3Dgolden",
    "images": "/images/",
    "images-github": "/images/?source=github",
    "image": "/images/{image}/",
    "image-delete": "/images/{image}/delete/",
    "machine-sizes": "/images/sizes/",
    "groups": "/groups/",
    "group": "/groups/{group}/",
    "group-new": "/groups/new/?account=1",
    "group-edit": "/groups/{group}/edit/",
    "group-delete": "/groups/{group}/delete/",
    "group-access": "/groups/{group}/access/",
    "group-explain": "/groups/explain/?organization={organization}",
    "group-explained": "/groups/explain/?organization={organization}&repository=api",
    "static-ips": "/static-ips/",
    "static-ips-of-one": "/static-ips/?account=acme",
    "static-ips-changed": "/static-ips/?since=2020-01-01",
    "operations": "/operations/",
    "operation": "{operation}",
    "batch": "{batch}",
    "accounts": "/accounts/",
    "account": "/accounts/1/",
    "account-new": "/accounts/new/",
    "account-token": "/accounts/1/token/",
    "account-disconnect": "/accounts/1/disconnect/",
    "people": "/people/",
    "person": "/people/2/",
    "person-new": "/people/new/",
    "audit": "/audit/",
    "notices": "/notices/",
    "notice-channel-new": "/notices/new/",
    "you": "/you/",
    "you-notices": "/you/notices/",
    "you-password": "/you/password/",
    "you-two-factor": "/you/two-factor/",
    "not-found": "/runners/999999/",
    "bad-request": "/static-ips/changes.txt",
}
ENTRANCE = {"sign-in": "/sign-in/"}
REFUSED = {"not-found": 404, "bad-request": 400}
Look = Callable[[str, str, int], Page]


@pytest.fixture(scope="module")
def signed_in(browser: Browser, trackside: Trackside) -> Iterator[Callable[[str, int], Visit]]:
    """An administrator's window in one theme and width; windows are kept, and people sign in once in each."""
    kept: dict[tuple[str, int], tuple[BrowserContext, Visit]] = {}

    def visit_of(theme: str, width: int) -> Visit:
        if (theme, width) not in kept:
            context = new_context(browser, width=width, theme=theme)
            visit = Visit(context.new_page(), trackside.url)
            listen(visit)
            enter(visit, "admin", trackside.passwords["admin"])
            kept[theme, width] = (context, visit)
        return kept[theme, width][1]

    yield visit_of
    for context, _ in kept.values():
        context.close()


@pytest.fixture(scope="module")
def world(signed_in: Callable[[str, int], Visit]) -> dict[str, str]:
    """What the addresses name: one of each thing, an operation, and a batch of several."""
    page = signed_in("light", 1280).page
    visit = signed_in("light", 1280)

    def first(path: str, link: str) -> str:
        visit.open(path)
        href = page.locator(link).first.get_attribute("href") or ""
        return re.sub(r"\D", "", href)

    row = ".table a.row-link"
    found = {
        "runner": first("/runners/?q=org:acme golden", row),
        "stuck": first("/runners/?q=org:acme status:stuck", row),
        "image": first("/images/?account=acme", row),
        "group": first("/groups/?account=acme", row),
        "organization": first("/accounts/", ".table a.row-link:text-is('acme')"),
    }
    visit.open("/runners/bulk/edit/?matching=q%3Dlegacy&maximum_runners=6")
    page.get_by_role("button", name=re.compile("^Change ")).click()
    expect(page.get_by_role("heading", name=re.compile("of 4 confirmed"))).to_be_visible()
    found["batch"] = page.url.removeprefix(visit.url)
    expect(page.get_by_role("heading", name="4 of 4 confirmed")).to_be_visible(timeout=SLOW_MS)
    found["operation"] = f"/operations/{first(found['batch'], row)}/"
    return found


def look_at(visit: Visit, world: dict[str, str], name: str, theme: str, width: int) -> None:
    visit.page.goto("about:blank")  # what the last page, or the look at it, still had to say
    visit.complaints.clear()
    visit.foreign.clear()
    answer = visit.page.goto(visit.url + {**PAGES, **ENTRANCE}[name].format(**world))
    assert answer is not None
    assert answer.status == REFUSED.get(name, 200)
    visit.page.wait_for_timeout(150)  # what would move, moves now
    visit.screenshot(f"{name}-{theme}-{width}")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visit.page.evaluate("window.shifts") == []
    if name not in REFUSED:  # the browser itself complains of those
        assert visit.complaints == []
    assert visit.foreign == []
    found = Axe().run(visit.page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize(("name", "theme", "width"), [(n, *LOOKS[i % len(LOOKS)]) for i, n in enumerate(PAGES)])
def test_every_page_is_fit_to_be_seen(
    signed_in: Callable[[str, int], Visit], world: dict[str, str], name: str, theme: str, width: int
) -> None:
    look_at(signed_in(theme, width), world, name, theme, width)


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_the_page_to_sign_in_is_fit_to_be_seen(browser: Browser, trackside: Trackside, theme: str, width: int) -> None:
    context = new_context(browser, width=width, theme=theme)
    visit = Visit(context.new_page(), trackside.url)
    listen(visit)
    look_at(visit, {}, "sign-in", theme, width)
    context.close()


@pytest.mark.proof
@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_fit_to_be_seen_in_every_theme_and_width(
    signed_in: Callable[[str, int], Visit], world: dict[str, str], name: str
) -> None:
    wrong = []
    for theme, width in LOOKS:
        try:
            look_at(signed_in(theme, width), world, name, theme, width)
        except AssertionError as error:
            wrong.append(f"{theme} {width}: {error}")
    assert wrong == []
