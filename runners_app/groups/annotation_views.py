"""Owner, tags and note of a runner group."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from runners_app.models import RunnerGroup
from runners_app.web.annotations import FIELDS, AnnotationForm, annotate, annotate_or_403
from runners_app.web.pages import Request, visible_account_or_404, visible_or_404


@require_http_methods(["GET", "HEAD", "POST"])
def group_annotate(request: Request, pk: int) -> HttpResponse:
    """Change owner, tags and note of a runner group."""
    row = visible_or_404(RunnerGroup.objects.select_related("account"), request, pk)
    annotate_or_403(visible_account_or_404(request, row.account_id))
    initial = {name: getattr(row, name) for name in FIELDS}
    data = request.POST if request.method == "POST" else None
    form = AnnotationForm(data, initial=initial)
    if form.is_valid():
        annotate([(row, form.cleaned_data)], by=request.user)
        return redirect("group", row.pk)
    context = {"group": row, "form": form}
    return render(request, "groups/annotate.html", context, status=422 if form.is_bound else 200)
