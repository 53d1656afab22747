"""Notices: shared channels for administrators, an own mailbox for each user, and deliveries."""

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from runners_app.models import Account, Channel, Event, Snooze
from runners_app.notices.addresses import LABELS
from runners_app.notices.channels import delete_channel, own_channel, save_channel
from runners_app.notices.forms import ChannelForm, SharedChannelForm
from runners_app.notices.notices import RETRY_AFTER, ask_test, recent
from runners_app.notices.routing import SNOOZES, snooze
from runners_app.notices.words import Group, grouped
from runners_app.web.numbers import number_in
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
EVENTS_SHOWN = 500


@require_safe
def notices(request: Request) -> HttpResponse:
    administrator_or_403(request)
    shared = Channel.objects.filter(owner=None).order_by("name", "pk")
    channels = list(shared.prefetch_related("accounts", "groups"))
    rows = recent(Channel.objects.all())
    now = timezone.now()
    lasting = Event.objects.filter(ended_at=None).exclude(kind__in=Event.MOMENTARY)
    open_events = grouped(lasting.order_by("-began_at")[:EVENTS_SHOWN])
    snoozes = {(row.account_id, row.kind): row for row in Snooze.objects.filter(until__gt=now)}
    has_demo = Account.objects.filter(demo=True).exists()
    version = version_of(
        [],
        has_demo,
        [(row.pk, row.sent_at, row.tries, row.failure, row.channel.name) for row in rows],
        [_shown(channel) for channel in channels],
        [[event.pk for event in group.events] for group in open_events],
        [(row.pk, row.until) for row in snoozes.values()],
    )
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    failing = {row.channel_id for row in rows if row.failure and row.sent_at is None}
    context = {
        "channels": [
            (channel, LABELS.get(channel.scheme, ""), channel.pk in failing) for channel in channels
        ],
        "notices": rows,
        "open": [(group, snoozes.get(_about(group))) for group in open_events],
        "open_count": sum(len(group.events) for group in open_events),
        "snoozes": SNOOZES,
        "has_demo": has_demo,
        "given_up": GIVEN_UP,
        "now": now,
        "version": version,
    }
    return render_page(request, "notices/list.html", context, fragment="live")


def _about(group: Group) -> tuple[int, str]:
    return (group.account.pk if group.account else 0, group.kind)


@require_POST
@only_administrators
def notices_snooze(request: Request) -> HttpResponse:
    """Send nothing about a kind of event in an account for some hours; 0 ends that."""
    account = get_object_or_404(Account, pk=number_in(request.POST.get("account", "")) or 0)
    kind, hours = request.POST.get("kind", ""), request.POST.get("hours", "")
    if kind not in Event.Kind.values or hours not in ("0", *dict(SNOOZES)):
        raise Http404
    snooze(account, kind, int(hours), timezone.now(), by=request.user)
    for_how_long = f"snoozed for {dict(SNOOZES)[hours]}" if hours != "0" else "sent again"
    about = f"“{Event.Kind(kind).label}” in {account}"
    messages.success(request, f"Notices about {about} are {for_how_long}.")
    return redirect("notices")


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
        row.snoozed_until,
        row.runner_owners,
        [str(account) for account in row.accounts.all()],
        [str(group) for group in row.groups.all()],
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
    form = SharedChannelForm(request.POST or None, instance=row, user=request.user)
    if form.is_valid():
        with transaction.atomic():
            save_channel(form.save(commit=False), form.cleaned_data["address"], by=request.user)
            form.save_m2m()
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
    form = ChannelForm(request.POST or None, instance=row, user=request.user)
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
