"""Read an account's runners from GitHub into columns of our table."""

from runners_app.github import HostedRunner
from runners_app.models import Runner
from runners_app.readings.fetcher import Fetcher
from runners_app.readings.publish import RowSet
from runners_app.readings.rows import Values


def fetch_runners(fetcher: Fetcher) -> None:
    """Collect all runners of an account. GitHub: actions/list-hosted-runners-for-org."""
    pages = fetcher.client.list_hosted_runners(fetcher.owner, known=fetcher.known)
    into = RowSet(Runner, {"account": fetcher.account}, "github_id")
    fetcher.collect(
        pages,
        into,
        lambda runner: runner.id,
        runner_values,
        get=lambda key: fetcher.client.get_hosted_runner(fetcher.owner, key),
    )


def runner_values(runner: HostedRunner) -> Values:
    """The columns of one runner as GitHub reports it."""
    image = runner.image
    return {
        "name": runner.name,
        "status": runner.status,
        "platform": runner.platform,
        "image_id": image.id if image else "",
        "image_source": image.source if image else "",
        "image_name": image.display_name if image else "",
        "image_version": (image.version or "") if image else "",
        "image_size_gb": image.size_gb if image else None,
        "size": runner.size.id,
        "cpu_cores": runner.size.cpu_cores,
        "memory_gb": runner.size.memory_gb,
        "storage_gb": runner.size.storage_gb,
        "group_id": runner.group_id,
        "maximum_runners": runner.maximum_runners,
        "static_ip": runner.static_ip,
        "public_ips": [
            {"enabled": ip.enabled, "prefix": ip.prefix, "length": ip.length}
            for ip in runner.public_ips
        ],
        "last_active_on": runner.last_active_on,
        "image_gen": runner.image_gen,
    }
