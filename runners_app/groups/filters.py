"""The filter of the runner groups list."""

from typing import ClassVar

from django.db.models import Q

from runners_app.web.filters import ACCOUNT_WORDS, GONE, CatalogFilter, Unusable
from runners_app.web.numbers import number_in

YES_NO = ("yes", "no")


class GroupFilter(CatalogFilter):
    """Filter runner groups by account, visibility, origin and words in the name."""

    WORDS: ClassVar[dict[str, str]] = {
        **ACCOUNT_WORDS,
        "visibility": "visibility",
        "public": "public",
        "inherited": "inherited",
        "state": "state",
        "owner": "owner",
        "tag": "tag",
    }
    LABELS: ClassVar[dict[str, str]] = {"public": "Public repositories", "inherited": "Origin"}

    def by_text(self, value: str) -> Q:
        found, number = super().by_text(value), number_in(value)
        return found if number is None else found | Q(github_id=number)

    def by_visibility(self, value: str) -> Q:
        return self.text_is("visibility", value)

    def by_public(self, value: str) -> Q:
        if value.lower() not in YES_NO:
            raise Unusable(YES_NO)
        return Q(allows_public_repositories=value.lower() == "yes")

    def by_inherited(self, value: str) -> Q:
        if value.lower() not in YES_NO:
            raise Unusable(YES_NO)
        return Q(inherited=value.lower() == "yes")

    def by_state(self, value: str) -> Q:
        if value.lower() != GONE:
            raise Unusable([GONE])
        return Q(gone_at__isnull=False)
