"""The columns of the runners list: what they are called, how they sort, and which a user sees."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from runners_app.models import Account, Preferences
from runners_app.runners.facets import Facets
from runners_app.web.paging import REST, Order, Part

LIST = "runners"


@dataclass(frozen=True)
class Column:
    """A column. `css` are classes of its cells."""

    name: str
    label: str
    css: str = ""


COLUMNS = (
    Column("account", "Account"),
    Column("status", "Status"),
    Column("image", "Image"),
    Column("platform", "Platform"),
    Column("size", "Size"),
    Column("maximum", "Max", "numeric"),
    Column("group", "Group"),
    Column("static_ip", "Static IPs"),
    Column("active", "Last used"),
    Column("since", "In status since"),
    Column("seen", "First seen"),
    Column("owner", "Owner"),
    Column("tags", "Tags"),
)
BY_NAME = {column.name: column for column in COLUMNS}
DEFAULT = ("account", "status", "image", "size", "maximum", "group", "static_ip", "active")

# Columns with a value of their own in nearly every row.
ORDERS = {
    "name": Order("name_key"),
    "size": Order("cpu_cores", nullable=True),
    "maximum": Order("maximum_runners", nullable=True),
    "active": Order("last_active_on", nullable=True),
    "since": Order("status_since"),
    "seen": Order("first_seen_at"),
    "tags": Order("tags"),
}


@dataclass(frozen=True)
class PartOrder:
    """An order by a column with few values, then by name; see `page_by_parts`."""

    parts: list[Part]
    columns: tuple[str, ...]
    key_of: Callable[..., str]


def columns_of(preferences: Preferences, query: Mapping[str, str]) -> list[Column]:
    """The columns a user sees beside the name; `?columns=` names others, as saved views do."""
    names = preferences.of_list(LIST).get("columns", DEFAULT)
    if "columns" in query:
        names = query["columns"].split(",")
    return [BY_NAME[name] for name in names if name in BY_NAME]


def part_order(
    sort: str, accounts: Iterable[Account], facets: Mapping[int, Facets]
) -> PartOrder | None:
    """The order for `?sort=`, without its minus, if it is by a column with few values."""
    match sort:
        case "account":
            return _by_account(accounts)
        case "group":
            return _by_group(facets)
        case "status":
            return _by_text("status", set().union(*(each.statuses for each in facets.values())))
        case "platform":
            return _by_text("platform", set().union(*(each.platforms for each in facets.values())))
        case "image":
            return _by_text("image_name", set().union(*(each.images for each in facets.values())))
        case "owner":
            return _by_text("owner", set().union(*(each.owners for each in facets.values())))
        case "static_ip":
            parts = [Part("no", Q(static_ip=False)), Part("yes", Q(static_ip=True))]
            return PartOrder(parts, ("static_ip",), lambda has: "yes" if has else "no")
    return None


def _by_account(accounts: Iterable[Account]) -> PartOrder:
    keys = {account.pk: f"{account.slug.lower()} {account.pk}" for account in accounts}
    parts = [Part(key, Q(account=pk)) for pk, key in keys.items()]
    return PartOrder(parts, ("account_id",), lambda pk: keys.get(pk, REST))


def _by_group(facets: Mapping[int, Facets]) -> PartOrder:
    keys = {
        (account, group): name.lower()
        for account, each in facets.items()
        for group, name in each.groups.items()
    }
    accounts: dict[str, dict[int, list[int]]] = {}
    for (account, group), key in keys.items():
        accounts.setdefault(key, {}).setdefault(group, []).append(account)

    parts = []
    for key, by_group in accounts.items():
        condition = Q(pk__in=[])
        for group, having in by_group.items():
            condition |= Q(group_id=group, account__in=having)
        parts.append(Part(key, condition))
    return PartOrder(
        parts,
        ("account_id", "group_id"),
        lambda account, group: keys.get((account, group), REST),
    )


def _by_text(column: str, values: Iterable[Any]) -> PartOrder:
    """Values that differ only in case are one part; rows without a value come last."""
    keys = {value.lower() for value in values if value}
    parts = [Part(key, Q(**{f"{column}__iexact": key})) for key in keys]

    def key_of(value: str) -> str:
        key = value.lower()
        return key if key in keys else REST

    return PartOrder(parts, (column,), key_of)
