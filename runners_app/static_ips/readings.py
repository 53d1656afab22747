"""Reading the limits of static IPs."""

from runners_app.readings.fetcher import Fetcher


def fetch_limits(fetcher: Fetcher) -> None:
    page = fetcher.client.get_hosted_runner_limits(fetcher.owner, known=fetcher.known)
    fetcher.note(page)
    fetcher.remember(page, [])
    if page.items:
        fetcher.fetched.limits = page.items[0]
