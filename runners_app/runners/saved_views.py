"""Saved views of the runners list: named filters of one user, one of which the list opens with."""

from typing import Any

from django.contrib.auth.models import User

from runners_app.models import SavedView
from runners_app.runners.columns import LIST
from runners_app.web.preferences import preferences_of, save_preferences

LONGEST_NAME = 60


def save_view(user: User, name: str, query: str, *, default: bool) -> tuple[SavedView, bool]:
    """Store a view under its name, in place of an earlier one. Returns whether it is new, too.

    `query` is the list's query string; with `default` the list opens with it.
    """
    view, is_new = SavedView.objects.update_or_create(
        user=user, list=LIST, name=name, defaults={"query": query}
    )
    if default:
        remember(user, default=query)
    return view, is_new


def delete_view(user: User, view: SavedView) -> None:
    """Delete a view; the list no longer opens with it."""
    view.delete()
    if default_of(user) == view.query:
        remember(user, default="")


def default_of(user: User) -> str:
    """The query string that the list opens with; empty if none was chosen."""
    return str(preferences_of(user).of_list(LIST).get("default") or "")


def remember(
    user: User, *, columns: list[str] | None = None, default: str | None = None, **values: Any
) -> None:
    """Store what is remembered about the list, beside other preferences."""
    preferences = preferences_of(user)
    remembered = dict(preferences.of_list(LIST))
    if columns is not None:
        remembered["columns"] = columns
    if default is not None:
        remembered["default"] = default
    save_preferences(user, lists={**preferences.lists, LIST: remembered}, **values)
