"""Filters of the list of operations."""

import django_filters
from django import forms
from django.db.models import QuerySet

from runners_app.models import Account, Operation


class OperationFilter(django_filters.FilterSet):
    account = django_filters.CharFilter(method="by_account", label="Account")
    state = django_filters.ChoiceFilter(choices=Operation.State.choices, label="State")
    kind = django_filters.ChoiceFilter(choices=Operation.Kind.choices, label="Kind")
    q = django_filters.CharFilter(field_name="target_name", lookup_expr="icontains", label="Search")
    open = django_filters.BooleanFilter(
        method="by_open", widget=forms.HiddenInput, label="Not finished"
    )

    class Meta:
        model = Operation
        fields: tuple[str, ...] = ()

    def by_account(self, rows: QuerySet[Operation], name: str, value: str) -> QuerySet[Operation]:
        return rows.filter(account__in=Account.objects.named(value))

    def by_open(self, rows: QuerySet[Operation], name: str, value: bool) -> QuerySet[Operation]:
        return rows.filter(state__in=Operation.UNFINISHED) if value else rows
