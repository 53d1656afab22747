"""What the API answers and takes, with GitHub's field names where GitHub has one.

Models of pydantic, because ninja's Schema reads every field through a getter for templates: a list
of 100 runners would take three times as long.
"""

import json
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field

from runners_app.models import Account, ApiToken, Image, ImageVersion, MachineSize, RunnerGroup


def _as_leaf(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value


# JSON of operations and audit entries, whose keys depend on the kind. Three levels, and deeper ones
# as text: generators of clients do not take a schema that contains itself.
Scalar = str | int | float | bool | None
Leaf = Annotated[Scalar, BeforeValidator(_as_leaf)]
Inner = Scalar | list[Leaf] | dict[str, Leaf]
Value = Scalar | list[Inner] | dict[str, Inner]


# A primary key: what a column of 64 bits holds.
Key = Annotated[int, Field(ge=1, le=2**63 - 1)]


class PageOf(BaseModel):
    next: str | None = Field(None, description="`after` of the next page; null on the last one.")


# --- Accounts


class AccountOut(BaseModel):
    pk: int
    account: str = Field(description="How other resources name it, for example organization:acme.")
    kind: Account.Kind
    slug: str
    api_url: str
    plan: str
    role: str = Field(description="The user's role in it: viewer or manager.")
    observe_only: bool
    paused: bool
    demo: bool
    connected_at: datetime
    url: str


class AccountPage(PageOf):
    rows: list[AccountOut]


class ReadingOut(BaseModel):
    """The sync state of one resource of an account."""

    resource: str
    last_good_at: datetime | None
    due_at: datetime | None
    error: str = Field(description="Kind of the failure; empty after a success.")
    error_message: str


# --- Runners


class ImageDetails(BaseModel):
    id: str
    size_gb: int | None
    display_name: str
    source: str
    version: str


class MachineSizeDetails(BaseModel):
    id: str
    cpu_cores: int | None
    memory_gb: int | None
    storage_gb: int | None


class PublicIp(BaseModel):
    enabled: bool
    prefix: str
    length: int | None


class RunnerOut(BaseModel):
    """A GitHub-hosted runner, in GitHub's field names and a few of Trackside's."""

    id: int
    name: str
    runner_group_id: int | None
    image_details: ImageDetails
    machine_size_details: MachineSizeDetails
    status: str
    platform: str
    maximum_runners: int | None
    public_ip_enabled: bool
    public_ips: list[PublicIp]
    last_active_on: datetime | None
    image_gen: bool
    pk: int
    account: str
    group: str | None = Field(description="Name of its runner group.")
    owner: str | None = Field(description="The team it belongs to.")
    tags: list[str]
    status_since: datetime
    first_seen_at: datetime
    observed_at: datetime
    gone_at: datetime | None
    settings_etag: str = Field(description="Of its settings, for If-Match; use and status keep it.")
    url: str
    html_url: str


class RunnerPage(PageOf):
    rows: list[RunnerOut]


class ImageChoice(BaseModel, extra="forbid"):
    id: str
    source: Literal["github", "partner", "custom"] = "github"
    version: str | None = Field(None, description="Of a custom image; null follows the latest.")


class NewRunner(BaseModel, extra="forbid"):
    """The body of GitHub's own create request."""

    name: str
    image: ImageChoice
    size: str
    runner_group_id: int
    maximum_runners: int
    enable_static_ip: bool = False
    image_gen: bool = False


class RunnerChange(BaseModel, extra="forbid"):
    """The fields to change; all others stay as they are."""

    name: str | None = None
    runner_group_id: int | None = None
    maximum_runners: int | None = None
    enable_static_ip: bool | None = None
    size: str | None = None
    image_id: str | None = None
    image_source: Literal["github", "partner", "custom"] | None = None
    image_version: str | None = None
    image_gen: bool | None = None


# --- Operations


class OperationEventOut(BaseModel):
    at: datetime
    state: str
    by: str
    note: str
    request_id: str


class OperationOut(BaseModel):
    """One write to GitHub, from the request to its proven outcome."""

    id: int
    kind: str
    state: str
    account: str
    target: str
    target_id: int | None
    target_name: str
    target_version: str
    requested_by: str
    wanted: dict[str, Value]
    reason: str = Field(description="Why it is in this state, in words.")
    refusal: "Refusal | None" = Field(description="GitHub's words if it was rejected.")
    batch: UUID | None
    approval: int | None = Field(description="The approval it needs, or had, of a second person.")
    requested_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None
    is_finished: bool
    needs_person: bool = Field(description="Whether it waits for a decision.")
    url: str
    html_url: str


class RefusalError(BaseModel):
    field: str = ""
    code: str = ""
    message: str = ""


class Refusal(BaseModel):
    status: int
    message: str
    errors: list[RefusalError]
    request_id: str


class OperationDetail(OperationOut):
    events: list[OperationEventOut]


class ApprovalOut(BaseModel):
    """The decision of a second person about operations that were requested together."""

    id: int
    kind: Literal["four_eyes", "proposal"]
    state: Literal["waiting", "approved", "declined"]
    account: str
    batch: UUID | None
    asked_by: str
    asked_at: datetime
    decided_by: str
    decided_at: datetime | None
    reason: str
    url: str
    html_url: str


class ApprovalDetail(ApprovalOut):
    digest: str = Field(description="Of the operations that wait: send it back to approve them.")
    operations: list[OperationOut]


class ApprovalGiven(BaseModel, extra="forbid"):
    digest: str = Field(description="The digest of the operations as they were read.")
    reason: str = Field("", max_length=500)


class ApprovalDeclined(BaseModel, extra="forbid"):
    reason: str = Field(min_length=1, max_length=500, description="For the person who asked.")


class OperationPage(PageOf):
    rows: list[OperationOut]


class OperationRef(BaseModel):
    id: int
    state: str
    url: str


class Accepted(BaseModel):
    """The operation that was created. Its outcome follows within seconds; see `url`."""

    operation: OperationRef


class Change(BaseModel):
    field: str
    before: Value
    after: Value


class Preview(BaseModel):
    """What would change; nothing was created."""

    changes: list[Change]


class Settlement(BaseModel, extra="forbid"):
    outcome: Literal["confirmed", "cancelled"] = Field(
        description="It took effect, or it did not; `cancelled` changes nothing on GitHub."
    )
    runner: Key | None = Field(None, description="Which runner a create made, by primary key.")


class BatchOut(BaseModel):
    """The operations of one bulk change, with how many are in each state."""

    id: UUID
    states: dict[str, int]
    operations: list[OperationOut]


# --- Images, sizes, groups


class ImageOut(BaseModel):
    pk: int
    account: str
    id: str
    source: str
    name: str
    platform: str
    size_gb: int | None
    versions_count: int | None
    latest_version: str
    state: str
    first_seen_at: datetime
    gone_at: datetime | None
    url: str

    @staticmethod
    def of(row: Image, account: str, url: str) -> "ImageOut":
        return ImageOut(
            pk=row.pk,
            account=account,
            id=row.github_id,
            source=row.source,
            name=row.name,
            platform=row.platform,
            size_gb=row.size_gb,
            versions_count=row.versions_count,
            latest_version=row.latest_version,
            state=row.state,
            first_seen_at=row.first_seen_at,
            gone_at=row.gone_at,
            url=url,
        )


class ImagePage(PageOf):
    rows: list[ImageOut]


class ImageVersionOut(BaseModel):
    pk: int
    version: str
    state: str
    state_details: str
    size_gb: int | None
    created_on: datetime | None
    gone_at: datetime | None

    @staticmethod
    def of(row: ImageVersion) -> "ImageVersionOut":
        return ImageVersionOut(
            pk=row.pk,
            version=row.version,
            state=row.state,
            state_details=row.state_details,
            size_gb=row.size_gb,
            created_on=row.created_on,
            gone_at=row.gone_at,
        )


class SizeOut(BaseModel):
    account: str
    id: str
    cpu_cores: int | None
    memory_gb: int | None
    storage_gb: int | None

    @staticmethod
    def of(row: MachineSize, account: str) -> "SizeOut":
        return SizeOut(
            account=account,
            id=row.github_id,
            cpu_cores=row.cpu_cores,
            memory_gb=row.memory_gb,
            storage_gb=row.storage_gb,
        )


class SizePage(PageOf):
    rows: list[SizeOut]


class GroupOut(BaseModel):
    pk: int
    account: str
    id: int
    name: str
    visibility: str
    default: bool
    inherited: bool
    allows_public_repositories: bool
    restricted_to_workflows: bool
    selected_workflows: list[str]
    network_configuration_id: str | None
    owner: str | None = Field(description="The team it belongs to.")
    tags: list[str]
    first_seen_at: datetime
    gone_at: datetime | None
    settings_etag: str
    url: str
    html_url: str

    @staticmethod
    def of(row: RunnerGroup, account: str, etag: str, url: str, html_url: str) -> "GroupOut":
        return GroupOut(
            pk=row.pk,
            account=account,
            id=row.github_id,
            name=row.name,
            visibility=row.visibility,
            default=row.default,
            inherited=row.inherited,
            allows_public_repositories=row.allows_public_repositories,
            restricted_to_workflows=row.restricted_to_workflows,
            selected_workflows=[str(each) for each in row.selected_workflows],
            network_configuration_id=row.network_configuration_id or None,
            owner=row.owner or None,
            tags=row.tag_list,
            first_seen_at=row.first_seen_at,
            gone_at=row.gone_at,
            settings_etag=etag,
            url=url,
            html_url=html_url,
        )


class GroupPage(PageOf):
    rows: list[GroupOut]


class AccessOut(BaseModel):
    """A repository of an organization's group, or an organization of an enterprise's."""

    id: int
    name: str
    private: bool | None


class AccessPage(PageOf):
    rows: list[AccessOut]


class NewGroup(BaseModel, extra="forbid"):
    name: str
    visibility: Literal["all", "private", "selected"] = "selected"
    allows_public_repositories: bool = False
    restricted_to_workflows: bool = False
    selected_workflows: list[str] = Field(default_factory=list)
    network_configuration_id: str | None = None
    members: list[str] = Field(
        default_factory=list, description="Names of repositories or organizations to give access."
    )


class GroupChange(BaseModel, extra="forbid"):
    """The fields to change; all others stay as they are."""

    name: str | None = None
    visibility: Literal["all", "private", "selected"] | None = None
    allows_public_repositories: bool | None = None
    restricted_to_workflows: bool | None = None
    selected_workflows: list[str] | None = None
    network_configuration_id: str | None = None
    members: list[str] = Field(
        default_factory=list, description="Names of repositories or organizations to add."
    )
    remove: list[str] = Field(
        default_factory=list, description="Names of repositories or organizations to take off."
    )


# --- Owners, tags, saved views


class OwnerOut(BaseModel):
    owner: str
    runners: int
    groups: int


class OwnerList(BaseModel):
    rows: list[OwnerOut]


class TagOut(BaseModel):
    tag: str
    runners: int
    groups: int


class TagList(BaseModel):
    rows: list[TagOut]


class Annotations(BaseModel):
    """What Trackside keeps about a runner or group; GitHub knows nothing of it."""

    owner: str | None
    tags: list[str]
    note: str


class AnnotationChange(BaseModel, extra="forbid"):
    """The fields to change; empty ones are cleared, all others stay as they are."""

    owner: str | None = None
    tags: list[str] | None = None
    note: str | None = None


class BulkAnnotation(BaseModel, extra="forbid"):
    runners: list[Key] = Field(
        min_length=1, max_length=5000, description="Primary keys; you must manage all of them."
    )
    owner: str = Field("", description="Empty keeps each owner.")
    add_tags: list[str] = Field(default_factory=list)
    remove_tags: list[str] = Field(default_factory=list)


class AnnotatedRunners(BaseModel):
    changed: int = Field(description="How many runners differ from before.")


class ViewOut(BaseModel):
    """A named filter, sort and choice of columns of the runners list."""

    pk: int
    name: str
    list: Literal["runners"]
    query: str = Field(description="The query string of the list.")
    default: bool = Field(description="Whether the list opens with it.")
    url: str
    html_url: str


class ViewList(BaseModel):
    rows: list[ViewOut]


class NewView(BaseModel, extra="forbid"):
    name: str = Field(max_length=60)
    query: str = Field("", max_length=4000, description="For example q=status:stuck&sort=-since")
    default: bool = Field(False, description="Open the list with it from now on.")


# --- Static IPs, explain, audit


class RangeOut(BaseModel):
    range: str
    enabled: bool
    account: str
    runner: str
    runner_id: int
    group: str | None


class RangeList(BaseModel):
    as_of: datetime | None
    rows: list[RangeOut]


class RangeChangeOut(BaseModel):
    change: Literal["added", "removed"]
    range: str
    account: str
    runner: str
    runner_id: int
    at: datetime


class RangeChangeList(BaseModel):
    as_of: datetime | None
    since: datetime
    rows: list[RangeChangeOut]


class StepOut(BaseModel):
    question: str
    verdict: Literal["yes", "no", "unknown", "skipped"]
    words: str
    remedy: str = Field(description="What would change the verdict; empty if nothing must.")


class ExplainedOut(BaseModel):
    """Whether jobs of the repository may run on one runner, and why."""

    runner: str
    self_hosted: bool
    account: str
    group: str | None
    verdict: Literal["yes", "no", "unknown", "skipped"]
    steps: list[StepOut]
    as_of: datetime | None


class ExplainedList(BaseModel):
    rows: list[ExplainedOut]


class AuditOut(BaseModel):
    id: int
    at: datetime
    actor: str
    action: str
    account: str
    subject: str
    details: dict[str, Value]


class AuditPage(PageOf):
    rows: list[AuditOut]


class TokenOut(BaseModel):
    """The token this request came with."""

    name: str
    owner: str
    scopes: list[str]
    limited: bool
    expires_at: datetime

    @staticmethod
    def of(token: ApiToken) -> "TokenOut":
        return TokenOut(
            name=token.name,
            owner=token.owner.get_username(),
            scopes=token.scopes,
            limited=token.limited,
            expires_at=token.expires_at,
        )


OperationOut.model_rebuild()
OperationDetail.model_rebuild()
