"""Forms of a shared channel and of a user's own mailbox. An address is never shown again."""

from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import available_timezones

from django import forms

from runners_app.models import Channel, Event
from runners_app.notices.addresses import UnusableAddress
from runners_app.notices.delivery import check_address

# ModelForm is generic only in its type stubs.
if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Channel]
else:
    ModelForm = forms.ModelForm

TIME = {"type": "time"}


class ChannelForm(ModelForm):
    """A user's own mailbox: what notices are about, and quiet hours."""

    kinds = forms.MultipleChoiceField(
        label="Notices about",
        choices=Event.Kind.choices,
        widget=forms.CheckboxSelectMultiple,
        initial=Event.Kind.values,
    )
    is_on = forms.BooleanField(label="Send notices", required=False)

    class Meta:
        model = Channel
        fields: tuple[str, ...] = ("is_on", "kinds", "quiet_from", "quiet_until", "zone")
        widgets: ClassVar = {
            "quiet_from": forms.TimeInput(attrs=TIME),
            "quiet_until": forms.TimeInput(attrs=TIME),
        }
        labels: ClassVar = {"zone": "Time zone"}
        help_texts = {  # noqa: RUF012
            "quiet_from": (
                "Notices about what happens in quiet hours are sent when they end, "
                "unless it is over by then."
            ),
            "zone": "For example Europe/Berlin.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            self.initial["kinds"] = Event.Kind.values

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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
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
