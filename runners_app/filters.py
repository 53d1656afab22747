"""Filters of lists. All of them live in the URL; the search box understands them as `word:value` too."""

import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, ClassVar

import django_filters
from django import forms
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower
from django.utils import timezone

from runners_app.models import Account, Image, Operation, Runner, RunnerGroup
from runners_app.models.runners import IDLE_AFTER
from runners_app.numbers import number_in
from runners_app.services.facets import read_facets

TERM = re.compile(r'(\w+):("[^"]*"|\S+)')
# What people type in the search box → parameter of the URL.
WORDS = {
    "org": "account", "account": "account", "enterprise": "account", "status": "status", "size": "size",
    "image": "image", "group": "group", "ip": "static_ip", "platform": "platform", "idle": "idle", "age": "age",
}  # fmt: skip

# PostgreSQL finds words by groups of three letters.
SHORTEST_INDEXED = 3
YES_NO = [("yes", "With"), ("no", "Without")]
IDLE = [("yes", "90 days"), ("never", "Never used")]
GONE = "gone"
# `<7d` is at most a week old, `>3m` more than three months; a number alone is the most.
AGE = re.compile(r"([<>]?)(\d{1,5})([dwmy]?)")
OLDEST_DAYS = 36_500
# More plain words than anybody types; of thousands a database gives up, after half a minute.
MOST_WORDS = 20
DAYS = {"": 1, "d": 1, "w": 7, "m": 30, "y": 365}


def split_search(text: str, known: dict[str, str] = WORDS) -> tuple[str, dict[str, str]]:
    """Plain words, and the `word:value` terms among them by parameter name."""
    terms: dict[str, str] = {}

    def take(match: re.Match[str]) -> str:
        name = known.get(match[1].lower())
        if name is None:
            return match[0]
        terms[name] = match[2].strip('"')
        return ""

    return " ".join(TERM.sub(take, text).split()), terms


class RunnerFilter(django_filters.FilterSet):
    """Runners by account, status, platform, size, image, group, static IP, idleness, age and words."""

    q = django_filters.CharFilter(method="search", label="Search")
    account = django_filters.CharFilter(field_name="account", method="by_account", label="Account")
    status = django_filters.CharFilter(method="by_status", label="Status")
    platform = django_filters.CharFilter(field_name="platform", lookup_expr="iexact", label="Platform")
    size = django_filters.CharFilter(field_name="size", lookup_expr="iexact", label="Size")
    image = django_filters.CharFilter(method="by_image", label="Image")
    group = django_filters.CharFilter(method="by_group", label="Group")
    static_ip = django_filters.ChoiceFilter(choices=YES_NO, method="by_static_ip", label="Static IPs")
    idle = django_filters.ChoiceFilter(choices=IDLE, method="by_idle", label="Idle")
    age = django_filters.CharFilter(method="by_age", label="First seen")
    image_offered = django_filters.ChoiceFilter(
        choices=[("no", "No longer")], method="by_image_offered", label="Image offered"
    )

    class Meta:
        model = Runner
        fields: tuple[str, ...] = ()

    def search(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        words, terms = split_search(value)
        for term, text in terms.items():
            rows = self.filters[term].filter(rows, text)
        if len(words.split()) > MOST_WORDS:
            return rows.none()
        for word in words.split():
            found = Q(search_text__contains=Lower(Value(word)))
            if (number := number_in(word)) is not None:
                found |= Q(github_id=number)
            rows = rows.filter(found)
        return rows

    @property
    def is_by_index(self) -> bool:
        """Whether an index leads to what matches: none does to words of one or two letters alone."""
        words, terms = split_search(self.data.get("q", ""))
        others = any(self.data.get(name) for name in self.base_filters if name != "q")
        return bool(terms) or others or any(len(word) >= SHORTEST_INDEXED for word in words.split())

    def by_account(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        return rows.filter(account__in=list(Account.objects.filter(slug__iexact=value).values_list("pk", flat=True)))

    def by_status(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        if value.lower() == "gone":
            return rows.filter(gone_at__isnull=False)
        return rows.filter(gone_at=None, status__iexact=value)

    def by_image(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        named = rows.filter(image_name__iexact=value)
        return named if named.exists() else rows.filter(image_id=value)

    def by_image_offered(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        wanted = Q(pk__in=[])
        for account, facets in read_facets(Account.objects.order_by().only("pk", "version")).items():
            for source, image_id in facets.not_offered:
                wanted |= Q(account=account, image_id=image_id, image_source=source)
        return rows.filter(wanted, gone_at=None)

    def by_group(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        accounts: dict[int, list[int]] = {}
        for account, group in RunnerGroup.objects.filter(name__iexact=value).values_list("account_id", "github_id"):
            accounts.setdefault(group, []).append(account)
        wanted = Q(pk__in=[])
        for group, having in accounts.items():
            wanted |= Q(group_id=group, account__in=having)
        if (number := number_in(value)) is not None:
            wanted |= Q(group_id=number)
        return rows.filter(wanted)

    def by_static_ip(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        return rows.filter(static_ip=value.lower() in ("yes", "true", "on"))

    def by_idle(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        if value == "never":
            return rows.filter(last_active_on=None)
        return rows.filter(last_active_on__lt=timezone.now() - IDLE_AFTER)

    def by_age(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        """By when a runner was first seen here; GitHub does not tell when it was made."""
        asked = AGE.fullmatch(value.lower())
        days = int(asked[2]) * DAYS[asked[3]] if asked else OLDEST_DAYS + 1
        if asked is None or days > OLDEST_DAYS:
            return rows.none()
        moment = timezone.now() - timedelta(days=days)
        return rows.filter(first_seen_at__lt=moment) if asked[1] == ">" else rows.filter(first_seen_at__gte=moment)

    @property
    def shows_gone(self) -> bool:
        """Runners that are gone are shown only when asked for."""
        values: dict[str, Any] = self.form.cleaned_data if self.form.is_valid() else {}
        asked = {str(values.get("status", "")).lower(), split_search(values.get("q", ""))[1].get("status", "").lower()}
        return "gone" in asked


class OperationFilter(django_filters.FilterSet):
    account = django_filters.CharFilter(field_name="account__slug", lookup_expr="iexact", label="Account")
    state = django_filters.ChoiceFilter(choices=Operation.State.choices, label="State")
    kind = django_filters.ChoiceFilter(choices=Operation.Kind.choices, label="Kind")
    q = django_filters.CharFilter(field_name="target_name", lookup_expr="icontains", label="Search")
    open = django_filters.BooleanFilter(method="by_open", widget=forms.HiddenInput, label="Not finished")

    class Meta:
        model = Operation
        fields: tuple[str, ...] = ()

    def by_open(self, rows: QuerySet[Operation], name: str, value: bool) -> QuerySet[Operation]:
        return rows.filter(state__in=Operation.UNFINISHED) if value else rows


class CatalogFilter(django_filters.FilterSet):
    """What the lists beside runners share: an account, words, and `word:value` terms in the search box."""

    TERMS: ClassVar[dict[str, str]] = {}

    q = django_filters.CharFilter(method="search", label="Search")
    account = django_filters.CharFilter(method="by_account", label="Account")

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        words, terms = self.split(value)
        for term, text in terms.items():
            rows = self.filters[term].filter(rows, text)
        if len(words.split()) > MOST_WORDS:
            return rows.none()
        for word in words.split():
            rows = rows.filter(self.matching(word))
        return rows

    def split(self, value: str) -> tuple[str, dict[str, str]]:
        accounts = {"org": "account", "account": "account", "enterprise": "account"}
        return split_search(value, {**accounts, **self.TERMS})

    def matching(self, word: str) -> Q:
        return Q(name__icontains=word)

    def by_account(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(account__in=list(Account.objects.filter(slug__iexact=value).values_list("pk", flat=True)))

    def by_state(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if value.lower() == GONE:
            return rows.filter(gone_at__isnull=False)
        return rows.filter(gone_at=None, state__iexact=value)

    @property
    def shows_gone(self) -> bool:
        """What is gone is shown only when asked for."""
        values: dict[str, Any] = self.form.cleaned_data if self.form.is_valid() else {}
        asked = {values.get("state", ""), self.split(values.get("q", ""))[1].get("state", "")}
        return GONE in {str(state).lower() for state in asked}


class ImageFilter(CatalogFilter):
    TERMS: ClassVar[dict[str, str]] = {"platform": "platform", "state": "state"}

    platform = django_filters.CharFilter(field_name="platform", lookup_expr="iexact", label="Platform")
    state = django_filters.CharFilter(method="by_state", label="State")

    class Meta:
        model = Image
        fields: tuple[str, ...] = ()

    def matching(self, word: str) -> Q:
        return Q(name__icontains=word) | Q(github_id=word)


class GroupFilter(CatalogFilter):
    TERMS: ClassVar[dict[str, str]] = {name: name for name in ("visibility", "public", "inherited", "state")}

    visibility = django_filters.CharFilter(field_name="visibility", lookup_expr="iexact", label="Visibility")
    public = django_filters.ChoiceFilter(
        choices=[("yes", "Allowed"), ("no", "Not allowed")], method="by_public", label="Public repositories"
    )
    inherited = django_filters.ChoiceFilter(
        choices=[("yes", "From the enterprise"), ("no", "Own")], method="by_inherited", label="Origin"
    )
    state = django_filters.ChoiceFilter(choices=[("gone", "Gone")], method="by_gone", label="State")

    class Meta:
        model = RunnerGroup
        fields: tuple[str, ...] = ()

    def matching(self, word: str) -> Q:
        found, number = Q(name__icontains=word), number_in(word)
        return found if number is None else found | Q(github_id=number)

    def by_public(self, rows: QuerySet[RunnerGroup], name: str, value: str) -> QuerySet[RunnerGroup]:
        return rows.filter(allows_public_repositories=value.lower() == "yes")

    def by_inherited(self, rows: QuerySet[RunnerGroup], name: str, value: str) -> QuerySet[RunnerGroup]:
        return rows.filter(inherited=value.lower() == "yes")

    def by_gone(self, rows: QuerySet[RunnerGroup], name: str, value: str) -> QuerySet[RunnerGroup]:
        return rows.filter(gone_at__isnull=value.lower() != GONE)


class StaticIpFilter(CatalogFilter):
    """Runners with static IPs. An address or a range in the search box finds the runners whose ranges hold it."""

    class Meta:
        model = Runner
        fields: tuple[str, ...] = ()

    def search(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        return rows if self.network else super().search(rows, name, value)

    @property
    def network(self) -> IPv4Network | IPv6Network | None:
        """The address or range somebody looks for; nothing when the search box holds other words."""
        try:
            return ip_network(str(self.data.get("q", "")).strip(), strict=False)
        except ValueError:
            return None
