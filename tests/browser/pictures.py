"""Takes the screenshots of README and guide from the demo: `python -m tests.browser.pictures`."""

import re
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import (
    CHROMIUM_ARGUMENTS,
    ROOT,
    Trackside,
    Visit,
    enter,
    new_context,
    start_trackside,
)

PICTURES = ROOT / "docs" / "pictures"
SLOW_MS = 30_000
BULK = "/runners/bulk/edit/?matching=q%3D{}&image=github:Ubuntu+Latest+(24.04)&maximum_runners=10"
ROW = ".table a.row-link"


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data_dir,
        start_trackside(Path(data_dir), "--demo-speed", "30") as trackside,
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_ARGUMENTS
        )
        light = signed_in(chromium, trackside, "admin", "light")
        change_many_runners(light)
        for name, path in {
            "overview": "/",
            "runners": "/runners/",
            "runner": "/runners/{runner}/",
            "runner-new": "/runners/new/?account=1",
            "bulk": BULK.format("android"),
            "static-ips": "/static-ips/",
            "explain": "/groups/explain/?organization={acme}&repository=web",
            "account": "/accounts/{acme}/",
            "connect": "/accounts/new/",
        }.items():
            take(light, name, path.format(**found_in(light)))
        take(signed_in(chromium, trackside, "admin", "dark"), "overview-dark", "/")
        take(
            signed_in(chromium, trackside, "lead", "light", width=360),
            "phone",
            "/runners/?status=Stuck",
        )
        chromium.close()


def signed_in(
    chromium: Browser, trackside: Trackside, username: str, theme: str, width: int = 1280
) -> Visit:
    visit = Visit(new_context(chromium, width=width, theme=theme).new_page(), trackside.url)
    visit.page.set_viewport_size({"width": width, "height": 800})
    enter(visit, username, trackside.passwords[username])
    return visit


def change_many_runners(visit: Visit) -> None:
    """Change many runners, so that there are operations and history."""
    page = visit.open("/runners/")
    expect(page.get_by_text("160 runners")).to_be_visible(timeout=SLOW_MS)
    visit.open(BULK.format("legacy"))
    page.get_by_role("button", name=re.compile("^Change ")).click()
    expect(page.get_by_role("heading", name="4 of 4 confirmed")).to_be_visible(timeout=SLOW_MS)
    take_now(page, "batch")


def found_in(visit: Visit) -> dict[str, str]:
    def number(path: str, link: str) -> str:
        visit.open(path)
        return re.sub(r"\D", "", visit.page.locator(link).first.get_attribute("href") or "")

    return {
        "runner": number("/runners/?q=org:acme legacy", ROW),
        "acme": number("/accounts/", f"{ROW}:text-is('acme')"),
    }


def take(visit: Visit, name: str, path: str) -> None:
    visit.open(path)
    visit.page.wait_for_load_state("networkidle")
    take_now(visit.page, name)


def take_now(page: Page, name: str) -> None:
    page.screenshot(path=PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
