"""Filters of lists. All of them live in the URL; the search box understands them as `word:value` too."""

import re
from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.utils import timezone

from runners_app.models import Account, Operation, Runner, RunnerGroup
from runners_app.models.runners import IDLE_AFTER

TERM = re.compile(r'(\w+):("[^"]*"|\S+)')
# What people type in the search box → parameter of the URL.
WORDS = {
    "org": "account", "account": "account", "enterprise": "account", "status": "status", "size": "size",
    "image": "image", "group": "group", "ip": "static_ip", "platform": "platform", "idle": "idle",
}  # fmt: skip


def split_search(text: str) -> tuple[str, dict[str, str]]:
    """Plain words, and the `word:value` terms among them by parameter name."""
    terms: dict[str, str] = {}

    def take(match: re.Match[str]) -> str:
        name = WORDS.get(match[1].lower())
        if name is None:
            return match[0]
        terms[name] = match[2].strip('"')
        return ""

    return " ".join(TERM.sub(take, text).split()), terms


class RunnerFilter(django_filters.FilterSet):
    """Runners by account, status, platform, size, image, group, static IP, idleness and words."""

    q = django_filters.CharFilter(method="search", label="Search")
    account = django_filters.CharFilter(field_name="account", method="by_account")
    status = django_filters.CharFilter(method="by_status")
    platform = django_filters.CharFilter(field_name="platform", lookup_expr="iexact")
    size = django_filters.CharFilter(field_name="size", lookup_expr="iexact")
    image = django_filters.CharFilter(method="by_image")
    group = django_filters.CharFilter(method="by_group")
    static_ip = django_filters.ChoiceFilter(choices=[("yes", "With"), ("no", "Without")], method="by_static_ip")
    idle = django_filters.ChoiceFilter(choices=[("yes", "90 days"), ("never", "Never used")], method="by_idle")

    class Meta:
        model = Runner
        fields: tuple[str, ...] = ()

    def search(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        words, terms = split_search(value)
        for term, text in terms.items():
            rows = self.filters[term].filter(rows, text)
        for word in words.split():
            found = Q(name__icontains=word) | Q(image_name__icontains=word)
            if word.isdecimal() and len(word) < 19:
                found |= Q(github_id=int(word))
            rows = rows.filter(found)
        return rows

    def by_account(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        return rows.filter(account__in=list(Account.objects.filter(slug__iexact=value).values_list("pk", flat=True)))

    def by_status(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        if value.lower() == "gone":
            return rows.filter(gone_at__isnull=False)
        return rows.filter(gone_at=None, status__iexact=value)

    def by_image(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        return rows.filter(Q(image_name__iexact=value) | Q(image_id=value))

    def by_group(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        groups = RunnerGroup.objects.filter(Q(name__iexact=value)).values_list("account_id", "github_id")
        wanted = Q(pk__in=[])
        for account_id, group_id in groups:
            wanted |= Q(account_id=account_id, group_id=group_id)
        if value.isdecimal() and len(value) < 19:
            wanted |= Q(group_id=int(value))
        return rows.filter(wanted)

    def by_static_ip(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        return rows.filter(static_ip=value.lower() in ("yes", "true", "on"))

    def by_idle(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        if value == "never":
            return rows.filter(last_active_on=None)
        return rows.filter(last_active_on__lt=timezone.now() - IDLE_AFTER)

    @property
    def active(self) -> dict[str, str]:
        """Filters in force, without the search box: parameter → value."""
        values: dict[str, Any] = self.form.cleaned_data if self.form.is_valid() else {}
        return {name: value for name, value in values.items() if value and name != "q"}

    @property
    def shows_gone(self) -> bool:
        """Runners that are gone are shown only when asked for."""
        values: dict[str, Any] = self.form.cleaned_data if self.form.is_valid() else {}
        asked = {str(values.get("status", "")).lower(), split_search(values.get("q", ""))[1].get("status", "").lower()}
        return "gone" in asked


class OperationFilter(django_filters.FilterSet):
    account = django_filters.CharFilter(field_name="account__slug", lookup_expr="iexact")
    state = django_filters.ChoiceFilter(choices=Operation.State.choices)
    kind = django_filters.ChoiceFilter(choices=Operation.Kind.choices)
    q = django_filters.CharFilter(field_name="target_name", lookup_expr="icontains")
    open = django_filters.BooleanFilter(method="by_open", widget=forms.HiddenInput)

    class Meta:
        model = Operation
        fields: tuple[str, ...] = ()

    def by_open(self, rows: QuerySet[Operation], name: str, value: bool) -> QuerySet[Operation]:
        return rows.filter(state__in=Operation.UNFINISHED) if value else rows
