"""The filter of the images list."""

from typing import ClassVar

import django_filters
from django.db.models import Q

from runners_app.models import Image
from runners_app.web.filters import CatalogFilter


class ImageFilter(CatalogFilter):
    """Filter images by account, platform, state and words in the name."""

    TERMS: ClassVar[dict[str, str]] = {"platform": "platform", "state": "state"}

    platform = django_filters.CharFilter(
        field_name="platform", lookup_expr="iexact", label="Platform"
    )
    state = django_filters.CharFilter(method="by_state", label="State")

    class Meta:
        model = Image
        fields: tuple[str, ...] = ()

    def matching(self, word: str) -> Q:
        return Q(name__icontains=word) | Q(github_id=word)
