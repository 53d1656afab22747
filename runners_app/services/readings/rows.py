"""From GitHub's types to the columns of our rows."""

from hashlib import sha256
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from runners_app.github import (
    CuratedImage,
    CustomImage,
    HostedRunner,
    MachineSize,
    Repository,
    RunnerGroup,
    SelfHostedRunner,
)
from runners_app.github import ImageVersion as GitHubImageVersion

Values = dict[str, Any]
_encoder = DjangoJSONEncoder(sort_keys=True, separators=(",", ":"))


def hash_of(values: Values) -> str:
    """Equal content, equal hash: what is equal is not written."""
    return sha256(_encoder.encode(values).encode()).hexdigest()


def runner_values(runner: HostedRunner) -> Values:
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
        "public_ips": [{"enabled": ip.enabled, "prefix": ip.prefix, "length": ip.length} for ip in runner.public_ips],
        "last_active_on": runner.last_active_on,
        "image_gen": runner.image_gen,
    }


def group_values(group: RunnerGroup) -> Values:
    return {
        "name": group.name,
        "visibility": group.visibility,
        "default": group.default,
        "inherited": group.inherited,
        "allows_public_repositories": group.allows_public_repositories,
        "inherited_allows_public_repositories": group.inherited_allows_public_repositories,
        "restricted_to_workflows": group.restricted_to_workflows,
        # GitHub answers them in varying order: they are a set.
        "selected_workflows": sorted(group.selected_workflows),
        "workflow_restrictions_read_only": group.workflow_restrictions_read_only,
        "network_configuration_id": group.network_configuration_id or "",
    }


def repository_values(repository: Repository) -> Values:
    return {
        "name": repository.name,
        "private": repository.private,
        "visibility": repository.visibility,
        "archived": repository.archived,
    }


def self_hosted_runner_values(runner: SelfHostedRunner) -> Values:
    return {
        "name": runner.name,
        "group_id": runner.group_id,
        "os": runner.os,
        "status": runner.status,
        "busy": runner.busy,
        "labels": [[label.name, label.type] for label in runner.labels],
    }


def curated_image_values(image: CuratedImage) -> Values:
    return {"name": image.display_name, "platform": image.platform, "size_gb": image.size_gb}


def custom_image_values(image: CustomImage) -> Values:
    return {
        "name": image.name,
        "platform": image.platform,
        "size_gb": image.total_versions_size,
        "versions_count": image.versions_count,
        "latest_version": image.latest_version,
        "state": image.state,
    }


def image_version_values(version: GitHubImageVersion) -> Values:
    return {
        "state": version.state,
        "state_details": version.state_details,
        "size_gb": version.size_gb,
        "created_on": version.created_on,
    }


def machine_size_values(size: MachineSize) -> Values:
    return {"cpu_cores": size.cpu_cores, "memory_gb": size.memory_gb, "storage_gb": size.storage_gb}
