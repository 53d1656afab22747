"""Filters that lists share. They live in the URL, and in the search box as `word:value`."""

import re
from typing import Any, ClassVar

import django_filters
from django.db.models import Q, QuerySet

from runners_app.models import Account

TERM = re.compile(r'(\w+):("[^"]*"|\S+)')

# Word of the search box → parameter of the URL.
WORDS = {
    "org": "account",
    "account": "account",
    "enterprise": "account",
    "status": "status",
    "size": "size",
    "image": "image",
    "group": "group",
    "ip": "static_ip",
    "platform": "platform",
    "idle": "idle",
    "age": "age",
}

GONE = "gone"

# More plain words than anyone types. Thousands of conditions keep a database busy for half a
# minute, after which it gives up.
MOST_WORDS = 20


def split_search(text: str, parameters: dict[str, str] = WORDS) -> tuple[str, dict[str, str]]:
    """The plain words of a search, and its `word:value` terms as parameter → value.

    A term whose word is not in `parameters` stays among the plain words.
    """
    terms: dict[str, str] = {}

    def take(match: re.Match[str]) -> str:
        name = parameters.get(match[1].lower())
        if name is None:
            return match[0]
        terms[name] = match[2].strip('"')
        return ""

    return " ".join(TERM.sub(take, text).split()), terms


class CatalogFilter(django_filters.FilterSet):
    """Filters shared by every list except runners: account, words, and `word:value` terms."""

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
        accounts = Account.objects.filter(slug__iexact=value).values_list("pk", flat=True)
        return rows.filter(account__in=list(accounts))

    def by_state(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if value.lower() == GONE:
            return rows.filter(gone_at__isnull=False)
        return rows.filter(gone_at=None, state__iexact=value)

    @property
    def shows_gone(self) -> bool:
        """Whether the filter asks for rows that are gone; otherwise lists leave them out."""
        values: dict[str, Any] = self.form.cleaned_data if self.form.is_valid() else {}
        states = {values.get("state", ""), self.split(values.get("q", ""))[1].get("state", "")}
        return GONE in {str(state).lower() for state in states}
