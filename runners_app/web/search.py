r"""The language of the filter bar: plain words and `word:value` terms.

`golden*` matches names by wildcard, `status:stuck,ready` any of several values, and a leading minus
negates: `-group:default`. A value with spaces, commas or quotes is quoted: `group:"team \"a\", b"`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from django.db.models import CharField, Expression, Lookup, Value
from django.db.models.functions import Lower

QUOTED = r'"(?:[^"\\]|\\.)*"?'
BARE = r'[^\s,"][^\s,]*'
VALUES = rf"(?:{QUOTED}|{BARE})?(?:,(?:{QUOTED}|{BARE})?)*"
TERM = re.compile(
    rf"(?P<minus>-?)(?:(?P<word>[a-zA-Z_]+):(?P<values>{VALUES})|(?P<text>{QUOTED}|\S+))"
)
VALUE = re.compile(rf"{QUOTED}|{BARE}")
NEEDS_QUOTES = re.compile(r'[\s,"\\:]|^-|^$')
WILDCARD = "*"
SHORTEST = 2  # letters of a word; a single one matches nearly every row


@dataclass(frozen=True)
class Term:
    """One term of a search. `word` is "" for plain text; several values mean any of them."""

    word: str
    values: tuple[str, ...]
    is_negated: bool = False

    def __str__(self) -> str:
        """The term as it is typed."""
        values = ",".join(quote(value) for value in self.values)
        return f"{'-' if self.is_negated else ''}{f'{self.word}:' if self.word else ''}{values}"


@dataclass(frozen=True)
class Problem:
    """Why a term cannot be used, and the text with the term corrected if there is a guess."""

    message: str
    suggestion: str = ""
    corrected: str = ""


def parse(text: str) -> list[Term]:
    """The terms of a search in the order they were typed."""
    terms = []
    for match in TERM.finditer(text):
        if match["word"]:
            values = tuple(unquote(value) for value in VALUE.findall(match["values"]))
            term = Term(match["word"].lower(), values, bool(match["minus"]))
        else:
            term = Term("", (unquote(match["text"]),), bool(match["minus"]))
        terms.append(term)
    return terms


def join_terms(terms: Iterable[Term]) -> list[Term]:
    """Terms of the same word become one with all their values; plain words stay apart."""
    joined: dict[tuple[str, bool, int], Term] = {}
    for number, term in enumerate(terms):
        key = (term.word, term.is_negated, number if not term.word else 0)
        if earlier := joined.get(key):
            term = replace(earlier, values=tuple(dict.fromkeys(earlier.values + term.values)))
        joined[key] = term
    return list(joined.values())


def write(terms: Iterable[Term]) -> str:
    """The text of a search with these terms."""
    return " ".join(str(term) for term in terms)


def quote(value: str) -> str:
    """A value as it is typed: in quotes where it would end too early without."""
    if not NEEDS_QUOTES.search(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unquote(text: str) -> str:
    """The value of a typed text; the closing quote may still be missing."""
    if not text.startswith('"'):
        return text
    inner = text[1:]
    if inner.endswith('"') and not re.search(r"(?<!\\)(?:\\\\)*\\\"$", inner):
        inner = inner[:-1]
    return re.sub(r"\\(.)", r"\1", inner)


def nearest(text: str, candidates: Iterable[str]) -> str:
    """The candidate most like a text, regardless of case; empty if none is close."""
    by_key = {candidate.lower(): candidate for candidate in candidates}
    found = get_close_matches(text.lower(), by_key, n=1, cutoff=0.5)
    return by_key[found[0]] if found else ""


def problem_of_word(terms: Sequence[Term], term: Term, words: Iterable[str]) -> Problem:
    """The problem of a term whose word is unknown."""
    guess = nearest(term.word, words)
    message = f"“{term.word}:” is not a filter."
    if not guess:
        return Problem(f"{message} Filters are {', '.join(words)}.")
    return _corrected(message, terms, term, replace(term, word=guess))


def problem_of_value(
    terms: Sequence[Term], term: Term, value: str, candidates: Sequence[str]
) -> Problem:
    """The problem of a value that is none of the candidates."""
    message = f"“{value}” is not a value of “{term.word}:”."
    guess = nearest(value, candidates)
    if not guess:
        examples = ", ".join(quote(each) for each in candidates[:5])
        return Problem(f"{message} Try {examples}." if examples else message)
    values = tuple(guess if each == value else each for each in term.values)
    return _corrected(message, terms, term, replace(term, values=values))


def _corrected(message: str, terms: Sequence[Term], wrong: Term, right: Term) -> Problem:
    corrected = write(right if each is wrong else each for each in terms)
    return Problem(message, str(right), corrected)


class Matches(Lookup):
    """`column LIKE pattern` regardless of case; the pattern comes from `pattern_of`."""

    lookup_name = "matches"
    prepare_rhs = False

    def as_sql(self, compiler, connection):  # type: ignore[no-untyped-def]
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} LIKE {right} ESCAPE '\\'", [*left_params, *right_params]


def matches(column: str | Expression, text: str) -> Matches:
    """A condition: the column matches a text with `*` wildcards, regardless of case."""
    return Matches(Lower(column), Lower(Value(pattern_of(text), output_field=CharField())))


def pattern_of(text: str) -> str:
    """The LIKE pattern of a text in which `*` stands for any characters."""
    escaped = re.sub(r"([\\%_])", r"\\\1", text)
    return escaped.replace(WILDCARD, "%")


def letters_of(text: str) -> str:
    """The longest run of a text without a wildcard, which an index can find."""
    return max(text.split(WILDCARD), key=len)


MOST_COMPLETIONS = 12
LAST_TERM = re.compile(r'(?:"(?:[^"\\]|\\.)*(?:"|$)|[^\s"])+')


def complete(text: str, values: Mapping[str, Sequence[str]]) -> list[str]:
    """Completions of the last term, at most a dozen; each is the whole text.

    `values` maps every word to its possible values in order.
    """
    last = next((match for match in LAST_TERM.finditer(text) if match.end() == len(text)), None)
    before, term = (text[: last.start()], last[0]) if last else (text, "")
    minus = "-" if term.startswith("-") else ""
    found = _completions(term.removeprefix("-"), values)
    return [f"{before}{minus}{each}" for each in found][:MOST_COMPLETIONS]


def _completions(term: str, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    word, colon, typed = term.partition(":")
    if not colon:
        yield from (f"{each}:" for each in values if each.startswith(word.lower()))
        return
    done = VALUE.findall(typed)
    last = "" if typed.endswith(",") or not done else done.pop()
    wanted = unquote(last).lower()
    head = "".join(f"{each}," for each in done)
    taken = {unquote(each).lower() for each in done}
    found = [
        value
        for value in values.get(word.lower(), ())
        if wanted in value.lower() and value.lower() not in taken
    ]
    found.sort(key=lambda value: not value.lower().startswith(wanted))
    yield from (f"{word}:{head}{quote(value)}" for value in found)
