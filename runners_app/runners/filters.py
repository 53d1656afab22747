"""The filter of the runners list. It lives in the URL; the search box takes it as `word:value`."""

import re
from datetime import timedelta
from typing import Any

import django_filters
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower
from django.utils import timezone

from runners_app.models import Account, Runner, RunnerGroup
from runners_app.models.runners import IDLE_AFTER
from runners_app.runners.facets import read_facets
from runners_app.web.filters import GONE, MOST_WORDS, split_search
from runners_app.web.numbers import number_in

# The trigram index of PostgreSQL needs at least three letters.
SHORTEST_INDEXED = 3


YES_NO = [("yes", "With"), ("no", "Without")]


IDLE = [("yes", "90 days"), ("never", "Never used")]


# `<7d` is at most a week old, `>3m` more than three months; a plain number is a maximum.
AGE = re.compile(r"([<>]?)(\d{1,5})([dwmy]?)")


OLDEST_DAYS = 36_500


DAYS = {"": 1, "d": 1, "w": 7, "m": 30, "y": 365}


class RunnerFilter(django_filters.FilterSet):
    """Filter runners by their properties and by words in the name or the image."""

    q = django_filters.CharFilter(method="search", label="Search")
    account = django_filters.CharFilter(field_name="account", method="by_account", label="Account")
    status = django_filters.CharFilter(method="by_status", label="Status")
    platform = django_filters.CharFilter(
        field_name="platform", lookup_expr="iexact", label="Platform"
    )
    size = django_filters.CharFilter(field_name="size", lookup_expr="iexact", label="Size")
    image = django_filters.CharFilter(method="by_image", label="Image")
    group = django_filters.CharFilter(method="by_group", label="Group")
    static_ip = django_filters.ChoiceFilter(
        choices=YES_NO, method="by_static_ip", label="Static IPs"
    )
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
        """Whether an index finds the matches: none does for words of one or two letters only."""
        words, terms = split_search(self.data.get("q", ""))
        others = any(self.data.get(name) for name in self.base_filters if name != "q")
        return bool(terms) or others or any(len(word) >= SHORTEST_INDEXED for word in words.split())

    def by_account(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        return rows.filter(
            account__in=list(
                Account.objects.filter(slug__iexact=value).values_list("pk", flat=True)
            )
        )

    def by_status(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        if value.lower() == GONE:
            return rows.filter(gone_at__isnull=False)
        return rows.filter(gone_at=None, status__iexact=value)

    def by_image(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        named = rows.filter(image_name__iexact=value)
        return named if named.exists() else rows.filter(image_id=value)

    def by_image_offered(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        wanted = Q(pk__in=[])
        for account, facets in read_facets(
            Account.objects.order_by().only("pk", "version")
        ).items():
            for source, image_id in facets.not_offered:
                wanted |= Q(account=account, image_id=image_id, image_source=source)
        return rows.filter(wanted, gone_at=None)

    def by_group(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        accounts: dict[int, list[int]] = {}
        for account, group in RunnerGroup.objects.filter(name__iexact=value).values_list(
            "account_id", "github_id"
        ):
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
        """By when Trackside first saw a runner; GitHub does not say when it was created."""
        match = AGE.fullmatch(value.lower())
        days = int(match[2]) * DAYS[match[3]] if match else OLDEST_DAYS + 1
        if match is None or days > OLDEST_DAYS:
            return rows.none()
        moment = timezone.now() - timedelta(days=days)
        if match[1] == ">":
            return rows.filter(first_seen_at__lt=moment)
        return rows.filter(first_seen_at__gte=moment)

    @property
    def shows_gone(self) -> bool:
        """Runners that are gone are listed only for `status:gone`."""
        values: dict[str, Any] = self.form.cleaned_data if self.form.is_valid() else {}
        statuses = {
            str(values.get("status", "")).lower(),
            split_search(values.get("q", ""))[1].get("status", "").lower(),
        }
        return GONE in statuses
