"""The overview: what needs attention first, then every account at a glance."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from runners_app.models import Account
from runners_app.views.pages import Request, render_page


@require_safe
def overview(request: Request) -> HttpResponse:
    accounts = list(Account.objects.visible_to(request.user))
    return render_page(request, "overview/overview.html", {"count": len(accounts)})
