"""The filter of the list of operations."""

from typing import ClassVar

from django.db.models import Q

from runners_app.models import Operation
from runners_app.web.filters import ACCOUNT_WORDS, TokenFilter, Unusable
from runners_app.web.search import WILDCARD

OPEN = "true"


class OperationFilter(TokenFilter):
    """Filter operations by account, state, kind, requester, and words in the target's name."""

    WORDS: ClassVar[dict[str, str]] = {
        **ACCOUNT_WORDS,
        "state": "state",
        "kind": "kind",
        "by": "by",
        "open": "open",
    }
    LABELS: ClassVar[dict[str, str]] = {"by": "Requested by", "open": "Not finished"}

    def by_text(self, value: str) -> Q:
        if WILDCARD in value:
            return self.text_is("target_name", value)
        return Q(target_name__icontains=value)

    def by_state(self, value: str) -> Q:
        if value.lower() not in Operation.State.values:
            raise Unusable(Operation.State.values)
        return Q(state=value.lower())

    def by_kind(self, value: str) -> Q:
        if value.lower() not in Operation.Kind.values:
            raise Unusable(Operation.Kind.values)
        return Q(kind=value.lower())

    def by_by(self, value: str) -> Q:
        return self.text_is("actor_name", value)

    def by_open(self, value: str) -> Q:
        """Not finished (`true`), or finished."""
        if value.lower() not in ("true", "false", "yes", "no"):
            raise Unusable([OPEN, "false"])
        unfinished = Q(state__in=Operation.UNFINISHED)
        return unfinished if value.lower() in (OPEN, "yes") else ~unfinished
