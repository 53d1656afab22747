"""Reading and storing what a user prefers."""

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist

from runners_app.models import Preferences
from runners_app.web.pages import Request
from runners_app.web.paging import PAGE_SIZES


def preferences_of(user: User) -> Preferences:
    """A user's preferences; unsaved defaults if there are none. No query on a page's own user."""
    try:
        return user.preferences
    except ObjectDoesNotExist:
        return Preferences(user=user)


def save_preferences(user: User, **values: Any) -> None:
    """Store some preferences; the others stay as they are."""
    preferences, _ = Preferences.objects.update_or_create(user=user, defaults=values)
    user.preferences = preferences


def rows_of(request: Request) -> int:
    """Rows of a page of a list: from `?size_of_page=`, which is remembered, else the user's."""
    preferences = preferences_of(request.user)
    wanted = request.GET.get("size_of_page", "")
    if wanted not in {str(size) for size in PAGE_SIZES} or int(wanted) == preferences.rows:
        return preferences.rows
    if request.method == "GET":
        save_preferences(request.user, rows=int(wanted))
    return int(wanted)
