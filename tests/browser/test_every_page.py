"""Every page in every theme, wide and on a phone: accessible, silent, steady, alone, and not too
wide.

In `make test` each page is looked at in one theme and one width, in turn; `make proof` looks at all
of them. Each look leaves a screenshot in test-output/screenshots.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import Resolver404, resolve
from playwright.sync_api import Browser, BrowserContext

from tests.browser.conftest import Trackside, Visit, enter, listen, new_context, start_trackside
from tests.browser.pages import EMPTY, ENTRANCE, NO_PAGES, PAGES, SETUP, Shown, World, press
from tests.browser.world import PASSWORD, add_person, confirm, make_world, set_up_second_factor
from tests.people.test_who_may import ADDRESSES, LINES

pytestmark = pytest.mark.browser
THEMES = ("light", "dark", "high-contrast", "high-contrast-dark")
WIDTHS = (1280, 360)
LOOKS = tuple(product(THEMES, WIDTHS))
# axe ignores closed elements; the filters are visible on wide screens although they are closed.
OPEN_DETAILS = (
    "document.querySelectorAll('details:not(.menu)').forEach((details) => { details.open = true })"
)


class Windows:
    """Browser windows by person, theme and width. A person signs in once; their windows share the
    session.
    """

    def __init__(self, browser: Browser, trackside: Trackside) -> None:
        self.browser, self.url = browser, trackside.url
        self.passwords = {**trackside.passwords, "nina": PASSWORD, "otto": PASSWORD}
        self.cookies: dict[str, Any] = {}
        self.kept: dict[tuple[str, str, int], tuple[BrowserContext, Visit]] = {}

    def of(self, person: str, theme: str, width: int) -> Visit:
        """The window of a signed-in person, or of an anonymous visitor when `person` is empty."""
        if (person, theme, width) not in self.kept:
            context = new_context(self.browser, width=width, theme=theme)
            # Passkeys work with host names, not with IP addresses.
            url = self.url.replace("127.0.0.1", "localhost") if person == "nina" else self.url
            visit = Visit(context.new_page(), url)
            self.kept[person, theme, width] = (context, visit)
            listen(visit)
            if person in self.cookies:
                context.add_cookies(self.cookies[person])
            elif person and person != "nina":
                enter(visit, person, self.passwords[person])
                self.cookies[person] = context.cookies()
        return self.kept[person, theme, width][1]

    def confirm(self, person: str, visit: Visit) -> None:
        """Enter the password again where a page requires it, which renews the session of all the
        person's windows.
        """
        if confirm(visit.page, self.passwords.get(person, "")):
            self.cookies[person] = visit.page.context.cookies()
            for (owner, _, _), (context, _) in self.kept.items():
                if owner == person:
                    context.add_cookies(self.cookies[person])

    def close(self) -> None:
        for context, _ in self.kept.values():
            context.close()


@pytest.fixture(scope="module")
def windows(browser: Browser, trackside: Trackside) -> Iterator[Windows]:
    opened = Windows(browser, trackside)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def world(windows: Windows) -> World:
    """The objects that addresses name, including a person with a second factor."""
    first = windows.of("admin", "light", 1280)
    first.open("/accounts/apps/new/")
    windows.confirm("admin", first)
    found = make_world(first)
    first.open("/people/new/")
    windows.confirm("admin", first)
    add_person(first, "nina")
    nina = windows.of("nina", "light", 1280)
    found["passkey"] = set_up_second_factor(nina, "nina")
    windows.cookies["nina"] = nina.page.context.cookies()
    return found


def check_page(
    windows: Windows, person: str, world: World, name: str, shown: Shown, theme: str, width: int
) -> None:
    visit = windows.of(person, theme, width)
    page = visit.page
    if not person:
        page.context.clear_cookies()
    page.goto("about:blank")  # ends the messages of the previous page
    visit.complaints.clear()
    visit.foreign.clear()
    answer = page.goto(visit.url + shown.address.format(**world))
    if not re.search(r"/confirm/|/reauthenticate/", shown.address):
        windows.confirm(person, visit)
    assert answer is not None
    assert answer.status == (200 if shown.then else shown.status)
    if shown.then:
        shown.then(page, world)
    assert not person or "/sign-in/" not in page.url, "nobody is signed in any more"
    page.wait_for_timeout(150)  # layout shifts happen now
    visit.screenshot(f"{name}-{theme}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.shifts") == []
    if shown.status < 400:  # the browser reports error statuses itself
        assert visit.complaints == []
    assert visit.foreign == []
    page.evaluate(OPEN_DETAILS)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def check_in_each_window(
    look: Callable[[str, int], None], looks: Sequence[tuple[str, int]]
) -> list[str]:
    """Run a check in each theme and width; the problems found."""
    wrong = []
    for theme, width in looks:
        try:
            look(theme, width)
        except AssertionError as error:
            wrong.append(f"{theme} {width}: {error}")
    return wrong


@pytest.mark.parametrize(
    ("name", "theme", "width"), [(n, *LOOKS[i % len(LOOKS)]) for i, n in enumerate(PAGES)]
)
def test_every_page_is_presentable(
    windows: Windows, world: World, name: str, theme: str, width: int
) -> None:
    check_page(windows, PAGES[name].by, world, name, PAGES[name], theme, width)


@pytest.mark.parametrize(
    ("name", "theme", "width"), [(n, *LOOKS[i % len(LOOKS)]) for i, n in enumerate(ENTRANCE)]
)
def test_every_sign_in_page_is_presentable(
    windows: Windows, world: World, name: str, theme: str, width: int
) -> None:
    check_page(windows, "", world, name, ENTRANCE[name], theme, width)


def check_empty_installation(
    browser: Browser, data_dir: Path, looks: Sequence[tuple[str, int]]
) -> list[str]:
    """Check an installation without accounts, before and after its first administrator."""
    with start_trackside(data_dir, "--no-demo") as empty:
        windows = Windows(browser, Trackside(empty.url, {"ada": PASSWORD}, "", 0))

        def look(person: str, name: str, shown: Shown) -> list[str]:
            def at(theme: str, width: int) -> None:
                check_page(windows, person, {}, name, shown, theme, width)

            return check_in_each_window(at, looks)

        wrong = look("", "setup", SETUP)
        page = windows.of("", *looks[0]).open(SETUP.address)
        typed = {
            "code": empty.setup_code,
            "username": "ada",
            "password1": PASSWORD,
            "password2": PASSWORD,
        }
        press("Add administrator", **typed)(page, {})
        for name, shown in EMPTY.items():
            wrong += look("ada", name, shown)
        windows.close()
    return wrong


def test_every_empty_page_is_presentable(browser: Browser, tmp_path: Path) -> None:
    assert check_empty_installation(browser, tmp_path, [("light", 360)]) == []


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_every_empty_page_is_presentable_in_every_theme_and_width(
    browser: Browser, tmp_path: Path
) -> None:
    assert check_empty_installation(browser, tmp_path, LOOKS) == []


@pytest.mark.proof
@pytest.mark.parametrize("name", [*PAGES, *ENTRANCE])
def test_every_page_is_presentable_in_every_theme_and_width(
    windows: Windows, world: World, name: str
) -> None:
    shown = PAGES[name] if name in PAGES else ENTRANCE[name]
    person = shown.by if name in PAGES else ""

    def look(theme: str, width: int) -> None:
        check_page(windows, person, world, name, shown, theme, width)

    assert check_in_each_window(look, LOOKS) == []


def route_of(shown: Shown) -> str:
    """The URL pattern of an address; empty if the address comes from the world."""
    filled = re.sub(r"\{\w+\}", "1", shown.address.partition("?")[0])
    try:
        return "/" + resolve(filled).route
    except Resolver404:
        return ""


def test_every_url_that_is_a_page_is_checked() -> None:
    known = {
        "/operations/<int:pk>/",
        "/operations/<int:pk>/undo/",
        "/operations/approvals/<int:pk>/",
        "/operations/batches/<uuid:batch>/",
        "/operations/batches/<uuid:batch>/undo/",
        "/accounts/apps/<int:pk>/",
    }
    known |= {
        "/notices/<int:pk>/",
        "/you/two-factor/authenticate/",
    }  # opened by the world and by signing in
    seen = known | {
        route_of(shown) for shown in (*PAGES.values(), *ENTRANCE.values(), *EMPTY.values(), SETUP)
    }
    readable = {line.name for line in LINES if line.method in ("GET", "ANY")}
    pages = {name for name in readable if "<str:file_format>" not in ADDRESSES[name]}
    unseen = {name for name in pages if ADDRESSES[name] not in seen}
    assert unseen - set(NO_PAGES) == set(), (
        "pages nobody looks at: add them to tests/browser/pages.py"
    )
    assert set(NO_PAGES) - unseen == set(), "no longer true"
