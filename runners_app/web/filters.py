"""Filters of lists: terms of the search box and parameters of the address, see `search`."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, reduce
from operator import or_
from typing import Any, ClassVar

from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.http import QueryDict

from runners_app.models import Account
from runners_app.web.search import (
    SHORTEST,
    WILDCARD,
    Problem,
    Term,
    join_terms,
    letters_of,
    matches,
    parse,
    problem_of_value,
    problem_of_word,
    quote,
    write,
)

GONE = "gone"
NONE = "none"
# Unusable control characters: PostgreSQL rejects NUL even in a lookup.
UNUSABLE = re.compile("[\0\ud800-\udfff]")
# More words than anyone types; a database gives up on thousands after half a minute.
MOST_TERMS = 20
MOST_VALUES = 50
PLACE = ("after", "before", "version", "open", "menu")


class Unusable(Exception):
    """A value that a filter cannot use; `candidates` are the ones it can."""

    def __init__(self, candidates: Sequence[str]) -> None:
        self.candidates = candidates


class TooShort(Exception):
    """A text that matches nearly everything."""


class TokenFilter:
    """Filters rows by the terms of `?q=` and by single values of other parameters.

    Subclasses name their words in WORDS (word → parameter) and have a method `by_<parameter>` that
    turns a value into a condition; it raises Unusable or TooShort. `vocabulary` maps parameters to
    known values, for suggestions. Terms that cannot be used are explained in `problems`: a text
    that is too short is ignored, anything else matches no row.
    """

    WORDS: ClassVar[dict[str, str]]
    LABELS: ClassVar[dict[str, str]] = {}  # other than the parameter in sentence case

    def __init__(
        self,
        data: "QueryDict | Mapping[str, str]",
        *,
        queryset: "QuerySet[Any]",
        vocabulary: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.data = data
        self.rows = queryset
        self.vocabulary = vocabulary or {}
        self.problems: list[Problem] = []

    @cached_property
    def terms(self) -> list[Term]:
        """The terms in force: of the search box, then one per parameter of the address."""
        words = {parameter: word for word, parameter in reversed(self.WORDS.items())}
        given = [
            Term(word, (value,))
            for parameter, word in words.items()
            if (value := str(self.data.get(parameter, "")))
        ]
        return join_terms([*parse(str(self.data.get("q", ""))), *given])

    @property
    def text(self) -> str:
        """All terms as text for the search box, as it was typed if nothing else is in force."""
        typed = str(self.data.get("q", ""))
        if any(self.data.get(parameter) for parameter in self.WORDS.values()):
            return write(self.terms)
        return typed

    @property
    def is_active(self) -> bool:
        return bool(self.terms)

    @property
    def is_too_long(self) -> bool:
        """Whether the database and the page would take too long over this search."""
        return len(self.terms) > MOST_TERMS or any(
            len(term.values) > MOST_VALUES for term in self.terms
        )

    @cached_property
    def qs(self) -> Any:
        """The rows that match every term, as a QuerySet of the kind that was given."""
        rows = self.rows
        if self.is_too_long:
            limit = (
                f"A search has at most {MOST_TERMS} terms, each with at most {MOST_VALUES} values."
            )
            self.problems.append(Problem(limit))
            return rows.none()
        for term in self.terms:
            condition = self._condition(term)
            if condition is None:
                return rows.none()
            rows = rows.exclude(condition) if term.is_negated else rows.filter(condition)
        return rows

    def _condition(self, term: Term) -> Q | None:
        """What a term means; None where nothing can match."""
        values = [value for value in term.values if value]
        parameter = self.WORDS.get(term.word, "")
        if term.word and not parameter:
            self.problems.append(problem_of_word(self.terms, term, list(self.WORDS)))
            return None
        if not values:
            self._explain_missing_value(term, parameter)
            return Q()

        condition_of: Callable[[str], Q] = (
            getattr(self, f"by_{parameter}") if parameter else self.by_text
        )
        conditions = []
        for value in values:
            if UNUSABLE.search(value):
                return None
            try:
                conditions.append(condition_of(value))
            except Unusable as error:
                self.problems.append(problem_of_value(self.terms, term, value, error.candidates))
                return None
            except TooShort:
                self.problems.append(
                    Problem(f"“{value}” is too short: type at least {SHORTEST} characters.")
                )
                continue
            self._suggest(term, parameter, value)
        return reduce(or_, conditions, Q())

    def _explain_missing_value(self, term: Term, parameter: str) -> None:
        examples = ", ".join(quote(each) for each in self.vocabulary.get(parameter, ())[:5])
        if term.word:
            hint = f", such as {examples}" if examples else ""
            self.problems.append(Problem(f"“{term.word}:” needs a value{hint}."))

    def _suggest(self, term: Term, parameter: str, value: str) -> None:
        """Explain a value that no row has."""
        known = self.vocabulary.get(parameter)
        if known is None or WILDCARD in value or value.isdecimal():
            return
        if value.lower() not in {each.lower() for each in known}:
            self.problems.append(problem_of_value(self.terms, term, value, known))

    def by_text(self, value: str) -> Q:
        """What a plain word means."""
        raise NotImplementedError

    @staticmethod
    def text_is(column: str, value: str) -> Q:
        """The column is this text, regardless of case, or matches its wildcards."""
        if WILDCARD not in value:
            return Q(**{f"{column}__iexact": value})
        if len(letters_of(value)) < SHORTEST:
            raise TooShort
        return Q(matches(column, value))

    @staticmethod
    def by_account(value: str) -> Q:
        slug, _, server = value.partition("@")
        accounts = Account.objects.filter(TokenFilter.text_is("slug", slug))
        if server:
            accounts = accounts.filter(TokenFilter.text_is("server", server))
        return Q(account__in=list(accounts.values_list("pk", flat=True)))

    def by_owner(self, value: str) -> Q:
        """The owner kept in Trackside; `none` finds rows without one."""
        return Q(owner="") if value.lower() == NONE else self.text_is("owner", value)

    def by_tag(self, value: str) -> Q:
        """One of the tags kept in Trackside; `none` finds rows without any."""
        if value.lower() == NONE:
            return Q(tags="")
        letters = letters_of(value.lower())
        if WILDCARD in value and len(letters) < SHORTEST:
            raise TooShort
        padded = Concat(Value(" "), "tags", Value(" "), output_field=CharField())
        # The second condition is the exact one; the first can use the index.
        return Q(tags__contains=letters) & Q(matches(padded, f"* {value} *"))

    @property
    def shows_gone(self) -> bool:
        """What is gone is listed only on request, as `status:gone` or `state:gone`."""
        return any(
            self.WORDS.get(term.word) in ("status", "state") and not term.is_negated
            for term in self.terms
            if GONE in (value.lower() for value in term.values)
        )

    def chips(self, query: QueryDict) -> list[dict[str, str]]:
        """The terms in force as label, value and the query string without the term."""
        rest = query.copy()
        for parameter in ("q", *self.WORDS.values(), *PLACE):
            rest.pop(parameter, None)
        if self.is_too_long:
            remove = f"?{rest.urlencode() or 'q='}"
            return [{"label": "Search", "value": f"{len(self.terms)} terms", "remove": remove}]
        chips = []
        for term in self.terms:
            others = rest.copy()
            if text := write(each for each in self.terms if each is not term):
                others["q"] = text
            chips.append(
                {
                    "label": self.label_of(term),
                    "value": ("not " if term.is_negated else "") + " or ".join(term.values),
                    "remove": f"?{others.urlencode() or 'q='}",
                }
            )
        return chips

    def label_of(self, term: Term) -> str:
        """The label of a term's chip."""
        if not term.word:
            return "Search"
        parameter = self.WORDS.get(term.word, term.word)
        return self.LABELS.get(parameter, parameter.replace("_", " ").capitalize())

    def values_of(self, parameter: str) -> tuple[str, ...]:
        """The values that rows must have for a parameter; empty if it does not filter."""
        for term in self.terms:
            if self.WORDS.get(term.word) == parameter and not term.is_negated:
                return term.values
        return ()


ACCOUNT_WORDS = {"org": "account", "account": "account", "enterprise": "account"}


class CatalogFilter(TokenFilter):
    """The filter of images, groups and static IPs: an account, words in the name, and more."""

    WORDS = ACCOUNT_WORDS

    def by_text(self, value: str) -> Q:
        if WILDCARD in value:
            return self.text_is("name", value)
        return Q(name__icontains=value)

    def by_state(self, value: str) -> Q:
        if value.lower() == GONE:
            return Q(gone_at__isnull=False)
        return Q(gone_at=None) & self.text_is("state", value)
