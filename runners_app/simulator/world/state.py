"""The simulated world as plain data. Responses are computed from it; nothing here knows HTTP.

Times named ``*_at`` are simulated seconds (see ``Clock``), times named ``*_on`` wall-clock seconds
since 1970.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["organization", "enterprise"]


LATEST = "latest"


@dataclass
class Clock:
    """Simulated time: ``seconds`` at the wall-clock time ``wall_on``, then ``speed`` simulated
    seconds per second.
    """

    wall_on: float
    seconds: float = 0.0
    speed: float = 1.0


@dataclass
class ImageDetails:
    """A runner's image as its response shows it; kept even if the image is no longer offered."""

    id: str
    size_gb: int
    display_name: str
    source: str
    version: str | None = None


@dataclass
class Runner:
    """A larger runner: a pool of up to ``maximum_runners`` machines."""

    id: int
    name: str
    platform: str
    image: ImageDetails | None
    size: str
    group_id: int
    maximum_runners: int = 10
    image_gen: bool = False
    static_ip: bool = False
    static_ip_at: float = 0.0
    static_ip_takes: float = 0.0
    created_at: float = 0.0
    provisioning_takes: float = 0.0
    settled_status: str = "Ready"
    deleted_at: float | None = None
    deleting_takes: float = 45.0
    last_active_on: float | None = None
    busy_every: float = 0.0
    shown: dict[str, Any] = field(default_factory=dict)
    """Fields that a control set in the response; sent unchanged."""


@dataclass
class ImageVersion:
    version: str
    state: str
    size_gb: int
    created_on: float
    state_details: str = "None"


@dataclass
class CustomImage:
    """``versions`` in build order: the last is the latest, even if its major version is older."""

    id: int
    name: str
    platform: str
    state: str
    versions: list[ImageVersion]


@dataclass
class Group:
    """A runner group. ``inherited_from`` is the id of the enterprise's group it stands for."""

    id: int
    name: str
    visibility: str
    default: bool = False
    allows_public_repositories: bool = False
    restricted_to_workflows: bool = False
    selected_workflows: list[str] = field(default_factory=list)
    selected_ids: list[int] = field(default_factory=list)
    """Ids of the selected repositories (organization) or organizations (enterprise)."""
    network_configuration_id: str | None = None
    inherited_from: int | None = None
    writes: int = 0


@dataclass
class NetworkConfiguration:
    """A private network for the runners of a group."""

    id: str
    name: str
    created_on: float
    compute_service: str = "actions"
    network_settings_ids: list[str] = field(default_factory=list)


@dataclass
class Machine:
    """A self-hosted runner."""

    id: int
    name: str
    os: str
    architecture: str
    group_id: int
    status: str = "online"
    busy: bool = False
    labels: list[str] = field(default_factory=list)


@dataclass
class Repository:
    id: int
    name: str
    private: bool
    created_on: float


@dataclass
class Webhook:
    """Where job events are posted; ``id`` 0 is the hook of the App."""

    id: int
    url: str
    secret: str
    events: list[str]
    created_on: float
    active: bool = True
    content_type: str = "json"


@dataclass
class Account:
    kind: Kind
    slug: str
    id: int
    name: str
    plan: str
    created_on: float
    enterprise: str | None = None
    static_ip_maximum: int = 10
    renamed: bool = False
    shares_default: bool = False
    """Whether an enterprise's default group appears in its organizations, beside their own."""
    runners: dict[int, Runner] = field(default_factory=dict)
    images: dict[int, CustomImage] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    machines: dict[int, Machine] = field(default_factory=dict)
    repositories: dict[int, Repository] = field(default_factory=dict)
    webhooks: dict[int, Webhook] = field(default_factory=dict)
    networks: dict[str, NetworkConfiguration] = field(default_factory=dict)
    last_ids: dict[str, int] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return account_key(self.kind, self.slug)

    def next_id(self, noun: str) -> int:
        """A new id; ids are never reused, not even after a deletion."""
        self.last_ids[noun] = self.last_ids.get(noun, 0) + 1
        return self.last_ids[noun]


@dataclass
class Token:
    """A credential. ``kind`` is classic, fine_grained or installation; ``bucket`` names the rate
    limit it counts against.
    """

    token: str
    kind: str
    login: str
    bucket: str
    accounts: list[str]
    note: str
    scopes: list[str] = field(default_factory=list)
    permissions: dict[str, str] = field(default_factory=dict)
    expires_on: float | None = None
    sso_missing: list[str] = field(default_factory=list)
    """Accounts that require single sign-on, for which this token is not authorized."""
    revoked: bool = False
    installation_id: int | None = None
    repository_ids: list[int] | None = None


@dataclass
class Bucket:
    """The requests counted against a primary rate limit in the window that ends at ``reset_on``."""

    limit: int
    used: int
    reset_on: float


@dataclass
class Installation:
    id: int
    account: str
    permissions: dict[str, str]
    created_on: float
    suspended_on: float | None = None


@dataclass
class GitHubApp:
    id: int
    client_id: str
    slug: str
    name: str
    created_on: float
    permissions: dict[str, str]
    installations: dict[int, Installation] = field(default_factory=dict)
    pem: str = ""
    webhook: Webhook | None = None


@dataclass
class World:
    seed: int
    started_on: float
    clock: Clock
    app: GitHubApp
    accounts: dict[str, Account] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    minted: int = 0

    def organizations(self) -> Iterator[Account]:
        return (account for account in self.accounts.values() if account.kind == "organization")

    def enterprise_of(self, account: Account) -> Account | None:
        return (
            self.accounts.get(account_key("enterprise", account.enterprise))
            if account.enterprise
            else None
        )

    def members_of(self, enterprise: Account) -> list[Account]:
        return [
            account for account in self.organizations() if account.enterprise == enterprise.slug
        ]


def account_key(kind: str, slug: str) -> str:
    """Identify an account; slugs are case-insensitive, as on GitHub."""
    return f"{kind}/{slug.lower()}"


def find_version(image: CustomImage, version: str) -> ImageVersion | None:
    return next((built for built in image.versions if built.version == version), None)
