"""The menu of a list's filters: links that add a value to the search or take it away."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpResponse, QueryDict

from runners_app.models import Account
from runners_app.web.filters import TokenFilter
from runners_app.web.pages import Request, query_without, render_page
from runners_app.web.search import Term, complete, write

VALUES_SHOWN = 12
PLACE = ("after", "before", "size_of_page", "version", "open", "menu")

Vocabulary = Mapping[str, Sequence[str]]


def accounts_of(accounts: Sequence[Account]) -> list[str]:
    return sorted({str(account) for account in accounts}, key=str.lower)


def search_of(listed: TokenFilter, vocabulary: Vocabulary) -> dict[str, Any]:
    """What the search box of a list shows: its text, completions, problems and chips.

    Evaluate `listed.qs` first, which finds the problems.
    """
    words = {word: vocabulary.get(name, ()) for word, name in listed.WORDS.items()}
    return {
        "text": listed.text,
        "words": complete(listed.text, words),
        "problems": listed.problems,
        "chips": listed.chips(listed.data) if isinstance(listed.data, QueryDict) else [],
    }


def filter_menu(
    request: Request,
    listed: TokenFilter,
    vocabulary: Vocabulary,
    labels: Mapping[str, str],
    *,
    title: str,
    address: str,
) -> HttpResponse:
    """All filters of a list, as a menu or, without JavaScript, as a page.

    `labels` maps the words of the menu to their headings; `address` is the list's own.
    """
    kept = QueryDict(query_without(request, "q", *listed.WORDS.values(), *PLACE))
    menu = []
    for word, label in labels.items():
        parameter = listed.WORDS[word]
        values = list(vocabulary.get(parameter, ()))
        if not values or (len(values) < 2 and parameter == "account"):
            continue
        choices = [_choice(listed, kept, word, value, address) for value in values[:VALUES_SHOWN]]
        menu.append((word, label, choices, max(0, len(values) - VALUES_SHOWN)))
    query = query_without(request, *PLACE)
    context = {"menu": menu, "list_title": title, "list_address": f"{address}?{query}"}
    return render_page(request, "components/filter_menu.html", context, fragment="menu")


def _choice(
    listed: TokenFilter, kept: QueryDict, word: str, value: str, address: str
) -> dict[str, Any]:
    """A value, whether it is in force, and the address of the list with it toggled."""
    parameter = listed.WORDS[word]
    chosen = listed.values_of(parameter)
    is_chosen = value.lower() in (each.lower() for each in chosen)
    if is_chosen:
        values = tuple(each for each in chosen if each.lower() != value.lower())
    else:
        values = (*chosen, value)
    terms = [
        term for term in listed.terms if listed.WORDS.get(term.word) != parameter or term.is_negated
    ]
    query = kept.copy()
    query["q"] = write([*terms, Term(word, values)] if values else terms)
    return {
        "value": value,
        "is_chosen": is_chosen,
        "address": f"{address}?{query.urlencode()}",
    }
