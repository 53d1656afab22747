"""The SLO of a pool: how long a job may wait for it, and whether notices tell of more."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from runners_app.jobs.slo import default_seconds
from runners_app.models import AuditEntry, PoolSlo, Runner
from runners_app.security import audit
from runners_app.web.annotations import may_annotate
from runners_app.web.pages import Request, render_page, visible_account_or_404, visible_or_404

LONGEST_SECONDS = 86_400


class SloForm(forms.Form):
    seconds = forms.IntegerField(
        min_value=1,
        max_value=LONGEST_SECONDS,
        label="Seconds a job may wait",
        help_text="From the moment it wants a machine to its start.",
    )
    notices = forms.BooleanField(
        required=False,
        label="Send notices when jobs wait longer",
        help_text="When one waits now, and when too many did in the last hours.",
    )
    keep_because = forms.CharField(
        required=False,
        max_length=500,
        label="Keep the maximum, because",
        help_text="Shown instead of the advice to raise it.",
    )


@require_http_methods(["GET", "HEAD", "POST"])
def pool_slo(request: Request, pk: int) -> HttpResponse:
    """Set the SLO of a pool, as a manager of its account.

    Nothing is written at GitHub, so the account may be paused or set to observe only.
    """
    runner = visible_or_404(Runner.objects.select_related("account"), request, pk)
    if not may_annotate(visible_account_or_404(request, runner.account_id)):
        raise PermissionDenied(f"Only managers of {runner.account} can set the SLO of its runners.")
    usual = default_seconds(runner.platform, runner.size)
    row = PoolSlo.objects.filter(pool=runner).first() or PoolSlo(pool=runner, seconds=usual)
    now = {"seconds": row.seconds, "notices": row.notices, "keep_because": row.keep_because}
    form = SloForm(request.POST if request.method == "POST" else None, initial=now)
    if form.is_valid():
        _save(request, row, form)
        messages.success(request, f"The SLO of {runner.name} was saved.")
        return redirect("runner", runner.pk)
    context = {"runner": runner, "form": form, "usual": usual}
    status = 422 if request.method == "POST" else 200
    return render_page(request, "insight/slo.html", context, status=status)


@transaction.atomic
def _save(request: Request, row: PoolSlo, form: SloForm) -> None:
    for name, value in form.cleaned_data.items():
        setattr(row, name, value)
    row.set_by = request.user.get_username()
    row.save()
    audit.record(
        AuditEntry.Action.POOL_SLO_SET,
        by=request.user,
        account=row.pool.account,
        subject=row.pool.name,
        details={name: form.cleaned_data[name] for name in form.changed_data},
    )
