"""The palette: go anywhere by typing. It opens with Ctrl K, and is a page without JavaScript."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from runners_app.palette.finding import find
from runners_app.web.pages import Request, render_page

LONGEST = 100


@require_safe
def go(request: Request) -> HttpResponse:
    """What `?q=` finds among what the user may see."""
    text = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST]
    context = {"text": text, "kinds": find(request.user, text)}
    return render_page(request, "palette/go.html", context, fragment="found")
