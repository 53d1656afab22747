"""The filter of the images list."""

from typing import ClassVar

from django.db.models import Q

from runners_app.web.filters import ACCOUNT_WORDS, CatalogFilter


class ImageFilter(CatalogFilter):
    """Filter images by account, platform, state and words in the name."""

    WORDS: ClassVar[dict[str, str]] = {**ACCOUNT_WORDS, "platform": "platform", "state": "state"}

    def by_text(self, value: str) -> Q:
        return super().by_text(value) | Q(github_id=value)

    def by_platform(self, value: str) -> Q:
        return self.text_is("platform", value)
