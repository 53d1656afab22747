"""The filter of the runners list. It lives in the URL; the search box takes it as `word:value`."""

import re
from datetime import timedelta
from typing import ClassVar

from django.db.models import Q, Value
from django.db.models.functions import Lower
from django.utils import timezone

from runners_app.models import Account, RunnerGroup
from runners_app.models.runners import IDLE_AFTER
from runners_app.runners.facets import read_facets
from runners_app.web.filters import ACCOUNT_WORDS, GONE, TokenFilter, TooShort, Unusable
from runners_app.web.numbers import number_in
from runners_app.web.search import SHORTEST, WILDCARD, letters_of, matches

# The trigram index of PostgreSQL needs at least three letters.
SHORTEST_INDEXED = 3
YES, NO = ("yes", "true", "on"), ("no", "false", "off")
# `<7d` is at most a week old, `>3m` more than three months; a plain number is a maximum.
AGE = re.compile(r"([<>]?)(\d{1,5})([dwmy]?)")
AGES = ("<7d", "<30d", ">90d", ">1y")
OLDEST_DAYS = 36_500
DAYS = {"": 1, "d": 1, "w": 7, "m": 30, "y": 365}


class RunnerFilter(TokenFilter):
    """Filter runners by their properties and by words in the name or the image."""

    WORDS: ClassVar[dict[str, str]] = {
        **ACCOUNT_WORDS,
        "status": "status",
        "size": "size",
        "image": "image",
        "group": "group",
        "ip": "static_ip",
        "platform": "platform",
        "idle": "idle",
        "age": "age",
        "owner": "owner",
        "tag": "tag",
        "offered": "image_offered",
    }
    LABELS: ClassVar[dict[str, str]] = {"static_ip": "Static IPs", "age": "First seen"}

    def by_text(self, value: str) -> Q:
        """A word in the name or the image, a name with wildcards, or GitHub's id of the runner."""
        number = number_in(value)
        has_id = Q() if number is None else Q(github_id=number)
        letters = letters_of(value)
        if len(letters) < SHORTEST:
            if not has_id:
                raise TooShort
            return has_id
        words = Q(search_text__contains=Lower(Value(letters)))
        if WILDCARD in value:
            return words & Q(matches("name", value))
        return words | has_id

    @property
    def is_by_index(self) -> bool:
        """Whether an index finds the matches: none does for short words and negated terms only."""
        return any(
            not term.is_negated
            and (term.word or any(len(value) >= SHORTEST_INDEXED for value in term.values))
            for term in self.terms
        )

    def by_status(self, value: str) -> Q:
        if value.lower() == GONE:
            return Q(gone_at__isnull=False)
        return Q(gone_at=None) & self.text_is("status", value)

    def by_platform(self, value: str) -> Q:
        return self.text_is("platform", value)

    def by_size(self, value: str) -> Q:
        return self.text_is("size", value)

    def by_image(self, value: str) -> Q:
        """By name, or by GitHub's id if no image has that name."""
        named = self.text_is("image_name", value)
        if WILDCARD in value or self.rows.filter(named).exists():
            return named
        return Q(image_id=value)

    def by_image_offered(self, value: str) -> Q:
        if value.lower() not in NO:
            raise Unusable(["no"])
        wanted = Q(pk__in=[])
        accounts = Account.objects.order_by().only("pk", "version")
        for account, facets in read_facets(accounts).items():
            for source, image_id in facets.not_offered:
                wanted |= Q(account=account, image_id=image_id, image_source=source)
        return wanted & Q(gone_at=None)

    def by_group(self, value: str) -> Q:
        """By name or GitHub's id."""
        accounts: dict[int, list[int]] = {}
        groups = RunnerGroup.objects.filter(self.text_is("name", value))
        for account, group in groups.values_list("account_id", "github_id"):
            accounts.setdefault(group, []).append(account)
        wanted = Q(pk__in=[])
        for group, having in accounts.items():
            wanted |= Q(group_id=group, account__in=having)
        if (number := number_in(value)) is not None:
            wanted |= Q(group_id=number)
        return wanted

    def by_static_ip(self, value: str) -> Q:
        if value.lower() not in YES + NO:
            raise Unusable(["yes", "no"])
        return Q(static_ip=value.lower() in YES)

    def by_idle(self, value: str) -> Q:
        """Not used for 90 days (`yes`), or never used."""
        match value.lower():
            case "never":
                return Q(last_active_on=None)
            case "yes":
                return Q(last_active_on__lt=timezone.now() - IDLE_AFTER)
        raise Unusable(["yes", "never"])

    def by_age(self, value: str) -> Q:
        """By when Trackside first saw a runner; GitHub does not say when it was created."""
        match = AGE.fullmatch(value.lower())
        days = int(match[2]) * DAYS[match[3]] if match else OLDEST_DAYS + 1
        if match is None or days > OLDEST_DAYS:
            raise Unusable(AGES)
        moment = timezone.now() - timedelta(days=days)
        if match[1] == ">":
            return Q(first_seen_at__lt=moment)
        return Q(first_seen_at__gte=moment)
