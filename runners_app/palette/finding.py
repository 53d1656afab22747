"""What the palette finds: pages, actions, and what the user may see by a part of its name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.db.models import Value
from django.db.models.functions import Lower
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode

from runners_app.models import Account, Image, Operation, Runner, RunnerGroup
from runners_app.web.numbers import number_in

if TYPE_CHECKING:
    from django.db.models import QuerySet

SHOWN = 6  # of each kind
SHORTEST = 3  # from here on, parts of names are found and not only their beginnings


@dataclass(frozen=True)
class Hit:
    """A line of the palette: where it leads, and what tells it from others of its name."""

    label: str
    path: str
    icon: str
    hint: str = ""


@dataclass(frozen=True)
class Place:
    """A page or an action, and other words by which it is found."""

    label: str
    name: str
    icon: str
    words: str = ""
    for_managers: bool = False
    for_administrators: bool = False


PAGES = (
    Place("Overview", "overview", "home", "start home attention"),
    Place("Runners", "runners", "server-stack", "pools machines"),
    Place("Images", "images", "square-3-stack-3d"),
    Place("Machine sizes", "machine-sizes", "cpu-chip", "cores memory platforms"),
    Place("Groups", "groups", "user-group", "runner groups repositories"),
    Place("Why can't my repository use a runner?", "groups-explain", "question-mark-circle"),
    Place("Static IPs", "static-ips", "map-pin", "limits ranges firewall"),
    Place("Insight: queue", "insight", "chart-bar", "jobs waiting"),
    Place("Insight: queue times", "insight-waits", "chart-bar", "waits slo"),
    Place("Insight: capacity", "insight-capacity", "chart-bar", "maximum"),
    Place("Insight: usage", "insight-usage", "chart-bar", "cost minutes"),
    Place("Operations", "operations", "arrows-right-left", "changes batches undo"),
    Place("Accounts", "accounts", "building-office", "organizations enterprises tokens"),
    Place("People", "people", "users", "users access", for_administrators=True),
    Place("Notices", "notices", "bell", "channels slack mail", for_administrators=True),
    Place("Audit", "audit", "clipboard-document-list", "log", for_administrators=True),
    Place("Preferences", "preferences", "adjustments-horizontal", "theme time zone rows density"),
    Place("Profile and sign-in", "you", "user", "password sessions second factor"),
    Place("Your API tokens", "your-tokens", "key"),
    Place("Your notices", "your-notices", "bell", "mail"),
)
ACTIONS = (
    Place("New runner", "runner-new", "plus", "create add", for_managers=True),
    Place("New runner group", "group-new", "plus", "create add", for_managers=True),
    Place("Connect an account", "account-new", "plus", "add organization", for_administrators=True),
    Place("Add a GitHub App", "app-new", "plus", "connect", for_administrators=True),
    Place("Add a person", "person-new", "plus", "invite user", for_administrators=True),
    Place("Add a channel for notices", "channel-new", "plus", "slack", for_administrators=True),
)


def find(user: User, text: str) -> list[tuple[str, list[Hit]]]:
    """Hits by kind, best kinds first; kinds without any are left out.

    Without a text these are all pages and actions. Everything else is searched in the database,
    among what `visible_to` gives.
    """
    words = text.lower().split()
    kinds: list[tuple[str, Iterable[Hit]]] = []
    if words:
        kinds += [
            ("Runners", _runners(user, text)),
            ("Groups", _groups(user, text)),
            ("Images", _images(user, text)),
            ("Accounts", _accounts(user, text)),
            ("People", _people(user, text)),
            ("Operations", _operations(user, text)),
        ]
    kinds.insert(0, ("Pages", _places(PAGES, user, words)))
    kinds.insert(1, ("Actions", _places(ACTIONS, user, words)))
    found = [(kind, list(hits)) for kind, hits in kinds]
    return [(kind, hits) for kind, hits in found if hits]


def _places(places: Iterable[Place], user: User, words: list[str]) -> Iterator[Hit]:
    manages = Account.objects.manageable_by(user).exists()
    for place in places:
        text = f"{place.label} {place.words}".lower()
        if place.for_administrators and not user.is_superuser:
            continue
        if (place.for_managers and not manages) or not all(word in text for word in words):
            continue
        try:
            yield Hit(place.label, reverse(place.name), place.icon)
        except NoReverseMatch:
            continue


def _named(rows: "QuerySet[Any]", text: str, column: str = "name") -> "QuerySet[Any]":
    """Rows whose name contains the text, or begins with it if it is short."""
    lookup = "icontains" if len(text) >= SHORTEST else "istartswith"
    return rows.filter(**{f"{column}__{lookup}": text}).order_by(column, "pk")


def _runners(user: User, text: str) -> Iterator[Hit]:
    rows = Runner.objects.visible_to(user).present().select_related("account")
    if len(text) >= SHORTEST:
        rows = rows.filter(search_text__contains=Lower(Value(text)))
    else:
        rows = rows.filter(name_key__startswith=text.lower())
    found = list(rows.order_by("name_key", "pk")[:SHOWN])
    for row in found:
        hint = f"{row.account}, {row.shown_status}"
        yield Hit(row.name, reverse("runner", args=[row.pk]), "server-stack", hint)
    if len(found) == SHOWN:
        path = f"{reverse('runners')}?{urlencode({'q': text})}"
        yield Hit(f"All runners that match “{text}”", path, "magnifying-glass")


def _groups(user: User, text: str) -> Iterator[Hit]:
    rows = RunnerGroup.objects.visible_to(user).present().select_related("account")
    for row in _named(rows, text)[:SHOWN]:
        yield Hit(row.name, reverse("group", args=[row.pk]), "user-group", str(row.account))


def _images(user: User, text: str) -> Iterator[Hit]:
    rows = Image.objects.visible_to(user).present().select_related("account")
    for row in _named(rows, text)[:SHOWN]:
        hint = f"{row.account}, {row.get_source_display()}"
        path = reverse("image", args=[row.pk])
        yield Hit(row.name or row.github_id, path, "square-3-stack-3d", hint)


def _accounts(user: User, text: str) -> Iterator[Hit]:
    for row in _named(Account.objects.visible_to(user), text, "slug")[:SHOWN]:
        path = reverse("account", args=[row.pk])
        yield Hit(str(row), path, "building-office", row.get_kind_display())


def _people(user: User, text: str) -> Iterator[Hit]:
    if not user.is_superuser:
        return
    for row in _named(User.objects.all(), text, "username")[:SHOWN]:
        yield Hit(row.username, reverse("person", args=[row.pk]), "user", row.email)


def _operations(user: User, text: str) -> Iterator[Hit]:
    """The operation of a number, and the last ones on a target of this name."""
    rows = Operation.objects.visible_to(user).select_related("account")
    number = number_in(text.removeprefix("#"))
    named = rows.filter(target_name__iexact=text).order_by("-pk")[:SHOWN]
    for row in [*rows.filter(pk=number or 0), *named]:
        hint = f"{row.account}, {row.get_state_display().lower()}"
        yield Hit(str(row), reverse("operation", args=[row.pk]), "arrows-right-left", hint)
