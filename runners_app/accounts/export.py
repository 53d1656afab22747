"""Export of the accounts list as CSV or JSON, with the rows that its page shows."""

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from runners_app.accounts.filters import AccountFilter
from runners_app.models import Account
from runners_app.overview.account_facts import AccountFacts, read_accounts
from runners_app.web.downloads import Row
from runners_app.web.export import export, filters_in_force
from runners_app.web.pages import Request

ACCOUNT_COLUMNS = (
    "account",
    "kind",
    "api_url",
    "runners",
    "machines",
    "static_ips_used",
    "static_ips_maximum",
    "observe_only",
    "paused",
    "demo",
    "credential",
    "token_expires_at",
    "synced_at",
    "failing",
)


@require_safe
def accounts(request: Request, file_format: str) -> StreamingHttpResponse:
    """The matching accounts that the user may see; `file_format` is csv or json."""
    listed = AccountFilter(request.GET, queryset=Account.objects.visible_to(request.user))
    matching = set(listed.qs.values_list("pk", flat=True))
    facts = read_accounts(request.user, timezone.now())
    found = [each for each in facts if each.account.pk in matching]
    return export(
        request,
        file_format,
        "accounts",
        ACCOUNT_COLUMNS,
        map(_account_row, found),
        count=found.__len__,
        filters=filters_in_force(listed),
    )


def _account_row(each: AccountFacts) -> Row:
    account: Account = each.account
    limits, credential = each.limits, account.credential
    return (
        str(account),
        account.kind,
        account.api_url,
        each.runners,
        each.machines,
        limits.used if limits else None,
        limits.maximum if limits else None,
        account.observe_only,
        account.paused,
        account.demo,
        credential.kind,
        credential.token_expires_at,
        each.synced_at,
        [reading.resource for reading in each.failing],
    )
