"""Notices: shared channels for administrators, an own mailbox for each user, and deliveries."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from runners_app.models import Account, Channel, Event
from runners_app.notices.addresses import LABELS
from runners_app.notices.channels import delete_channel, own_channel, save_channel
from runners_app.notices.forms import ChannelForm, SharedChannelForm
from runners_app.notices.notices import RETRY_AFTER, ask_test, recent
from runners_app.web.pages import (
    Request,
    administrator_or_403,
    is_unchanged,
    only_administrators,
    render_page,
    version_of,
)
from runners_app.web.proof import changes_trust

GIVEN_UP = len(RETRY_AFTER) + 1


@require_safe
def notices(request: Request) -> HttpResponse:
    administrator_or_403(request)
    channels = list(Channel.objects.filter(owner=None).order_by("name", "pk"))
    rows = recent(Channel.objects.all())
    open_events = list(Event.objects.filter(ended_at=None).order_by("-began_at")[:50])
    has_demo = Account.objects.filter(demo=True).exists()
    version = version_of(
        [],
        has_demo,
        [(row.pk, row.sent_at, row.tries, row.failure, row.channel.name) for row in rows],
        [_shown(channel) for channel in channels],
        [event.pk for event in open_events],
    )
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    failing = {row.channel_id for row in rows if row.failure and row.sent_at is None}
    context = {
        "channels": [
            (channel, LABELS.get(channel.scheme, ""), channel.pk in failing) for channel in channels
        ],
        "notices": rows,
        "open": open_events,
        "has_demo": has_demo,
        "given_up": GIVEN_UP,
        "version": version,
    }
    return render_page(request, "notices/list.html", context, fragment="live")


def _shown(row: Channel) -> tuple[object, ...]:
    return (
        row.pk,
        row.name,
        row.scheme,
        row.kinds,
        row.is_on,
        row.quiet_from,
        row.quiet_until,
        row.zone,
    )


@sensitive_variables("form")
@sensitive_post_parameters("address")
@require_http_methods(["GET", "HEAD", "POST"])
@only_administrators
@changes_trust
def channel_new(request: Request) -> HttpResponse:
    return _edit(request, Channel())


@sensitive_variables("form")
@sensitive_post_parameters("address")
@require_http_methods(["GET", "HEAD", "POST"])
@only_administrators
@changes_trust
def channel(request: Request, pk: int) -> HttpResponse:
    return _edit(request, get_object_or_404(Channel, pk=pk, owner=None))


def _edit(request: Request, row: Channel) -> HttpResponse:
    form = SharedChannelForm(request.POST or None, instance=row)
    if form.is_valid():
        save_channel(form.save(commit=False), form.cleaned_data["address"], by=request.user)
        messages.success(request, f"{row} is saved. Send a test to see whether notices arrive.")
        return redirect("notices")
    context = {"form": form, "channel": row if row.pk else None}
    return render(request, "notices/channel.html", context, status=422 if form.is_bound else 200)


@require_POST
def channel_test(request: Request, pk: int) -> HttpResponse:
    administrator_or_403(request)
    ask_test(get_object_or_404(Channel, pk=pk, owner=None))
    messages.success(request, "The test is being sent. Its outcome appears below within seconds.")
    return redirect("notices")


@require_POST
@only_administrators
@changes_trust
def channel_delete(request: Request, pk: int) -> HttpResponse:
    delete_channel(get_object_or_404(Channel, pk=pk, owner=None), by=request.user)
    return redirect("notices")


@require_http_methods(["GET", "HEAD", "POST"])
def your_notices(request: Request) -> HttpResponse:
    row = own_channel(request.user)
    form = ChannelForm(request.POST or None, instance=row)
    if form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("your-notices")
    mine = recent([row])[:10] if row.pk else []
    context = {
        "form": form,
        "channel": row,
        "notices": mine,
        "mail": settings.MAIL_IS_SET_UP,
        "given_up": GIVEN_UP,
    }
    return render(request, "notices/yours.html", context, status=422 if form.is_bound else 200)


@require_POST
def your_notices_test(request: Request) -> HttpResponse:
    row = own_channel(request.user)
    if not row.pk:
        messages.error(request, "Save your choice of notices first.")
        return redirect("your-notices")
    ask_test(row)
    messages.success(request, "The test is being sent. Reload this page to see its outcome.")
    return redirect("your-notices")
