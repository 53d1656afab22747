"""Filter of the groups list: query parameters, or `word:value` in the search box."""

from typing import ClassVar

import django_filters
from django.db.models import Q, QuerySet

from runners_app.models import RunnerGroup
from runners_app.web.filters import GONE, CatalogFilter
from runners_app.web.numbers import number_in


class GroupFilter(CatalogFilter):
    """By visibility, public repositories, origin and state; a number also matches GitHub's id."""

    TERMS: ClassVar[dict[str, str]] = {
        name: name for name in ("visibility", "public", "inherited", "state")
    }

    visibility = django_filters.CharFilter(
        field_name="visibility", lookup_expr="iexact", label="Visibility"
    )
    public = django_filters.ChoiceFilter(
        choices=[("yes", "Allowed"), ("no", "Not allowed")],
        method="by_public",
        label="Public repositories",
    )
    inherited = django_filters.ChoiceFilter(
        choices=[("yes", "From the enterprise"), ("no", "Own")],
        method="by_inherited",
        label="Origin",
    )
    state = django_filters.ChoiceFilter(choices=[("gone", "Gone")], method="by_gone", label="State")

    class Meta:
        model = RunnerGroup
        fields: tuple[str, ...] = ()

    def matching(self, word: str) -> Q:
        found, number = Q(name__icontains=word), number_in(word)
        return found if number is None else found | Q(github_id=number)

    def by_public(
        self, rows: QuerySet[RunnerGroup], name: str, value: str
    ) -> QuerySet[RunnerGroup]:
        return rows.filter(allows_public_repositories=value.lower() == "yes")

    def by_inherited(
        self, rows: QuerySet[RunnerGroup], name: str, value: str
    ) -> QuerySet[RunnerGroup]:
        return rows.filter(inherited=value.lower() == "yes")

    def by_gone(self, rows: QuerySet[RunnerGroup], name: str, value: str) -> QuerySet[RunnerGroup]:
        return rows.filter(gone_at__isnull=value.lower() != GONE)
