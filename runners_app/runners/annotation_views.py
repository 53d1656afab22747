"""Owner, tags and note of one runner or of selected runners."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from runners_app.models import Account, Runner
from runners_app.runners.bulk_views import explains_too_many, selected_runners
from runners_app.web.annotations import (
    FIELDS,
    AnnotationForm,
    BulkAnnotationForm,
    annotate,
    annotate_or_403,
    may_annotate,
)
from runners_app.web.pages import Request, visible_account_or_404, visible_or_404


@require_http_methods(["GET", "HEAD", "POST"])
def runner_annotate(request: Request, pk: int) -> HttpResponse:
    """Change owner, tags and note of one runner."""
    row = visible_or_404(Runner.objects.select_related("account"), request, pk)
    annotate_or_403(visible_account_or_404(request, row.account_id))
    initial = {name: getattr(row, name) for name in FIELDS}
    data = request.POST if request.method == "POST" else None
    form = AnnotationForm(data, initial=initial)
    if form.is_valid():
        annotate([(row, form.cleaned_data)], by=request.user)
        return redirect("runner", row.pk)
    context = {"runner": row, "form": form}
    return render(request, "runners/annotate.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@explains_too_many
def runners_annotate(request: Request) -> HttpResponse:
    """Change owner and tags of the selected runners."""
    selection, runners = selected_runners(request)
    allowed = {
        account.pk for account in Account.objects.visible_to(request.user) if may_annotate(account)
    }
    rows = [runner for runner in runners if runner.account_id in allowed]
    data = request.POST if request.method == "POST" else None
    form = BulkAnnotationForm(data)
    if rows and form.is_valid():
        count = annotate([(row, form.values_for(row)) for row in rows], by=request.user)
        messages.success(request, f"Owner and tags of {count:,} runners were changed.")
        response = redirect("runners")
        response.headers["Location"] += f"?{selection.query or 'q='}"
        return response
    context = {
        "selection": selection,
        "runners": rows,
        "left_out": len(runners) - len(rows),
        "form": form,
    }
    status = 422 if form.is_bound else 200
    return render(request, "runners/bulk/annotate.html", context, status=status)
