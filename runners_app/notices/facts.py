"""What needs a person right now, as facts: each with a key that stays the same as long as it lasts,
and who sees it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.urls import reverse

from runners_app.models import Account, Credential, Event, Limits, Operation, Reading, Runner

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

EXPIRES_IN_DAYS = (1, 7, 14)
STALE_AFTER, PROVISIONING_TOO_LONG = timedelta(hours=1), timedelta(minutes=30)
NEARLY = 0.8
K = Event.Kind
STAGED = (K.TOKEN_EXPIRING, K.RUNNER_STUCK, K.STATIC_IPS)


@dataclass(frozen=True)
class Fact:
    """`accounts` are those it is about, of which one must be seen; `row` says which row of `table`
    must be.
    """

    kind: str
    key: str
    title: str
    path: str
    accounts: frozenset[int]
    table: str = ""
    row: int = 0


def fact_of(event: Event) -> Fact:
    """The fact an event was opened for, also when it is over: its key says what it is about."""
    what, *ids = event.key.split(":")
    if what in ("runner", "operation"):
        return Fact(event.kind, event.key, event.title, event.path, frozenset(), what, int(ids[0]))
    account = int(ids[1] if what in ("refused", "expires") else ids[0])
    return Fact(event.kind, event.key, event.title, event.path, frozenset({account}))


def thing_of(fact: Fact | Event) -> str:
    """Its key without the stage, which is the last part of some."""
    return fact.key.rpartition(":")[0] if fact.kind in STAGED else fact.key


def is_cut_short(event: Event) -> bool:
    """Whether it ended only because nobody looks any more: the account is paused, or its credential
    out of use.
    """
    hidden = Q(credential__quarantined_at__isnull=False)
    if event.kind == K.READING_STALE:
        hidden |= Q(paused=True)
    elif event.kind != K.TOKEN_EXPIRING:
        return False
    return Account.objects.filter(hidden, pk__in=fact_of(event).accounts).exists()


def find_facts(now: datetime) -> list[Fact]:
    """Of all accounts but demo ones."""
    return [fact for find in FINDERS for fact in find(now)]


def seen_by(person: "User", facts: Iterable[Fact]) -> set[str]:
    """The keys of those somebody may see, by the same rules as pages."""
    facts = list(facts)
    whole = set(Account.objects.visible_to(person).fully_visible().values_list("pk", flat=True))
    rows = {
        "runner": _visible(Runner.objects.visible_to(person), facts, "runner"),
        "operation": _visible(Operation.objects.visible_to(person), facts, "operation"),
    }
    return {
        fact.key
        for fact in facts
        if (fact.row in rows[fact.table] if fact.table else fact.accounts & whole)
    }


def _visible(
    rows: "QuerySet[Runner] | QuerySet[Operation]", facts: list[Fact], table: str
) -> set[int]:
    wanted = [fact.row for fact in facts if fact.table == table]
    return set(rows.filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()


def _credentials(now: datetime) -> Iterator[Fact]:
    """One for each account it serves: who sees one of them need not know of the others."""
    rows = Credential.objects.filter(accounts__demo=False).distinct().prefetch_related("accounts")
    soon = now + timedelta(days=max(EXPIRES_IN_DAYS))
    for row in rows.filter(Q(quarantined_at__isnull=False) | Q(token_expires_at__lte=soon)):
        for account in row.accounts.all():
            if not account.demo:
                yield from _credential(row, account, now)


def _credential(row: Credential, account: Account, now: datetime) -> Iterator[Fact]:
    path, ids = reverse("account", args=[account.pk]), frozenset({account.pk})
    if row.quarantined_at:
        key, title = f"refused:{row.pk}:{account.pk}", f"The credential of {account} is out of use"
        yield Fact(K.CREDENTIAL_REFUSED, key, title, path, ids)
    elif row.token_expires_at and (days := _days_left(row.token_expires_at, now)):
        key = f"expires:{row.pk}:{account.pk}:{row.token_expires_at:%Y-%m-%d}:{days}"
        title = f"The token of {account} expires within {days} {'day' if days == 1 else 'days'}"
        yield Fact(K.TOKEN_EXPIRING, key, title, path, ids)


def _days_left(expires_at: datetime, now: datetime) -> int:
    """The smallest of 1, 7 and 14 days it expires within; 0 for none."""
    return next((days for days in EXPIRES_IN_DAYS if expires_at <= now + timedelta(days=days)), 0)


def _readings(now: datetime) -> Iterator[Fact]:
    """One per account, however many of its readings lie."""
    real = Reading.objects.filter(
        account__demo=False, account__paused=False, account__credential__quarantined_at=None
    )
    failing = real.failing().filter(error_since__lte=now - STALE_AFTER)
    for pk, slug in set((failing | real.stale(now)).values_list("account_id", "account__slug")):
        path = reverse("account", args=[pk])
        yield Fact(
            K.READING_STALE,
            f"stale:{pk}",
            f"{slug} could not be read for an hour",
            path,
            frozenset({pk}),
        )


def _runners(now: datetime) -> Iterator[Fact]:
    late = Q(status="Provisioning", status_since__lte=now - PROVISIONING_TOO_LONG)
    rows = (
        Runner.objects.present()
        .filter(Q(status="Stuck") | late, account__demo=False)
        .select_related("account")
    )
    for row in rows:
        what = "is Stuck" if row.status == "Stuck" else "has been Provisioning for 30 minutes"
        title = f"The runner {row.name} of {row.account} {what}"
        path, accounts = reverse("runner", args=[row.pk]), frozenset({row.account_id})
        yield Fact(
            K.RUNNER_STUCK, f"runner:{row.pk}:{row.status}", title, path, accounts, "runner", row.pk
        )


def _operations(now: datetime) -> Iterator[Fact]:
    for row in (
        Operation.objects.needing_attention().filter(account__demo=False).select_related("account")
    ):
        title = f"An operation in {row.account} needs a decision: {row}"
        path, accounts = reverse("operation", args=[row.pk]), frozenset({row.account_id})
        yield Fact(
            K.OPERATION_WAITS, f"operation:{row.pk}", title, path, accounts, "operation", row.pk
        )


def _static_ips(now: datetime) -> Iterator[Fact]:
    for row in (
        Limits.objects.current()
        .filter(maximum__gt=0, account__demo=False)
        .select_related("account")
    ):
        if row.used < row.maximum * NEARLY:
            continue
        full = row.used >= row.maximum
        words = f"{row.account}: {row.used} of {row.maximum} static IPs are used"
        path, key = (
            reverse("static-ips"),
            f"static-ips:{row.account_id}:{'full' if full else 'nearly'}",
        )
        yield Fact(K.STATIC_IPS, key, words, path, frozenset({row.account_id}))


FINDERS: tuple[Callable[[datetime], Iterator[Fact]], ...] = (
    _credentials,
    _readings,
    _runners,
    _operations,
    _static_ips,
)
