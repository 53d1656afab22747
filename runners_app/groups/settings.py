"""GroupSettings: one frozen type for forms and operations."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from runners_app.github import NewRunnerGroup
from runners_app.models import RunnerGroup
from runners_app.operations.settings import Settings

WORKFLOW_FIELDS = ("restricted_to_workflows", "selected_workflows")


@dataclass(frozen=True, kw_only=True)
class GroupSettings(Settings):
    """A group's settings, named as in GitHub's update body; without the access list.

    `selected_workflows` is sorted, because GitHub answers it in varying order.
    """

    name: str
    visibility: str
    allows_public_repositories: bool
    restricted_to_workflows: bool
    selected_workflows: tuple[str, ...]
    network_configuration_id: str | None

    @classmethod
    def of(cls, group: RunnerGroup) -> Self:
        return cls(
            name=group.name,
            visibility=group.visibility,
            allows_public_repositories=group.allows_public_repositories,
            restricted_to_workflows=group.restricted_to_workflows,
            selected_workflows=tuple(sorted(group.selected_workflows)),
            network_configuration_id=group.network_configuration_id or None,
        )

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> Self:
        workflows = tuple(values.get("selected_workflows") or ())
        return super().from_stored({**values, "selected_workflows": workflows})

    def stored(self) -> dict[str, Any]:
        return {**super().stored(), "selected_workflows": list(self.selected_workflows)}

    def to_create(self, selected_ids: tuple[int, ...]) -> NewRunnerGroup:
        """The body of actions/create-self-hosted-runner-group-for-org, with the ids on its access
        list.
        """
        return NewRunnerGroup(
            name=self.name,
            visibility=self.visibility,
            selected_ids=selected_ids,
            allows_public_repositories=self.allows_public_repositories,
            restricted_to_workflows=self.restricted_to_workflows,
            selected_workflows=self.selected_workflows,
            network_configuration_id=self.network_configuration_id,
        )

    @classmethod
    def names_in(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of an operation's values that are settings, not access list."""
        names = {field.name for field in fields(cls)}
        return {name: value for name, value in values.items() if name in names}
