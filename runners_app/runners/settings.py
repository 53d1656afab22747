"""A runner's settings as one frozen type, shared by forms, bulk changes, operations and exports."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from runners_app.github import NewHostedRunner
from runners_app.models import Runner
from runners_app.operations.settings import Settings

LATEST = (None, "latest")
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")  # what GitHub accepts for a new runner


@dataclass(frozen=True, kw_only=True)
class RunnerSettings(Settings):
    """A runner's settings under the field names of GitHub's update body.

    `runner_group_id` and `image_id` are GitHub's ids. `image_version` is None for the latest
    version and for images without versions. `enable_static_ip` is `public_ip_enabled` in GitHub's
    responses.
    """

    TOGETHER: ClassVar[tuple[str, ...]] = ("image_id", "image_source", "image_version")

    name: str
    runner_group_id: int | None
    maximum_runners: int | None
    enable_static_ip: bool
    size: str
    image_id: str
    image_source: str
    image_version: str | None
    image_gen: bool

    @classmethod
    def of(cls, runner: Runner) -> Self:
        """The settings of a stored runner."""
        return cls(
            name=runner.name,
            runner_group_id=runner.group_id,
            maximum_runners=runner.maximum_runners,
            enable_static_ip=runner.static_ip,
            size=runner.size,
            image_id=runner.image_id,
            image_source=runner.image_source,
            image_version=runner.fixed_image_version,
            image_gen=runner.image_gen,
        )

    def to_create(self) -> NewHostedRunner:
        """The body of actions/create-hosted-runner-for-org. Raises ValueError without a group."""
        if self.runner_group_id is None:
            raise ValueError("A new runner needs a group.")
        return NewHostedRunner(
            name=self.name,
            image_id=self.image_id,
            image_source=self.image_source,
            image_version=self.image_version,
            size=self.size,
            runner_group_id=self.runner_group_id,
            maximum_runners=self.maximum_runners,
            enable_static_ip=self.enable_static_ip,
            image_gen=self.image_gen,
        )

    def has(self, sent: Mapping[str, Any]) -> bool:
        """Whether these are exactly the values `sent`; no version matches only the latest."""
        mine = self.stored()
        return all(
            mine[name] in LATEST if value is None else mine[name] == value
            for name, value in sent.items()
        )

    def shows(self, sent: Mapping[str, Any]) -> bool:
        """Like `has`, after GitHub accepted them: no version matches any version."""
        mine = self.stored()
        return all(mine[name] == value for name, value in sent.items() if value is not None)
