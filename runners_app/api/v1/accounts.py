"""Accounts and their readings."""

from django.http import HttpResponse
from ninja import Router

from runners_app.api.core import (
    READ,
    PageQuery,
    account_or_404,
    list_page,
    reference_of,
    url_to,
)
from runners_app.api.problems import ApiError
from runners_app.api.schemas import AccountOut, AccountPage, ReadingOut, TokenOut
from runners_app.models import Account, ApiToken, Reading
from runners_app.web.pages import Request
from runners_app.web.paging import Order

router = Router(tags=["accounts"], auth=READ)


def account_out(request: Request, row: Account) -> AccountOut:
    return AccountOut(
        pk=row.pk,
        account=reference_of(row),
        kind=Account.Kind(row.kind),
        slug=row.slug,
        api_url=row.api_url,
        plan=row.plan,
        role=row.role,
        observe_only=row.observe_only,
        paused=row.paused,
        demo=row.demo,
        connected_at=row.connected_at,
        url=url_to(request, f"accounts/{row.pk}"),
    )


@router.get("/token", response=TokenOut)
def token(request: Request) -> TokenOut:
    """The token of this request: its scopes and when it expires."""
    row: ApiToken | None = getattr(request.user, "api_token", None)
    if row is None:
        raise ApiError(404, "This request came with a session and not with a token.")
    return TokenOut.of(row)


@router.get("/accounts", response=AccountPage)
def list_accounts(request: Request, response: HttpResponse, paged: PageQuery) -> AccountPage:
    """Organizations and enterprises, by name."""
    rows = Account.objects.visible_to(request.user)
    page, after = list_page(request, response, rows, Order("slug"), paged)
    return AccountPage(rows=[account_out(request, row) for row in page], next=after)


@router.get("/accounts/{account}", response=AccountOut)
def get_account(request: Request, account: str) -> AccountOut:
    """One account, by primary key or as organization:acme."""
    return account_out(request, account_or_404(request, account))


@router.get("/accounts/{account}/readings", response=list[ReadingOut])
def list_readings(request: Request, account: str) -> list[ReadingOut]:
    """When each resource of the account was last read, and why not where it fails."""
    row = account_or_404(request, account)
    readings = Reading.objects.visible_to(request.user).filter(account=row)
    return [
        ReadingOut(
            resource=each.resource,
            last_good_at=each.last_good_at,
            due_at=each.due_at,
            error=each.error,
            error_message=each.error_message,
        )
        for each in readings
    ]
