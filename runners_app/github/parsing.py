"""JSON values into the types of `shapes`. Missing and odd fields get defaults; `Unreadable` only
without an id.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import values
from .shapes import (
    App,
    CuratedImage,
    CustomImage,
    HostedRunner,
    ImageVersion,
    Installation,
    InstallationToken,
    Label,
    Limits,
    MachineSize,
    Organization,
    PublicIP,
    Repository,
    RunnerGroup,
    RunnerImage,
    SelfHostedRunner,
)
from .values import count, flag, identity, mapping, moment, must_be_object, optional_text, text


def hosted_runner(value: object) -> HostedRunner:
    runner = must_be_object(value)
    return HostedRunner(
        id=identity(runner.get("id")),
        name=text(runner.get("name")),
        group_id=values.optional_identity(runner.get("runner_group_id")),
        image=_runner_image(runner),
        size=_size(mapping(runner.get("machine_size_details"))),
        status=text(runner.get("status")),
        platform=text(runner.get("platform")),
        maximum_runners=count(runner.get("maximum_runners")),
        static_ip=flag(runner.get("public_ip_enabled")),
        public_ips=tuple(
            _public_ip(ip) for ip in values.items(runner.get("public_ips")) if values.is_object(ip)
        ),
        last_active_on=moment(runner.get("last_active_on")),
        image_gen=flag(runner.get("image_gen")),
    )


def _runner_image(runner: Mapping[str, object]) -> RunnerImage | None:
    """From `image_details`; older answers have `image` with `size`, or `source` and `version`."""
    image = mapping(runner.get("image_details")) or mapping(runner.get("image"))
    if not image:
        return None
    id_ = text(image.get("id"))
    size = image.get("size_gb")
    return RunnerImage(
        id=id_,
        display_name=text(image.get("display_name")) or id_,
        source=text(image.get("source")),
        size_gb=count(image.get("size") if size is None else size),
        version=optional_text(image.get("version")),
    )


def _size(value: Mapping[str, object]) -> MachineSize:
    return MachineSize(
        id=text(value.get("id")),
        cpu_cores=count(value.get("cpu_cores")),
        memory_gb=count(value.get("memory_gb")),
        storage_gb=count(value.get("storage_gb")),
    )


def _public_ip(value: Mapping[str, object]) -> PublicIP:
    return PublicIP(
        flag(value.get("enabled")), text(value.get("prefix")), count(value.get("length"))
    )


def machine_size(value: object) -> MachineSize:
    size = must_be_object(value)
    values.name(size.get("id"))
    return _size(size)


def platform(value: object) -> str:
    return values.name(value)


def curated_image(value: object) -> CuratedImage:
    image = must_be_object(value)
    id_ = values.name(image.get("id"))
    return CuratedImage(
        id=id_,
        platform=text(image.get("platform")),
        size_gb=count(image.get("size_gb")),
        display_name=text(image.get("display_name")) or id_,
        source=text(image.get("source")),
    )


def custom_image(value: object) -> CustomImage:
    image = must_be_object(value)
    return CustomImage(
        id=identity(image.get("id")),
        platform=text(image.get("platform")),
        name=text(image.get("name")),
        source=text(image.get("source")),
        versions_count=count(image.get("versions_count")),
        total_versions_size=count(image.get("total_versions_size")),
        latest_version=text(image.get("latest_version")),
        state=text(image.get("state")),
    )


def image_version(value: object) -> ImageVersion:
    version = must_be_object(value)
    return ImageVersion(
        version=values.name(version.get("version")),
        state=text(version.get("state")),
        size_gb=count(version.get("size_gb")),
        created_on=moment(version.get("created_on")),
        state_details=text(version.get("state_details")),
    )


def limits(value: object) -> Limits:
    public_ips = mapping(must_be_object(value).get("public_ips"))
    return Limits(count(public_ips.get("maximum")), count(public_ips.get("current_usage")))


def runner_group(value: object) -> RunnerGroup:
    group = must_be_object(value)
    inherited_allows = group.get("inherited_allows_public_repositories")
    return RunnerGroup(
        id=identity(group.get("id")),
        name=text(group.get("name")),
        visibility=text(group.get("visibility")),
        default=flag(group.get("default")),
        inherited=flag(group.get("inherited")),
        allows_public_repositories=flag(group.get("allows_public_repositories")),
        restricted_to_workflows=flag(group.get("restricted_to_workflows")),
        selected_workflows=tuple(
            sorted({text(flow) for flow in values.items(group.get("selected_workflows"))} - {""})
        ),
        workflow_restrictions_read_only=flag(group.get("workflow_restrictions_read_only")),
        network_configuration_id=optional_text(group.get("network_configuration_id")),
        inherited_allows_public_repositories=inherited_allows
        if isinstance(inherited_allows, bool)
        else None,
    )


def self_hosted_runner(value: object) -> SelfHostedRunner:
    runner = must_be_object(value)
    return SelfHostedRunner(
        id=identity(runner.get("id")),
        name=text(runner.get("name")),
        group_id=values.optional_identity(runner.get("runner_group_id")),
        os=text(runner.get("os")),
        status=text(runner.get("status")),
        busy=flag(runner.get("busy")),
        labels=tuple(
            _label(label) for label in values.items(runner.get("labels")) if values.is_object(label)
        ),
    )


def _label(value: Mapping[str, object]) -> Label:
    return Label(text(value.get("name")), text(value.get("type")))


def repository(value: object) -> Repository:
    """What does not say whether it is private counts as private: nobody is told that it is open to
    all.
    """
    said = must_be_object(value)
    visibility = text(said.get("visibility"))
    private = flag(said.get("private"), default=visibility != "public")
    return Repository(
        id=identity(said.get("id")),
        name=text(said.get("name")),
        full_name=text(said.get("full_name")),
        private=private,
        visibility=visibility or ("private" if private else "public"),
        archived=flag(said.get("archived")),
    )


def organization(value: object) -> Organization:
    org = must_be_object(value)
    return Organization(
        id=identity(org.get("id")),
        login=text(org.get("login")),
        name=text(org.get("name")),
        plan=optional_text(mapping(org.get("plan")).get("name")),
    )


def app(value: object) -> App:
    said = must_be_object(value)
    return App(
        id=identity(said.get("id")),
        slug=text(said.get("slug")),
        name=text(said.get("name")),
        client_id=text(said.get("client_id")),
        owner=_account(said.get("owner")),
        permissions=values.text_mapping(said.get("permissions")),
    )


def installation(value: object) -> Installation:
    said = must_be_object(value)
    return Installation(
        id=identity(said.get("id")),
        account=_account(said.get("account")),
        target_type=text(said.get("target_type")),
        permissions=values.text_mapping(said.get("permissions")),
        suspended_at=moment(said.get("suspended_at")),
    )


def _account(value: object) -> str:
    """Users and organizations have a login, enterprises a slug."""
    account = mapping(value)
    return text(account.get("login")) or text(account.get("slug"))


def installation_token(value: object) -> InstallationToken:
    said = must_be_object(value)
    token = said.get("token")
    if not isinstance(token, str) or not values.SENDABLE.fullmatch(token):
        raise values.Unreadable("the token is missing")
    # Neither cut nor cleaned: tokens of 520 characters are usual
    return InstallationToken(
        token, moment(said.get("expires_at")), values.text_mapping(said.get("permissions"))
    )
