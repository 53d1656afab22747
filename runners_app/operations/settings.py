"""Settings of something at GitHub: what a form, a bulk change or the API wants, compared with what
is there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of frozen types whose fields have the names of GitHub's update body.

    Fields named in `TOGETHER` are one thing: when one of them changes, all of them are sent.
    """

    TOGETHER: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> Self:
        """From JSON as an operation or a signed form holds it; other keys are ignored, missing ones
        are None.
        """
        return cls(**{field.name: values.get(field.name) for field in fields(cls)})

    def stored(self) -> dict[str, Any]:
        """As JSON, by field name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def changes_from(self, base: Self) -> dict[str, Any]:
        """The fields, and their values here, that an edit which started from `base` changed."""
        before = base.stored()
        mine = self.stored()
        changed = {name: value for name, value in mine.items() if value != before[name]}
        if changed.keys() & set(self.TOGETHER):
            changed |= {name: mine[name] for name in self.TOGETHER}
        return changed

    def agrees_with(self, other: Self, names: Iterable[str]) -> bool:
        """Whether both have the same values in the fields of these names."""
        mine, others = self.stored(), other.stored()
        return all(mine[name] == others[name] for name in names)

    def on_top_of(self, now: Self, *, base: Self) -> Self:
        """The changes made since `base`, and all else as it is `now`: what the edit did not touch
        stays.
        """
        return replace(now, **{name: getattr(self, name) for name in self.changes_from(base)})

    def conflicts_with(self, now: Self, *, base: Self) -> dict[str, list[object]]:
        """What changed at GitHub since `base` and this would overwrite: field → [now, before,
        wanted].
        """
        theirs, before = now.stored(), base.stored()
        return {
            name: [theirs[name], before[name], value]
            for name, value in self.changes_from(base).items()
            if theirs[name] not in (before[name], value)
        }
