"""Switch four eyes of an account on and off; switching off takes a second person."""

from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from runners_app.models import Account, Membership
from runners_app.operations.approvals import (
    CannotDecide,
    change_waiting_for,
    decide_four_eyes,
    managers_of,
    set_four_eyes,
)
from runners_app.web.pages import Request, administrator_or_403, visible_account_or_404
from runners_app.web.proof import View, changes_trust


class FourEyesForm(forms.Form):
    """Whether a second manager must approve, and from how many operations on."""

    on = forms.ChoiceField(
        label="Approval by a second manager",
        choices=[("yes", "Needed for deletions and large batches"), ("no", "Not needed")],
        widget=forms.RadioSelect,
    )
    above = forms.IntegerField(
        label="Batches are large above",
        min_value=0,
        max_value=5000,
        initial=10,
        required=False,
        help_text="Operations in one batch. 0 means that every change needs an approval.",
    )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.cleaned_data.get("on") == "yes" and self.cleaned_data.get("above") is None:
            self.add_error("above", "Enter a number of operations. Nothing was changed.")
        return cleaned


def _for_managers(view: View) -> View:
    """Hand the view the account. One that the user may not see is 404, otherwise 403."""

    @wraps(view)
    def finds(request: Request, pk: int) -> HttpResponse:
        row = visible_account_or_404(request, pk)
        if row.role != Membership.Role.MANAGER:
            raise PermissionDenied("Only managers of this account may do this.")
        return view(request, row)

    return finds


@require_http_methods(["GET", "HEAD", "POST"])
@_for_managers
@changes_trust
def four_eyes(request: Request, row: Account) -> HttpResponse:
    """Show and change the setting as an administrator; decide about a change as any manager."""
    above = row.approval_above
    initial = {"on": "no" if above is None else "yes", "above": 10 if above is None else above}
    form = FourEyesForm(initial=initial)
    if request.method == "POST" and "choice" in request.POST:
        return _decide(request, row)
    if request.method == "POST":
        administrator_or_403(request)
        form = FourEyesForm(request.POST, initial=initial)
        if form.is_valid() and _change(request, row, form):
            return redirect("account-four-eyes", row.pk)
    waiting = change_waiting_for(row)
    context = {
        "account": row,
        "form": form,
        "waiting": waiting,
        "is_asker": waiting is not None and waiting.asked_by_id == request.user.pk,
        "managers": [person.get_username() for person in managers_of(row).order_by("username")],
    }
    status = 422 if form.is_bound else 200
    return render(request, "accounts/four_eyes.html", context, status=status)


def _change(request: Request, row: Account, form: FourEyesForm) -> bool:
    above = form.cleaned_data["above"] if form.cleaned_data["on"] == "yes" else None
    try:
        waiting = set_four_eyes(row, above, by=request.user)
    except CannotDecide as error:
        form.add_error(None, str(error))
        return False
    if waiting is None:
        messages.success(request, "Saved.")
    else:
        messages.info(request, "Nothing changed yet: another manager must approve this here.")
    return True


def _decide(request: Request, row: Account) -> HttpResponse:
    waiting = change_waiting_for(row)
    approves = request.POST["choice"] == "approve"
    try:
        if waiting is None or str(waiting.pk) != request.POST.get("change"):
            raise CannotDecide("That change no longer waits. Nothing was changed.")
        decide_four_eyes(waiting, by=request.user, approves=approves)
    except CannotDecide as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The change was approved." if approves else "Nothing changes.")
    return redirect("account-four-eyes", row.pk)
