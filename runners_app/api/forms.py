"""The form of a new API token."""

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from django import forms

from runners_app.api.tokens import DEFAULT_DAYS, MOST_DAYS, Access
from runners_app.models import Account, ApiToken, RunnerGroup

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_RANGES = 50


class TokenForm(forms.Form):
    """A token no wider than its owner: the choices are what the owner may see."""

    name = forms.CharField(max_length=100, help_text="What it is for, for example: CI of web.")
    scopes = forms.MultipleChoiceField(
        choices=ApiToken.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        initial=[ApiToken.Scope.READ],
        label="It may",
        help_text="Nothing that you may not do yourself.",
    )
    days = forms.IntegerField(
        min_value=1, max_value=MOST_DAYS, initial=DEFAULT_DAYS, label="Days until it expires"
    )
    accounts = forms.ModelMultipleChoiceField(
        queryset=Account.objects.none(),
        required=False,
        help_text="Choose none for all accounts you may see, now and later.",
    )
    groups = forms.ModelMultipleChoiceField(
        queryset=RunnerGroup.objects.none(),
        required=False,
        label="Runner groups",
        help_text="Of the accounts of these groups it sees only these groups, and changes nothing.",
    )
    addresses = forms.CharField(
        required=False,
        max_length=2000,
        label="Address ranges",
        help_text="For example 192.0.2.0/24, 2001:db8::7. Empty: from anywhere.",
    )

    def __init__(self, *args: Any, owner: "User", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups = RunnerGroup.objects.visible_to(owner).present().select_related("account")
        fields: dict[str, Any] = self.fields
        fields["accounts"].queryset = Account.objects.visible_to(owner)
        fields["groups"].queryset = groups.order_by("account__slug", "name", "pk")
        fields["groups"].label_from_instance = lambda group: f"{group.account}: {group.name}"

    def clean_addresses(self) -> list[str]:
        texts = re.split(r"[\s,]+", self.cleaned_data["addresses"].strip())
        try:
            ranges = [str(ip_network(text)) for text in texts if text]
        except ValueError as error:
            raise forms.ValidationError(f"{error}. Write a range like 192.0.2.0/24.") from None
        if len(ranges) > MOST_RANGES:
            raise forms.ValidationError(f"At most {MOST_RANGES} ranges.")
        return ranges

    @property
    def access(self) -> list[Access] | None:
        """What the token is limited to; None for everything its owner may see."""
        by_account: dict[Account, list[RunnerGroup]] = {
            account: [] for account in self.cleaned_data["accounts"]
        }
        for group in self.cleaned_data["groups"]:
            by_account.setdefault(group.account, []).append(group)
        if not by_account:
            return None
        return [Access(account, groups or None) for account, groups in by_account.items()]
