"""The changes an operation makes, in words: names of images and groups instead of GitHub's ids."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runners_app.models import Account, Image, RunnerGroup

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Values = Mapping[str, Any]
IMAGE_FIELDS = ("image_id", "image_source", "image_version")
GROUP_FIELDS = ("runner_group_id", "group_id")

# What a user limited to some groups reads in place of every other group.
OTHER_GROUP = "another group"


class Names:
    """Names of the images and groups a user may see in the given accounts (primary keys).

    Includes images and groups that are gone, because history names them. Costs three queries.
    """

    def __init__(self, user: "User", accounts: Iterable[int]) -> None:
        account_pks = set(accounts)
        images = Image.objects.filter(account__in=account_pks)
        groups = RunnerGroup.objects.visible_to(user).filter(account__in=account_pks)
        whole = Account.objects.visible_to(user).fully_visible().filter(pk__in=account_pks)

        self.images = {
            (account, source, image_id): name
            for account, source, image_id, name in images.values_list(
                "account_id", "source", "github_id", "name"
            )
        }
        self.groups = {
            (account, group_id): name
            for account, group_id, name in groups.values_list("account_id", "github_id", "name")
        }
        self.fully_visible = set(whole.values_list("pk", flat=True))

    def changes(
        self, account: int, before: Values, after: Values
    ) -> list[tuple[str, object, object]]:
        """(field, before, after) for every field that differs.

        An image's three fields become its name and its version. If `before` is empty, as for a
        create, every field counts as changed.
        """
        changed = [field for field in after if not before or before.get(field) != after[field]]
        lines: list[tuple[str, object, object]] = []

        if "image_id" in changed or "image_source" in changed:
            lines.append(("image_name", self.image(account, before), self.image(account, after)))
        is_custom = "custom" in (before.get("image_source"), after.get("image_source"))
        if "image_version" in changed and is_custom:
            lines.append(("image_version", _version(before), _version(after)))

        for field in changed:
            if field not in IMAGE_FIELDS:
                old = self.value(account, field, before.get(field))
                lines.append((field, old, self.value(account, field, after[field])))
        return lines

    def conflict(
        self, account: int, fields: Mapping[str, Iterable[object]]
    ) -> dict[str, list[object]]:
        """A conflict's values in words: field → [on GitHub now, before, requested]."""
        return {
            field: [self.value(account, field, value) for value in values]
            for field, values in fields.items()
        }

    def conflict_now(
        self, account: int, fields: Mapping[str, Sequence[object]], now: Values
    ) -> dict[str, list[object]]:
        """A stored conflict with the values that GitHub has by now, without fields that agree."""
        current = {
            field: [now[field], before, requested]
            for field, (_, before, requested) in fields.items()
            if field in now and now[field] != requested
        }
        return self.conflict(account, current)

    def value(self, account: int, field: str, value: object) -> object:
        """The name of one value, or the value itself if the field has no names."""
        if field in GROUP_FIELDS and isinstance(value, int):
            unnamed = f"id {value}" if account in self.fully_visible else OTHER_GROUP
            return self.groups.get((account, value), unnamed)
        if field == "image_version" and value in (None, ""):
            return "latest"
        if field == "image_id" and isinstance(value, str):
            names = (self.images.get((account, source, value)) for source in Image.Source.values)
            return next(filter(None, names), f"id {value}")
        return value

    def without_other_groups(self, account: int, values: Values) -> dict[str, object]:
        """The same values, with `OTHER_GROUP` in place of groups the user may not see."""
        shown: dict[str, object] = dict(values)
        for field, value in values.items():
            is_group = field in GROUP_FIELDS and isinstance(value, int)
            visible = account in self.fully_visible or (account, value) in self.groups
            if is_group and not visible:
                shown[field] = OTHER_GROUP
        return shown

    def image(self, account: int, values: Values) -> str | None:
        """The image's name, with its source unless that is GitHub; None without an image."""
        if not values.get("image_id"):
            return None
        source, image_id = values.get("image_source", ""), values["image_id"]
        name = self.images.get((account, source, image_id)) or f"id {image_id}"
        return name if source in ("", Image.Source.GITHUB) else f"{name} ({source})"


def _version(values: Values) -> str | None:
    """The version of a custom image; images of other sources have none."""
    if values.get("image_source") != "custom":
        return None
    return values.get("image_version") or "latest"
