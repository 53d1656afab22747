"""Completions of a search box: first words, then the values of the word typed."""

import re
from collections.abc import Iterator, Mapping, Sequence

MOST = 12

# One term. A value with spaces is quoted; the closing quote may not be typed yet.
TERM = re.compile(r'(?:"[^"]*(?:"|$)|[^\s"])+')


def complete(text: str, values: Mapping[str, Sequence[str]]) -> list[str]:
    """Up to a dozen completions of the last term; each is the whole text of the search box.

    `values` maps each word to its possible values, in the order they are offered.
    """
    last = next((match for match in TERM.finditer(text) if match.end() == len(text)), None)
    before, term = (text[: last.start()], last[0]) if last else (text, "")
    return [f"{before}{completion}" for completion in _of_term(term, values)][:MOST]


def _of_term(term: str, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    word, colon, typed = term.partition(":")
    if not colon:
        yield from (f"{name}:" for name in values if name.startswith(word.lower()))
        return

    typed = typed.strip('"').lower()
    matching = [value for value in values.get(word.lower(), ()) if typed in value.lower()]
    matching.sort(key=lambda value: not value.lower().startswith(typed))
    for value in matching:
        yield f'{word}:"{value}"' if re.search(r"\s", value) else f"{word}:{value}"
