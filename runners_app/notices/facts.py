"""Facts: everything that needs a person right now, and who may see it.

A fact keeps its key as long as it lasts, so that it leads to one event. Some facts get worse by
stages (a token expires within 14, 7, 1 days): they share a topic, and each stage has its own key.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.db.models import Min, Q
from django.urls import reverse

from runners_app.models import (
    Account,
    ApiToken,
    Approval,
    AuditEntry,
    Credential,
    Event,
    Limits,
    Operation,
    Runner,
)
from runners_app.models.accounts import account_name
from runners_app.notices.fact import Fact
from runners_app.notices.job_facts import (
    hooks_silent,
    labels_without_pool,
    pools_unknown,
    slos_not_kept,
)
from runners_app.notices.runner_facts import images_not_offered, ranges_changed, runners_stuck
from runners_app.overview.attention import (
    EXPIRES_SOON,
    is_nearly_used,
    is_used_up,
    overdue_readings,
    readings_failing_too_long,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet

# The stages of an expiring token; the last is the first to be reached.
EXPIRES_IN_DAYS = (1, 7, EXPIRES_SOON.days)
ANNOUNCED_FOR = timedelta(days=1)
K = Event.Kind


def is_cut_short(event: Event) -> bool:
    """Whether an event ended only because Trackside stopped checking.

    That is so if the account was paused or its credential disabled, and of what is announced for a
    day.
    """
    if event.kind == K.ADMINISTRATOR_ADDED:
        return True  # after a day, although they still are one
    unchecked = Q(credential__quarantined_at__isnull=False)
    if event.kind == K.READING_STALE:
        unchecked |= Q(paused=True)
    elif event.kind != K.TOKEN_EXPIRING:
        return False
    return Account.objects.filter(unchecked, pk=event.account_pk).exists()


def find_facts(now: datetime) -> list[Fact]:
    """The facts of all accounts except demo accounts."""
    return [fact for find in FINDERS for fact in find(now)]


def seen_by(user: User, facts: Iterable[Fact | Event]) -> set[str]:
    """The keys of the facts that the user may see, by the same rules as pages."""
    facts = list(facts)
    whole = Account.objects.visible_to(user).fully_visible().values_list("pk", flat=True)
    visible = {
        "": set(whole),
        "runner": _visible(Runner.objects.visible_to(user), facts, "runner"),
        "operation": _visible(Operation.objects.visible_to(user), facts, "operation"),
        "user": {fact.item_pk for fact in facts} if user.is_superuser else set(),
        "api_token": _visible(ApiToken.objects.filter(owner=user), facts, "api_token"),
    }
    return {fact.key for fact in facts if (fact.item_pk or fact.account_pk) in visible[fact.item]}


def _visible(
    rows: "QuerySet[Runner] | QuerySet[Operation] | QuerySet[ApiToken]",
    facts: list[Fact | Event],
    item: str,
) -> set[int]:
    pks = [fact.item_pk for fact in facts if fact.item == item]
    return set(rows.filter(pk__in=pks).values_list("pk", flat=True)) if pks else set()


def _credentials(now: datetime) -> Iterator[Fact]:
    """One fact per account, because a user may see one account of a credential and not another."""
    rows = Credential.objects.filter(accounts__demo=False).distinct().prefetch_related("accounts")
    soon = Q(token_expires_at__lte=now + EXPIRES_SOON)
    for row in rows.filter(Q(quarantined_at__isnull=False) | soon):
        for account in row.accounts.all():
            if not account.demo:
                yield _credential(row, account, now)


def _credential(row: Credential, account: Account, now: datetime) -> Fact:
    path = reverse("account", args=[account.pk])
    if row.quarantined_at or row.token_expires_at is None:
        topic, title = f"refused:{row.pk}:{account.pk}", f"The credential of {account} is disabled"
        return Fact(K.CREDENTIAL_REFUSED, topic, title, path, account.pk)

    stage = _stage_of_expiry(row.token_expires_at, now)
    title = f"The token of {account} expires within {stage} {'day' if stage == '1' else 'days'}"
    topic = f"expires:{row.pk}:{account.pk}:{row.token_expires_at:%Y-%m-%d}"
    return Fact(K.TOKEN_EXPIRING, topic, title, path, account.pk, stage=stage)


def _stage_of_expiry(expires_at: datetime, now: datetime) -> str:
    """The smallest number of days within which it expires: 1, 7 or 14."""
    left = expires_at - now
    return str(next(days for days in EXPIRES_IN_DAYS if left <= timedelta(days=days)))


def _api_tokens(now: datetime) -> Iterator[Fact]:
    """Only the owner's mailbox and shared channels get these; an expired token needs nobody."""
    rows = ApiToken.objects.valid(now).filter(expires_at__lte=now + EXPIRES_SOON)
    for row in rows.select_related("owner"):
        stage = _stage_of_expiry(row.expires_at, now)
        within = f"within {stage} {'day' if stage == '1' else 'days'}"
        yield Fact(
            K.API_TOKEN_EXPIRING,
            f"api-token:{row.pk}",
            f"The API token {row.name} of {row.owner} expires {within}",
            reverse("your-tokens"),
            0,
            "api_token",
            row.pk,
            stage=stage,
        )


def _readings(now: datetime) -> Iterator[Fact]:
    """One fact per account, however many of its readings are late."""
    late = (readings_failing_too_long(now) | overdue_readings(now)).filter(account__demo=False)
    for pk, name in set(late.values_list("account_id", account_name())):
        path = reverse("account", args=[pk])
        title = f"{name} could not be read for an hour"
        yield Fact(K.READING_STALE, f"stale:{pk}", title, path, pk)


def _operations(now: datetime) -> Iterator[Fact]:
    rows = Operation.objects.needing_attention().filter(account__demo=False)
    for row in rows.select_related("account"):
        yield Fact(
            K.OPERATION_WAITS,
            f"operation:{row.pk}",
            f"An operation in {row.account} needs a decision: {row}",
            reverse("operation", args=[row.pk]),
            row.account_id,
            "operation",
            row.pk,
        )


def _approvals(now: datetime) -> Iterator[Fact]:
    """One fact per approval, shown to whoever may see the first of its operations."""
    waiting = Approval.objects.of_operations().waiting().filter(account__demo=False)
    held = Operation.objects.filter(
        approval__in=waiting, held_because=Operation.HeldBecause.APPROVAL
    )
    firsts = held.order_by().values("approval").annotate(first=Min("pk")).values("first")
    for row in held.filter(pk__in=firsts).select_related("account", "approval"):
        approval = row.approval
        if approval is None:
            continue
        name = approval.asked_by_name or "somebody"
        yield Fact(
            K.APPROVAL_WAITS,
            f"approval:{approval.pk}",
            f"What {name} asked for in {row.account} waits for approval",
            reverse("approval", args=[approval.pk]),
            row.account_id,
            "operation",
            row.pk,
        )


def _administrators(now: datetime) -> Iterator[Fact]:
    """Who was made an administrator within a day, in Trackside or on the command line.

    Only administrators and shared channels get these. The first one is nobody's news.
    """
    since = now - ANNOUNCED_FOR
    actions = (AuditEntry.Action.PERSON_ADDED, AuditEntry.Action.PERSON_ADMINISTRATOR)
    made = Q(details__administrator=True) | Q(details__on=True)
    entries = list(
        AuditEntry.objects.filter(made, at__gt=since, action__in=actions).exclude(
            action=AuditEntry.Action.PERSON_ADDED, actor_id=None
        )
    )
    for entry in entries:
        title = f"{entry.subject} was made an administrator by {entry.actor_name}"
        topic, path = f"administrator:{entry.pk}", reverse("people")
        yield Fact(K.ADMINISTRATOR_ADDED, topic, title, path, 0, "user", entry.pk)

    known = {entry.subject for entry in entries}
    first = User.objects.filter(is_superuser=True).order_by("pk").values("pk")[:1]
    recent = User.objects.filter(is_superuser=True, date_joined__gt=since)
    for user in recent.exclude(pk__in=list(first.values_list("pk", flat=True))):
        if user.get_username() not in known:
            title = f"{user} was made an administrator on the command line"
            topic, path = f"superuser:{user.pk}", reverse("person", args=[user.pk])
            yield Fact(K.ADMINISTRATOR_ADDED, topic, title, path, 0, "user", user.pk)


def _static_ips(now: datetime) -> Iterator[Fact]:
    rows = Limits.objects.current().filter(account__demo=False).select_related("account")
    for row in rows:
        if is_nearly_used(row):
            title = f"{row.account}: {row.used} of {row.maximum} static IPs are used"
            stage = "full" if is_used_up(row) else "nearly"
            topic, path = f"static-ips:{row.account_id}", reverse("static-ips")
            yield Fact(K.STATIC_IPS, topic, title, path, row.account_id, stage=stage)


FINDERS: tuple[Callable[[datetime], Iterator[Fact]], ...] = (
    _credentials,
    _readings,
    runners_stuck,
    _operations,
    _approvals,
    _administrators,
    _static_ips,
    images_not_offered,
    ranges_changed,
    _api_tokens,
    slos_not_kept,
    hooks_silent,
    pools_unknown,
    labels_without_pool,
)
