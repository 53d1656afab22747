"""Forms of accounts and GitHub Apps. Secrets are write-only: a redisplayed form asks again."""

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.urls import reverse

from runners_app.accounts.accounts import CannotConnect, check_api_url, check_slug
from runners_app.credentials.credentials import UnusableToken, kind_of_token
from runners_app.github import AppAuth
from runners_app.models import Account, Credential

GITHUB = "https://api.github.com"


def token_field(label: str = "Token") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    return forms.CharField(
        label=label,
        widget=widget,
        max_length=1000,
        help_text="Stored encrypted and never shown again, here or anywhere else.",
    )


def check_token(token: str, kind: str) -> str:
    """Return the token. Raises ValidationError if it cannot serve an account of this kind."""
    try:
        kind_of = kind_of_token(token)
    except UnusableToken as error:
        raise forms.ValidationError(str(error)) from None
    if kind == Account.Kind.ENTERPRISE and kind_of != Credential.Kind.CLASSIC:
        raise forms.ValidationError(
            "GitHub lets only classic tokens manage the runners of an enterprise."
        )
    return token


def checked_api_url(api_url: str) -> str:
    """Return the canonical address. Raises ValidationError."""
    try:
        return check_api_url(api_url)
    except CannotConnect as error:
        raise forms.ValidationError(str(error)) from None


class ConnectForm(forms.Form):
    kind = forms.ChoiceField(
        choices=Account.Kind.choices,
        initial=Account.Kind.ORGANIZATION,
        widget=forms.RadioSelect,
        label="Kind",
    )
    slug = forms.CharField(
        label="Name",
        max_length=300,
        help_text="As in its address at GitHub: acme for github.com/acme.",
    )
    api_url = forms.CharField(
        label="Address of the API",
        initial=GITHUB,
        max_length=300,
        help_text="https://api.github.com; with data residency https://api.SUBDOMAIN.ghe.com; for "
        "GitHub Enterprise Server, which has no larger runners itself, https://HOSTNAME/api/v3.",
    )
    token = token_field()
    observe_only = forms.BooleanField(
        required=False,
        label="Observe only",
        help_text="Trackside never writes to the account: for accounts managed by Terraform, say.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("kind", "slug", "api_url"):
            self.fields[name].widget.attrs.update(
                {
                    "hx-get": reverse("account-new"),
                    "hx-trigger": "change",
                    "hx-target": "#token-help",
                    "hx-include": "[name=kind]:checked, [name=slug], [name=api_url]",
                    "hx-params": "kind,slug,api_url",
                    "hx-swap": "outerHTML",
                    "hx-sync": "closest form:queue last",
                    "autocomplete": "off",
                    "spellcheck": "false",
                    "autocapitalize": "none",
                }
            )

    def clean_slug(self) -> str:
        """Accept a slug or the whole address of an organization or enterprise."""
        text: str = self.cleaned_data["slug"]
        path = urlsplit(text).path if "://" in text else text
        parts = [
            part
            for part in path.split("/")
            if part and part not in ("orgs", "organizations", "enterprises")
        ]
        try:
            return check_slug(parts[0] if "/" in text and parts else text)
        except CannotConnect as error:
            raise forms.ValidationError(str(error)) from None

    def clean_api_url(self) -> str:
        return checked_api_url(self.cleaned_data["api_url"])

    def clean_token(self) -> str:
        return check_token(self.cleaned_data["token"], self.cleaned_data.get("kind", ""))

    def clean(self) -> dict[str, Any] | None:
        data = self.cleaned_data
        if {"kind", "slug", "api_url"} <= data.keys():
            same = Account.objects.filter(
                kind=data["kind"], slug__iexact=data["slug"], api_url=data["api_url"]
            )
            if same.exists():
                self.add_error(
                    "slug",
                    f"The {data['kind']} {data['slug']} is connected already: "
                    "replace its token on its page.",
                )
        if self.errors and "token" not in self.errors:
            self.add_error("token", "Paste the token again: Trackside did not keep it.")
        return data


class TokenForm(forms.Form):
    """A new token, and with it possibly a new address: a secret belongs to one address."""

    token = token_field("New token")
    api_url = forms.CharField(
        label="Address of the API",
        max_length=300,
        required=False,
        help_text="Change it only if the server has moved. The token is sent to no other address.",
    )

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        self.fields["api_url"].initial = account.api_url

    def clean_token(self) -> str:
        return check_token(self.cleaned_data["token"], self.account.kind)

    def clean_api_url(self) -> str:
        return checked_api_url(self.cleaned_data["api_url"] or self.account.api_url)


class AppForm(forms.Form):
    """A GitHub App. Its key is write-only."""

    issuer = forms.RegexField(
        r"^[A-Za-z0-9._-]+$",
        label="App ID or client ID",
        max_length=100,
        help_text="On the App's settings page: a number, or a text like Iv23li…",
        error_messages={"invalid": "Only the ID itself: digits, or letters, digits and dots."},
    )
    private_key = forms.CharField(
        label="Private key",
        max_length=10_000,
        widget=forms.Textarea(
            attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false", "class": "mono"}
        ),
        help_text="The whole PEM file from GitHub. Stored encrypted, and never shown again.",
    )
    api_url = forms.CharField(label="Address of the API", initial=GITHUB, max_length=300)

    def clean_api_url(self) -> str:
        return checked_api_url(self.cleaned_data["api_url"])

    def clean_private_key(self) -> str:
        pem: str = self.cleaned_data["private_key"].strip() + "\n"
        try:
            AppAuth("0", pem)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None
        return pem

    def clean(self) -> dict[str, Any]:
        if self.errors and "private_key" not in self.errors:
            self.add_error("private_key", "Paste the key again: Trackside did not keep it.")
        self.data = {name: value for name, value in self.data.items() if name != "private_key"}
        return self.cleaned_data


class DisconnectForm(forms.Form):
    """Confirm by typing the account's name."""

    typed = forms.CharField(max_length=300, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        self.fields["typed"].label = f"Type {account} to confirm"
        self.fields["typed"].error_messages["required"] = (
            "Nothing was disconnected: type the name to confirm."
        )

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed != str(self.account):
            raise forms.ValidationError(f"This is not {self.account}. Nothing was disconnected.")
        return typed
