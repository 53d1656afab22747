"""What an operation changes, in words for people: names of images and groups instead of GitHub's
ids.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runners_app.models import Account, Image, RunnerGroup

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Values = Mapping[str, Any]
IMAGE_FIELDS = ("image_id", "image_source", "image_version")
GROUP_FIELDS = ("runner_group_id", "group_id")
OTHER_GROUP = "another group"  # to somebody limited to some groups, about all others


class Names:
    """Images and groups a person may see in accounts, given by primary key; gone ones included.
    Three queries.
    """

    def __init__(self, user: "User", accounts: Iterable[int]) -> None:
        asked = set(accounts)
        images = Image.objects.filter(account__in=asked).values_list(
            "account_id", "source", "github_id", "name"
        )
        groups = (
            RunnerGroup.objects.visible_to(user)
            .filter(account__in=asked)
            .values_list("account_id", "github_id", "name")
        )
        self.images = {
            (account, source, image_id): name for account, source, image_id, name in images
        }
        self.groups = {(account, group_id): name for account, group_id, name in groups}
        whole = Account.objects.visible_to(user).fully_visible().filter(pk__in=asked)
        self.fully_visible = set(whole.values_list("pk", flat=True))

    def changes(
        self, account: int, before: Values, after: Values
    ) -> list[tuple[str, object, object]]:
        """(field, before, after) for every field that differs. The three fields of an image are its
        name and version.

        Without values before, as for a create, every field is told.
        """
        differing = [field for field in after if not before or before.get(field) != after[field]]
        lines: list[tuple[str, object, object]] = []
        if "image_id" in differing or "image_source" in differing:
            lines.append(("image_name", self.image(account, before), self.image(account, after)))
        if "image_version" in differing and "custom" in (
            before.get("image_source"),
            after.get("image_source"),
        ):
            lines.append(("image_version", _version(before), _version(after)))
        rest = [field for field in differing if field not in IMAGE_FIELDS]
        return lines + [(field, *self._both(account, field, before, after)) for field in rest]

    def _both(
        self, account: int, field: str, before: Values, after: Values
    ) -> tuple[object, object]:
        return self.value(account, field, before.get(field)), self.value(
            account, field, after[field]
        )

    def conflict(
        self, account: int, fields: Mapping[str, Iterable[object]]
    ) -> dict[str, list[object]]:
        """The same for [on GitHub now, before, asked for] by field."""
        return {
            field: [self.value(account, field, value) for value in values]
            for field, values in fields.items()
        }

    def value(self, account: int, field: str, value: object) -> object:
        """One value on its own; as it is where it has no name."""
        if field in GROUP_FIELDS and isinstance(value, int):
            unnamed = f"id {value}" if account in self.fully_visible else OTHER_GROUP
            return self.groups.get((account, value), unnamed)
        if field == "image_version" and value in (None, ""):
            return "latest"
        if field == "image_id" and isinstance(value, str):
            named = (self.images.get((account, source, value)) for source in Image.Source.values)
            return next(filter(None, named), f"id {value}")
        return value

    def without_other_groups(self, account: int, values: Values) -> dict[str, object]:
        """The same values, with ids only of groups the person may see."""
        seen = {field for field, value in values.items() if self._may_know(account, field, value)}
        return {field: value if field in seen else OTHER_GROUP for field, value in values.items()}

    def _may_know(self, account: int, field: str, value: object) -> bool:
        is_group = field in GROUP_FIELDS and isinstance(value, int)
        return not is_group or account in self.fully_visible or (account, value) in self.groups

    def image(self, account: int, values: Values) -> str | None:
        if not values.get("image_id"):
            return None
        source, image_id = values.get("image_source", ""), values["image_id"]
        name = self.images.get((account, source, image_id)) or f"id {image_id}"
        return name if source in ("", Image.Source.GITHUB) else f"{name} ({source})"


def _version(values: Values) -> str | None:
    """Empty for an image that has no versions."""
    return (
        (values.get("image_version") or "latest")
        if values.get("image_source") == "custom"
        else None
    )
