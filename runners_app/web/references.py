"""Rows that a form names by primary key. A row the user may not see, or that belongs to another
account than the form, is 404, and nothing is stored.
"""

from collections.abc import Iterable
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.http import Http404

from runners_app.models import Account, Operation, Runner, RunnerGroup
from runners_app.models.visibility import OwnedQuerySet
from runners_app.web.pages import (
    Request,
    id_or_404,
    manage_or_403,
    visible_account_or_404,
    visible_or_404,
)

M = TypeVar("M", bound=Model)


def named_or_404(rows: OwnedQuerySet[M], request: Request, parameter: str) -> M | None:
    """Return the row named in the query string; None if the parameter is missing or empty."""
    key = request.GET.get(parameter, "")
    return visible_or_404(rows, request, id_or_404(key)) if key else None


def named_rows_or_404(rows: QuerySet[M], keys: Iterable[str]) -> list[M]:
    """Return the rows with these primary keys, by key. All of them must be among `rows`."""
    wanted = {id_or_404(key) for key in keys}
    found = list(rows.filter(pk__in=wanted).order_by("pk"))
    if len(found) < len(wanted):
        raise Http404
    return found


def resubmitted_or_404(
    request: Request, kind: str, *, target: Runner | RunnerGroup | None = None
) -> Operation | None:
    """Return the operation named by `?again=`, to edit and send again; None without one.

    It must be of this kind, and of this target unless it creates one.
    """
    rows = Operation.objects.filter(kind=kind).select_related("account")
    if target is not None:
        rows = rows.filter(account=target.account, target_id=target.github_id)
    return named_or_404(rows, request, "again")


def account_for_create(
    request: Request, accounts: list[Account], again: Operation | None
) -> Account | None:
    """Return the account of a create: of `again`, or as named in the form or the query string.

    If none is named it is the only one of `accounts`; None if there are several to choose from.
    Raises PermissionDenied for an account the user sees but may not change.
    """
    key = request.POST.get("account") or request.GET.get("account", "")
    if again is not None:
        if key and id_or_404(key) != again.account_id:
            raise Http404
        account = again.account
    elif key:
        account = visible_account_or_404(request, id_or_404(key))
    elif len(accounts) == 1:
        account = accounts[0]
    else:
        return None
    manage_or_403(request, account)
    return account
