"""Read the static IP limits from GitHub."""

from runners_app.readings.fetcher import Fetcher


def fetch_limits(fetcher: Fetcher) -> None:
    """Fetch an account's limits. GitHub: actions/get-hosted-runners-limits-for-org."""
    page = fetcher.client.get_hosted_runner_limits(fetcher.owner, known=fetcher.known)
    fetcher.note(page)
    fetcher.remember(page, [])
    if page.items:
        fetcher.fetched.limits = page.items[0]
