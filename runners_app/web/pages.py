"""Helpers of every view: page or fragment, permission checks, and page versions for polls."""

import hashlib
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails
from structlog.contextvars import bind_contextvars

from runners_app.models import Account, Runner, RunnerGroup
from runners_app.models.accounts import limited_token_of
from runners_app.models.visibility import OwnedQuerySet, limited_by
from runners_app.web.filters import TokenFilter
from runners_app.web.freshness import with_freshness
from runners_app.web.numbers import number_in

if TYPE_CHECKING:
    from django_filters import FilterSet

M = TypeVar("M", bound=models.Model)


class Request(HttpRequest):
    """A request as views get it: middleware requires a signed-in user and adds `htmx`."""

    user: User
    htmx: HtmxDetails


def render_page(
    request: Request,
    template: str,
    context: dict[str, Any],
    *,
    fragment: str = "",
    status: int = 200,
) -> HttpResponse:
    """The whole page, or its fragment (a partial of the template) if htmx asks for one.

    A fragment carries the freshness line in a header, because the line stands outside it.
    """
    if fragment and wants_fragment(request):
        part = render(request, f"{template}#{fragment}", context, status=status)
        return with_freshness(part, context) if "freshness_state" in context else part
    return render(request, template, context, status=status)


def wants_fragment(request: Request) -> bool:
    """Whether htmx asks for a fragment. Boosted links and restored history need the whole page."""
    htmx = request.htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def id_or_404(text: str) -> int:
    """The primary key a URL gives as text. Raises Http404 for text that cannot be one."""
    number = number_in(text)
    if number is None:
        raise Http404
    return number


def visible_or_404(rows: OwnedQuerySet[M], request: Request, pk: int) -> M:
    """The row. Raises Http404 if the user may not see it, as if it did not exist."""
    row = rows.visible_to(request.user).filter(pk=pk).first()
    if row is None:
        raise Http404
    return row


def visible_account_or_404(request: Request, pk: int) -> Account:
    """The account with its credential, if the user may see it; its slug is added to log lines."""
    accounts = Account.objects.visible_to(request.user).select_related("credential")
    account = accounts.filter(pk=pk).first()
    if account is None:
        raise Http404
    bind_contextvars(account=account.slug)
    return account


def may_manage(request: Request, account: Account) -> bool:
    """Whether the user may request writes in this account. False while it is paused or observed."""
    return Account.objects.manageable_by(request.user).filter(pk=account.pk).exists()


def came_from(request: Request) -> str:
    """The URL of the page a form was on, with its filters; empty if it is unknown or not ours."""
    address = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, request.is_secure())
    return address if is_ours else ""


def manage_or_403(request: Request, account: Account) -> None:
    """Raises PermissionDenied, with the reason, unless `may_manage`."""
    if may_manage(request, account):
        return
    raise PermissionDenied(account.why_unchangeable)


def administrator_or_403(request: Request) -> None:
    """Raises PermissionDenied unless the user is an administrator."""
    if not (request.user.is_active and request.user.is_superuser):
        raise PermissionDenied("Only administrators may do this.")
    if limited_token_of(request.user) is not None:
        raise PermissionDenied("A token that is limited to some accounts may not do this.")


def only_administrators(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer 403 to everybody else, before they are asked for a proof."""

    @wraps(view)
    def checks(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        administrator_or_403(request)
        return view(request, *args, **kwargs)

    return checks


def version_of(accounts: Iterable[Account], *parts: object) -> str:
    """A short hash of what a page's content depends on.

    That is each account the user may see, its version, how much of it they see (read the accounts
    with `visible_to`), and `parts`, whose `repr` must be stable.
    """
    visible = [(account.pk, account.version, limited_by(account)) for account in accounts]
    return hashlib.sha256(repr((visible, parts)).encode()).hexdigest()[:16]


def is_unchanged(request: Request, version: str) -> bool:
    """Whether a poll already shows this version; the answer is then 204, and nothing is swapped."""
    return bool(request.htmx) and request.GET.get("version") == version


def chips_of(listed: "FilterSet | TokenFilter", query: QueryDict) -> list[dict[str, str]]:
    """The filters in force as label, value and the query string without them."""
    if isinstance(listed, TokenFilter):
        return listed.chips(query)
    values = listed.form.cleaned_data if listed.form.is_valid() else {}
    chips = []
    for name, value in values.items():
        if value in (None, ""):
            continue
        rest = query.copy()
        for parameter in (name, "after", "before", "version"):
            rest.pop(parameter, None)
        chips.append(
            {
                "label": listed.filters[name].label or name,
                "value": str(value),
                "remove": f"?{rest.urlencode()}",
            }
        )
    return chips


def query_without(request: Request, *names: str) -> str:
    """The query string without some parameters, such as a place in the list or a version."""
    query = request.GET.copy()
    for name in names:
        query.pop(name, None)
    return query.urlencode()


def group_name_of(runner: Runner) -> str:
    """The name of a runner's group; empty if Trackside may not read groups there."""
    group = RunnerGroup.objects.filter(
        account_id=runner.account_id, github_id=runner.group_id or 0
    ).first()
    return group.name if group else ""
