"""The page of a user's preferences: theme, density, rows of a page, and time zone."""

from zoneinfo import available_timezones

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from runners_app.models import Preferences
from runners_app.web.pages import Request
from runners_app.web.paging import PAGE_SIZES
from runners_app.web.preferences import preferences_of, save_preferences


class PreferencesForm(forms.Form):
    """How pages look. Only the submitted fields change."""

    theme = forms.ChoiceField(
        required=False, choices=Preferences.Theme.choices, widget=forms.RadioSelect
    )
    density = forms.ChoiceField(
        required=False,
        choices=Preferences.Density.choices,
        widget=forms.RadioSelect,
        label="Rows of lists",
    )
    rows = forms.TypedChoiceField(
        required=False,
        choices=[(size, str(size)) for size in PAGE_SIZES],
        coerce=int,
        label="Rows a page",
    )
    time_zone = forms.ChoiceField(
        required=False,
        label="Time zone",
        help_text="Exact times show it beside UTC when you point at them.",
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        zones = [(zone, zone.replace("_", " ")) for zone in sorted(available_timezones())]
        self.fields["time_zone"].choices = [("", "As the browser"), *zones]  # type: ignore[attr-defined]


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: Request) -> HttpResponse:
    """Show or change preferences. A request by a script sends one field and gets 204."""
    current = preferences_of(request.user)
    initial = {name: getattr(current, name) for name in PreferencesForm.base_fields}
    data = request.POST if request.method == "POST" else None
    form = PreferencesForm(data, initial=initial)
    if form.is_valid():
        sent = {name: value for name, value in form.cleaned_data.items() if name in request.POST}
        save_preferences(request.user, **sent)
        if request.htmx:
            return HttpResponse(status=204)
        messages.success(request, "Your preferences are saved.")
        return redirect("preferences")
    status = 422 if form.is_bound else 200
    return render(request, "people/preferences.html", {"form": form}, status=status)
