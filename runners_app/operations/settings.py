"""Settings of a runner or group: as requested, as the form started, and as GitHub has them now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of frozen types whose fields have the names of GitHub's update body.

    The fields named in `TOGETHER` belong together: if one of them changes, all of them are sent.
    """

    TOGETHER: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> Self:
        """From JSON of an operation or signed form; extra keys are ignored, missing are None."""
        return cls(**{field.name: values.get(field.name) for field in fields(cls)})

    def stored(self) -> dict[str, Any]:
        """The values as JSON, by field name."""
        return dict(vars(self))

    def changes_from(self, base: Self) -> dict[str, Any]:
        """Field → value here, of the fields that differ from `base`."""
        before = base.stored()
        mine = self.stored()
        changed = {name: value for name, value in mine.items() if value != before[name]}
        if changed.keys() & set(self.TOGETHER):
            changed |= {name: mine[name] for name in self.TOGETHER}
        return changed

    def agrees_with(self, other: Self, names: Iterable[str]) -> bool:
        """Whether both have the same values in the named fields."""
        mine, others = self.stored(), other.stored()
        return all(mine[name] == others[name] for name in names)

    def on_top_of(self, now: Self, *, base: Self) -> Self:
        """The changes made here since `base`, applied to `now`."""
        return replace(now, **{name: getattr(self, name) for name in self.changes_from(base)})

    def conflicts_with(self, now: Self, *, base: Self) -> dict[str, list[object]]:
        """What this would overwrite although it changed at GitHub since `base`.

        Field → [now, before, requested].
        """
        theirs, before = now.stored(), base.stored()
        return {
            name: [theirs[name], before[name], value]
            for name, value in self.changes_from(base).items()
            if theirs[name] not in (before[name], value)
        }
