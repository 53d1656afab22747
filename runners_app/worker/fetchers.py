"""The function that fetches each resource."""

from runners_app.groups.readings import (
    fetch_access_checks,
    fetch_group_access,
    fetch_groups,
    fetch_repositories,
    fetch_self_hosted_runners,
)
from runners_app.images.readings import fetch_catalog, fetch_custom_images, fetch_image_versions
from runners_app.jobs.readings import fetch_history, fetch_lost_deliveries, fetch_open_jobs
from runners_app.models import Reading
from runners_app.readings.run import Fetch
from runners_app.runners.readings import fetch_runners
from runners_app.static_ips.readings import fetch_limits

R = Reading.Resource

FETCHERS: dict[str, Fetch] = {
    R.RUNNERS: fetch_runners,
    R.LIMITS: fetch_limits,
    R.GROUPS: fetch_groups,
    R.GROUP_ACCESS: fetch_group_access,
    R.SELF_HOSTED_RUNNERS: fetch_self_hosted_runners,
    R.REPOSITORIES: fetch_repositories,
    R.ACCESS_CHECKS: fetch_access_checks,
    R.CATALOG: fetch_catalog,
    R.CUSTOM_IMAGES: fetch_custom_images,
    R.IMAGE_VERSIONS: fetch_image_versions,
    R.OPEN_JOBS: fetch_open_jobs,
    R.JOB_DELIVERIES: fetch_lost_deliveries,
    R.JOB_HISTORY: fetch_history,
}
