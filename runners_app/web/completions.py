"""What somebody may be about to type in a search box: words, then their values. Each completion is
the whole text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

MOST = 12
# A term, with its value in quotes where that holds spaces; the last quote may be missing still.
TERM = re.compile(r'(?:"[^"]*(?:"|$)|[^\s"])+')


def complete(text: str, values: Mapping[str, Sequence[str]]) -> list[str]:
    """Completions of the last term of `text`, at most a dozen; `values` are those each word may
    take, in order.
    """
    last = next((match for match in TERM.finditer(text) if match.end() == len(text)), None)
    before, term = (text[: last.start()], last[0]) if last else (text, "")
    return [f"{before}{each}" for each in _of_term(term, values)][:MOST]


def _of_term(term: str, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    word, colon, typed = term.partition(":")
    if not colon:
        yield from (f"{each}:" for each in values if each.startswith(word.lower()))
        return
    typed = typed.strip('"').lower()
    found = [value for value in values.get(word.lower(), ()) if typed in value.lower()]
    found.sort(key=lambda value: not value.lower().startswith(typed))
    yield from (f"{word}:{_quoted(value)}" for value in found)


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"\s", value) else value
