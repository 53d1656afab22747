"""What a person leaves to others: what they own, asked for, or hold tokens of."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from runners_app.models import (
    ApiToken,
    Approval,
    Channel,
    Operation,
    Runner,
    RunnerGroup,
    SavedView,
)

SHOWN = 20


@dataclass(frozen=True)
class Handover:
    """Rows of one person that somebody else may have to take over; at most SHOWN of each kind.

    `owned` are runners and groups that name them as owner, by username or e-mail address.
    `operations` are what they asked for, or answer for, that is not finished; `approvals` what they
    asked another manager to approve.
    """

    owned: list[Runner | RunnerGroup]
    operations: list[Operation]
    approvals: list[Approval]
    tokens: list[ApiToken]
    views: list[SavedView]
    has_channel: bool

    def __bool__(self) -> bool:
        lists = (self.owned, self.operations, self.approvals, self.tokens, self.views)
        return self.has_channel or any(lists)


def handover_of(person: User) -> Handover:
    """Collect what the person would leave behind."""
    named = Q(owner__iexact=person.get_username())
    if person.email:
        named |= Q(owner__iexact=person.email)
    runners = Runner.objects.present().filter(named).select_related("account").order_by("pk")
    groups = RunnerGroup.objects.present().filter(named).select_related("account").order_by("pk")

    responsible = Q(confirmed_by=person) | Q(confirmed_by=None, actor=person)
    unfinished = Operation.objects.unfinished().filter(responsible).select_related("account")
    approvals = Approval.objects.waiting().filter(asked_by=person).select_related("account")
    # Those of a disabled person, too: they work again once the person is enabled.
    tokens = ApiToken.objects.filter(owner=person, revoked_at=None, expires_at__gt=timezone.now())
    owned: list[Runner | RunnerGroup] = [*runners[:SHOWN], *groups[:SHOWN]]
    return Handover(
        owned=owned[:SHOWN],
        operations=list(unfinished.order_by("pk")[:SHOWN]),
        approvals=list(approvals.order_by("pk")[:SHOWN]),
        tokens=list(tokens.order_by("pk")[:SHOWN]),
        views=list(SavedView.objects.filter(user=person)[:SHOWN]),
        has_channel=Channel.objects.filter(owner=person, is_on=True).exists(),
    )
