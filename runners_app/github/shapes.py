"""GitHub's things as frozen types. Field names are GitHub's unless a comment says otherwise.

Times are aware UTC. Strings GitHub left out are empty, numbers and things it left out are None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote

OwnerKind = Literal["organization", "enterprise"]


def path_segment(value: str) -> str:
    """The value quoted as one segment of a URL path. ValueError for what a server would take for
    another path.
    """
    if value in ("", ".", ".."):
        raise ValueError(f"{value!r} cannot stand in a URL path")
    return quote(value, safe="")


@dataclass(frozen=True, slots=True)
class Owner:
    """The organization or enterprise that has runners. ValueError for a slug that cannot stand in a
    path.
    """

    kind: OwnerKind
    slug: str

    def __post_init__(self) -> None:
        if self.kind not in ("organization", "enterprise"):
            raise ValueError(f"{self.kind!r} is neither organization nor enterprise")
        path_segment(self.slug)

    @property
    def path(self) -> str:
        """`/orgs/{slug}` or `/enterprises/{slug}`, quoted."""
        prefix = "orgs" if self.kind == "organization" else "enterprises"
        return f"/{prefix}/{path_segment(self.slug)}"


@dataclass(frozen=True, slots=True)
class MachineSize:
    """Cores, GB of memory and GB of storage; numbers are None where GitHub did not tell them."""

    id: str
    cpu_cores: int | None = None
    memory_gb: int | None = None
    storage_gb: int | None = None


@dataclass(frozen=True, slots=True)
class RunnerImage:
    """The image of a runner; `id` is a string even where it looks like a number."""

    id: str
    display_name: str = ""
    source: str = ""
    size_gb: int | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class PublicIP:
    """A static range: `prefix` is an address, `length` the number of its leading bits."""

    enabled: bool
    prefix: str
    length: int | None


@dataclass(frozen=True, slots=True)
class HostedRunner:
    """A larger runner: a pool of up to `maximum_runners` machines.

    `status` is GitHub's word, also one we do not know. `group_id` is its `runner_group_id`,
    `static_ip` its `public_ip_enabled`.
    """

    id: int
    name: str
    group_id: int | None
    image: RunnerImage | None
    size: MachineSize
    status: str
    platform: str
    maximum_runners: int | None
    static_ip: bool
    public_ips: tuple[PublicIP, ...]
    last_active_on: datetime | None
    image_gen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHostedRunner:
    """A runner to be created. `image_version` only for custom images; None leaves `maximum_runners`
    to GitHub.
    """

    name: str
    image_id: str
    size: str
    runner_group_id: int
    image_source: str = "github"
    image_version: str | None = None
    maximum_runners: int | None = None
    enable_static_ip: bool = False
    image_gen: bool = False

    def body(self) -> dict[str, object]:
        """The request body of actions/create-hosted-runner-for-org."""
        image = {"id": self.image_id, "source": self.image_source}
        if self.image_version is not None:
            image["version"] = self.image_version
        body: dict[str, object] = {
            "name": self.name,
            "image": image,
            "size": self.size,
            "runner_group_id": self.runner_group_id,
            "enable_static_ip": self.enable_static_ip,
        }
        if self.maximum_runners is not None:
            body["maximum_runners"] = self.maximum_runners
        if self.image_gen:
            body["image_gen"] = True
        return body


@dataclass(frozen=True, slots=True)
class CuratedImage:
    """An image of GitHub or a partner."""

    id: str
    platform: str
    size_gb: int | None
    display_name: str
    source: str


@dataclass(frozen=True, slots=True)
class CustomImage:
    """An image built by the owner's own jobs; `total_versions_size` in GB."""

    id: int
    platform: str
    name: str
    source: str
    versions_count: int | None
    total_versions_size: int | None
    latest_version: str
    state: str


@dataclass(frozen=True, slots=True)
class ImageVersion:
    """A version of a custom image."""

    version: str
    state: str
    size_gb: int | None
    created_on: datetime | None
    state_details: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How many runners may have static IPs (`public_ips.maximum`) and how many do."""

    maximum: int | None
    current_usage: int | None


@dataclass(frozen=True, slots=True)
class RunnerGroup:
    """A runner group. `selected_workflows` are sorted, because GitHub sends them in varying order.

    Enterprise groups never are `inherited`; `inherited_allows_public_repositories` is None where
    GitHub is silent.
    """

    id: int
    name: str
    visibility: str
    default: bool
    inherited: bool
    allows_public_repositories: bool
    restricted_to_workflows: bool
    selected_workflows: tuple[str, ...]
    workflow_restrictions_read_only: bool
    network_configuration_id: str | None
    inherited_allows_public_repositories: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRunnerGroup:
    """A group to be created. `visibility` is `all`, `selected` or, of an organization, `private`.

    `selected_ids` are the repositories of an organization's or the organizations of an enterprise's
    group, `runners` self-hosted ones to move into it.
    """

    name: str
    visibility: str = "all"
    selected_ids: tuple[int, ...] = ()
    runners: tuple[int, ...] = ()
    allows_public_repositories: bool = False
    restricted_to_workflows: bool = False
    selected_workflows: tuple[str, ...] = ()
    network_configuration_id: str | None = None

    def body(self, kind: OwnerKind) -> dict[str, object]:
        """The request body of actions/create-self-hosted-runner-group-for-org, or the one for
        enterprises.
        """
        body: dict[str, object] = {
            "name": self.name,
            "visibility": self.visibility,
            "allows_public_repositories": self.allows_public_repositories,
            "restricted_to_workflows": self.restricted_to_workflows,
            "selected_workflows": list(self.selected_workflows),
        }
        if self.visibility == "selected":
            noun = "repository" if kind == "organization" else "organization"
            body[f"selected_{noun}_ids"] = list(self.selected_ids)
        if self.runners:
            body["runners"] = list(self.runners)
        if self.network_configuration_id is not None:
            body["network_configuration_id"] = self.network_configuration_id
        return body


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a self-hosted runner. `type` is `read-only` (set by the runner itself) or
    `custom`.
    """

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class SelfHostedRunner:
    """A machine of one's own. `status` is GitHub's word, such as `online`; `group_id` its
    `runner_group_id`.
    """

    id: int
    name: str
    group_id: int | None
    os: str
    status: str
    busy: bool
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository, in short. `visibility` is `public`, `private` or `internal`; internal ones are
    `private` too.
    """

    id: int
    name: str
    full_name: str
    private: bool
    visibility: str
    archived: bool


@dataclass(frozen=True, slots=True)
class Organization:
    """The parts of an organization we use; `plan` is None unless the credential may see it."""

    id: int
    login: str
    name: str
    plan: str | None


@dataclass(frozen=True, slots=True)
class App:
    """A GitHub App as it sees itself; `owner` is the login of the account it belongs to."""

    id: int
    slug: str
    name: str
    client_id: str
    owner: str
    permissions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation of an App. `account` is a login or enterprise slug, `target_type` GitHub's
    word for its kind.
    """

    id: int
    account: str
    target_type: str
    permissions: Mapping[str, str]
    suspended_at: datetime | None


@dataclass(frozen=True, slots=True)
class InstallationToken:
    """A token for one installation, valid for an hour. Its repr and str do not show it."""

    token: str
    expires_at: datetime | None
    permissions: Mapping[str, str]

    def __repr__(self) -> str:
        return f"InstallationToken(token=<hidden>, expires_at={self.expires_at!r})"
