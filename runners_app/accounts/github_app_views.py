"""Pages of GitHub Apps, for administrators: store one, list installations, connect them."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from runners_app.accounts import github_apps as storing
from runners_app.accounts.accounts import CannotConnect
from runners_app.accounts.forms import GITHUB, AppForm
from runners_app.credentials.credentials import wake_stopped
from runners_app.jobs.hooks import address_of, hook_for
from runners_app.models import App, Credential, Hook
from runners_app.models.accounts import web_origin
from runners_app.web.numbers import numbers_in
from runners_app.web.pages import (
    Request,
    administrator_or_403,
    is_unchanged,
    only_administrators,
    render_page,
    version_of,
)
from runners_app.web.proof import changes_trust, is_post

PERMISSIONS = {
    "actions": "read",
    "organization_administration": "write",
    "organization_self_hosted_runners": "write",
    "organization_hosted_runner_custom_images": "write",
    "organization_plan": "read",
}


@sensitive_variables("form")
@sensitive_post_parameters("private_key")
@require_http_methods(["GET", "HEAD", "POST"])
@only_administrators
@changes_trust
def app_new(request: Request) -> HttpResponse:
    """Store an App with its private key."""
    form = AppForm(request.POST or None)
    if form.is_valid():
        try:
            app = storing.add_app(**form.cleaned_data, by=request.user)
        except CannotConnect as error:
            form.add_error("api_url", str(error))
        else:
            return redirect("app", app.pk)
    context = {"form": form, "make_url": make_url(request), "apps": App.objects.order_by("pk")}
    return render(
        request, "accounts/github_apps/new.html", context, status=422 if form.is_bound else 200
    )


def make_url(request: Request) -> str:
    """Return the URL of GitHub's form for a new App, prefilled with the permissions we use."""
    facts = {
        "name": "Trackside",
        "url": request.build_absolute_uri("/"),
        "public": "false",
        **_hook_facts(),
    }
    return f"{web_origin(GITHUB)}/settings/apps/new?{urlencode({**facts, **PERMISSIONS})}"


def _hook_facts() -> dict[str, str]:
    """Job events go to our address, if it is known; its own inbox is set once the App is stored."""
    base = settings.HOOKS_URL or settings.PUBLIC_URL
    if not base:
        return {"webhook_active": "false"}
    return {"webhook_active": "true", "webhook_url": base, "events[]": "workflow_job"}


@require_http_methods(["GET", "HEAD", "POST"])
@only_administrators
@partial(changes_trust, when=is_post)
def app(request: Request, pk: int) -> HttpResponse:
    """Show where an App is installed, and connect the organizations ticked."""
    row = get_object_or_404(App, pk=pk)
    if request.method == "POST":
        ticked = set(numbers_in(request.POST.getlist("installation")))
        connected = storing.connect_installations(row, ticked, by=request.user)
        if not connected:
            messages.error(request, "Nothing was connected: tick at least one organization.")
            return redirect("app", row.pk)
        messages.success(
            request,
            f"Connected {', '.join(map(str, connected))}. Their runners appear within seconds.",
        )
        return redirect("accounts")
    lost = (
        row.is_asking
        and row.asked_at is not None
        and (timezone.now() - row.asked_at).total_seconds() > 60
    )
    hook = Hook.objects.filter(app=row, wanted=True).first()
    told = (hook.error, hook.last_ping_at, hook.first_job_at) if hook else ()
    version = version_of([], row.asked_at, row.answered_at, lost, *told)
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    lines = _lines(row)
    may_connect = any(not line["connected"] and not line["reason"] for line in lines)
    context = {
        "app": row,
        "lines": lines,
        "may_connect": may_connect,
        "version": version,
        "is_late": lost,
        "hook": hook,
        "hook_address": address_of(hook) if hook else "",
    }
    return render_page(request, "accounts/github_apps/detail.html", context, fragment="live")


def _lines(row: App) -> list[dict[str, Any]]:
    """Each installation with its connected account, or the reason why it cannot be connected."""
    here = storing.accounts_at(row)
    lines = []
    for installation in sorted(row.installations, key=lambda each: str(each["account"]).lower()):
        account = here.get(installation["account"].lower())
        is_reinstalled = account is not None and storing.is_reinstalled(row, installation, account)
        lines.append(
            {
                **installation,
                "connected": None if is_reinstalled else account,
                "is_reinstalled": is_reinstalled,
                "reason": storing.cannot_connect(installation),
            }
        )
    return lines


@require_POST
def app_hook(request: Request, pk: int) -> HttpResponse:
    """Have a worker let the App's hook post job events of all its organizations here."""
    administrator_or_403(request)
    app = get_object_or_404(App, pk=pk)
    Hook.objects.filter(pk=hook_for(app).pk).update(wanted=True, error="")
    storing.ask_installations(app)
    messages.success(request, "Trackside sets the address of the App's webhook now.")
    return redirect("app", pk)


@require_POST
def app_refresh(request: Request, pk: int) -> HttpResponse:
    """Have a worker list the installations again, and wake everything of theirs that stopped."""
    administrator_or_403(request)
    app = get_object_or_404(App, pk=pk)
    storing.ask_installations(app)
    wake_stopped(Credential.objects.filter(app=app), by=request.user)
    return redirect(reverse("app", args=[pk]))
