"""The filter of the list of accounts."""

from typing import ClassVar

from django.db.models import Exists, OuterRef, Q

from runners_app.models import Account, Reading
from runners_app.web.filters import TokenFilter, Unusable
from runners_app.web.search import WILDCARD

FAILING, PAUSED, OBSERVED, DISABLED, DEMO = "failing", "paused", "observe-only", "disabled", "demo"


class AccountFilter(TokenFilter):
    """Filter accounts by kind, state and words in the name."""

    WORDS: ClassVar[dict[str, str]] = {"kind": "kind", "state": "state"}
    STATES: ClassVar[dict[str, Q]] = {
        FAILING: Q(Exists(Reading.objects.failing().filter(account=OuterRef("pk")))),
        PAUSED: Q(paused=True),
        OBSERVED: Q(observe_only=True),
        DISABLED: Q(credential__quarantined_at__isnull=False),
        DEMO: Q(demo=True),
    }

    def by_text(self, value: str) -> Q:
        if WILDCARD in value:
            return self.text_is("slug", value)
        return Q(slug__icontains=value) | Q(server__icontains=value)

    def by_kind(self, value: str) -> Q:
        if value.lower() not in Account.Kind.values:
            raise Unusable(Account.Kind.values)
        return Q(kind=value.lower())

    def by_state(self, value: str) -> Q:
        if value.lower() not in self.STATES:
            raise Unusable(list(self.STATES))
        return self.STATES[value.lower()]
