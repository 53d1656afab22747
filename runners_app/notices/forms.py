"""Forms of a shared channel and of a user's own mailbox. An address is never shown again."""

from typing import TYPE_CHECKING, Any, ClassVar, cast
from zoneinfo import available_timezones

from django import forms
from django.utils import timezone

from runners_app.models import Account, Channel, Event, RunnerGroup
from runners_app.notices.addresses import UnusableAddress
from runners_app.notices.delivery import check_address
from runners_app.notices.routing import SNOOZES, snooze_channel

# ModelForm is generic only in its type stubs.
if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

    ModelForm = forms.ModelForm[Channel]
    Accounts = forms.ModelMultipleChoiceField[Account]
    Groups = forms.ModelMultipleChoiceField[RunnerGroup]
else:
    ModelForm = forms.ModelForm
    Accounts = Groups = forms.ModelMultipleChoiceField

TIME = {"type": "time"}


KEEP, WAKE = "", "0"


def _kinds() -> list[tuple[str, str]]:
    """The kinds of events with their severity, the most severe first."""
    kinds = sorted(Event.Kind, key=lambda kind: list(Event.Severity).index(_severity(kind)))
    return [(kind.value, f"{kind.label} ({_severity(kind).label.lower()})") for kind in kinds]


def _severity(kind: Event.Kind) -> Event.Severity:
    return Event(kind=kind).severity


class _Groups(Groups):
    def label_from_instance(self, obj: RunnerGroup) -> str:
        return f"{obj.account}: {obj}"


class ChannelForm(ModelForm):
    """A user's own mailbox: what notices are about, and quiet hours."""

    kinds = forms.MultipleChoiceField(
        label="Notices about",
        choices=_kinds,
        widget=forms.CheckboxSelectMultiple,
        initial=Event.Kind.values,
    )
    accounts = Accounts(
        Account.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Only these accounts",
        help_text="None chosen means all, also those that are connected later.",
    )
    groups = _Groups(
        RunnerGroup.objects.none(),
        required=False,
        widget=forms.SelectMultiple(attrs={"size": 6}),
        label="Only runners in these groups",
        help_text="With groups or owners, only notices about their runners are sent.",
    )
    snooze = forms.ChoiceField(required=False, label="Snooze")
    is_on = forms.BooleanField(label="Send notices", required=False)

    class Meta:
        model = Channel
        fields: tuple[str, ...] = (
            "is_on",
            "kinds",
            "accounts",
            "groups",
            "runner_owners",
            "quiet_from",
            "quiet_until",
            "zone",
            "always_critical",
        )
        widgets: ClassVar = {
            "quiet_from": forms.TimeInput(attrs=TIME),
            "quiet_until": forms.TimeInput(attrs=TIME),
        }
        labels: ClassVar = {
            "zone": "Time zone",
            "runner_owners": "Only runners of these owners",
            "always_critical": "Send critical notices during quiet hours, too",
        }
        help_texts = {  # noqa: RUF012
            "quiet_from": (
                "Notices about what happens in quiet hours are sent when they end, "
                "unless it is over by then."
            ),
            "zone": "For example Europe/Berlin.",
            "runner_owners": "As on the runners' pages, separated by commas: web, data platform.",
            "always_critical": "",
        }

    def __init__(self, *args: Any, user: "User", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups = RunnerGroup.objects.visible_to(user).present().filter(account__demo=False)
        groups = groups.select_related("account").order_by("account__slug", "name", "pk")
        accounts = Account.objects.visible_to(user).filter(demo=False)
        self._offer("accounts", accounts)
        self._offer("groups", groups)

        snooze = cast("forms.ChoiceField", self.fields["snooze"])
        until = self.instance.snoozed_until
        is_snoozed = until is not None and until > timezone.now()
        keep = f"Until {until:%Y-%m-%d %H:%M} UTC" if is_snoozed else "No"
        wake = [(WAKE, "End it now")] if is_snoozed else []
        snooze.choices = [
            (KEEP, keep),
            *wake,
            *((hours, f"For {label}") for hours, label in SNOOZES),
        ]
        snooze.help_text = "Nothing is sent until then; what is over by then is never sent."
        if not self.instance.pk:
            self.initial["kinds"] = Event.Kind.values

    def _offer(self, name: str, rows: "QuerySet[Account] | QuerySet[RunnerGroup]") -> None:
        """Offer these rows in a field, which is left out if there are none."""
        if rows.exists():
            cast("Accounts", self.fields[name]).queryset = cast("QuerySet[Account]", rows)
        else:
            del self.fields[name]

    def clean_zone(self) -> str:
        zone: str = self.cleaned_data["zone"]
        if zone not in available_timezones():
            raise forms.ValidationError(
                "This is not a time zone. Write it like Europe/Berlin, or UTC."
            )
        return zone

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        ends = {data.get("quiet_from") is None, data.get("quiet_until") is None}
        if len(ends) == 2 and not self.errors:
            self.add_error("quiet_until", "Give both ends of the quiet hours, or neither.")
        return data

    def save(self, commit: bool = True) -> Channel:
        if hours := self.cleaned_data.get("snooze"):
            snooze_channel(self.instance, int(hours), timezone.now())
        return super().save(commit)


class SharedChannelForm(ChannelForm):
    """A shared channel. An edit may leave the address empty to keep the present one."""

    address = forms.CharField(
        max_length=2000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Stored encrypted and never shown again: anyone who knows it can write there.",
    )
    field_order = ("name", "address")

    class Meta(ChannelForm.Meta):
        fields = ("name", *ChannelForm.Meta.fields)

    def __init__(self, *args: Any, user: "User", **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        if self.instance.pk:
            self.fields["address"].required = False
            self.fields["address"].label = "New address"

    def clean_address(self) -> str:
        address: str = self.cleaned_data["address"].strip()
        if not address and self.instance.pk:
            return ""
        try:
            check_address(address)
        except UnusableAddress as error:
            raise forms.ValidationError(str(error)) from None
        return address
