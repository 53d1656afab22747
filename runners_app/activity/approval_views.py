"""The page of an approval: what waits for a second person, who approves or declines it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from runners_app.activity.views import fields_of
from runners_app.models import Account, Approval, Membership, Operation
from runners_app.operations.approvals import (
    DELETES,
    CannotDecide,
    approve,
    decline,
    digest_of,
    may_decide,
    waiting_operations_of,
)
from runners_app.templatetags.trackside import plural
from runners_app.web.change_words import Names
from runners_app.web.pages import Request, manage_or_403, visible_or_404

LINES = 100


class DecisionForm(forms.Form):
    """Approves what the digest names, or declines it with a reason."""

    choice = forms.ChoiceField(
        choices=[("approve", "Approve"), ("decline", "Decline")],
        error_messages={"required": "Choose one of the buttons. Nothing was decided."},
    )
    digest = forms.CharField(max_length=64, widget=forms.HiddenInput)
    reason = forms.CharField(
        label="Reason",
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Needed to decline. It is shown to everybody who may see the operations.",
    )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.cleaned_data.get("choice") == "decline" and not self.cleaned_data.get("reason"):
            self.add_error("reason", "Say why, for the person who asked. Nothing was declined.")
        return cleaned


@require_http_methods(["GET", "HEAD", "POST"])
def approval(request: Request, pk: int) -> HttpResponse:
    """Show what an approval is about, and decide about it as a manager of the account."""
    rows = Approval.objects.of_operations().select_related("account")
    row = visible_or_404(rows, request, pk)
    account = Account.objects.visible_to(request.user).get(pk=row.account_id)
    # Also in a paused or observed account, because deciding changes nothing on GitHub.
    if request.method == "POST" and account.role != Membership.Role.MANAGER:
        manage_or_403(request, account)
    form = DecisionForm(request.POST or None)
    if form.is_valid() and _decides(request, row, form):
        return redirect("approval", row.pk)
    context = _shown(request, row, form)
    status = 422 if request.method == "POST" else 200
    return render(request, "activity/operations/approval.html", context, status=status)


def _decides(request: Request, row: Approval, form: DecisionForm) -> bool:
    """Whether the decision was made; if not, the form says why."""
    given = form.cleaned_data
    try:
        if given["choice"] == "approve":
            digest, reason = given["digest"], given["reason"]
            count = approve(row, by=request.user, digest=digest, reason=reason)
            messages.success(request, f"Approved: {plural(count, 'operation')}.")
        else:
            count = decline(row, by=request.user, reason=given["reason"])
            messages.success(request, f"Declined: {plural(count, 'operation')} cancelled.")
    except CannotDecide as error:
        form.add_error(None, str(error))
        return False
    return True


def _shown(request: Request, row: Approval, form: DecisionForm) -> dict[str, Any]:
    is_waiting = row.state == Approval.State.WAITING
    operations = list(waiting_operations_of(row) if is_waiting else row.operations.order_by("pk"))
    visible = set(
        Operation.objects.visible_to(request.user).filter(approval=row).values_list("pk", flat=True)
    )
    shown = [each for each in operations if each.pk in visible]
    names = Names(request.user, [row.account_id])
    return {
        "approval": row,
        "form": form,
        "digest": digest_of(operations),
        "is_waiting": is_waiting and bool(operations),
        "may_decide": may_decide(row, request.user),
        "is_asker": row.asked_by_id == request.user.pk,
        "total": len(shown),
        "lines": [
            (each, [] if each.kind in DELETES else fields_of(each, names)) for each in shown[:LINES]
        ],
    }
