"""Forms of people: sign in, set up, add a person, give access, filter the audit log."""

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from allauth.account.forms import ChangePasswordForm, LoginForm
from django import forms
from django.contrib.auth.forms import SetPasswordForm, UserCreationForm
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils.crypto import constant_time_compare

from runners_app.models import Account, AuditEntry, Membership, RunnerGroup
from runners_app.people.people import setup_code

# Django's forms know their model's type only while types are checked.
if TYPE_CHECKING:
    CreationForm = UserCreationForm[User]
    NewPasswordForm = SetPasswordForm[User]
else:
    CreationForm, NewPasswordForm = UserCreationForm, SetPasswordForm


class SignInForm(LoginForm):  # type: ignore[misc]
    """allauth's form with the field `login` renamed to `username`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
        self.fields["password"].help_text = ""

    def add_prefix(self, field_name: str) -> str:
        return "username" if field_name == "login" else field_name


class OwnPasswordForm(ChangePasswordForm):  # type: ignore[misc]
    """Change your own password, with the labels of our other password forms."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = {
            "oldpassword": "Current password",
            "password1": "New password",
            "password2": "New password again",
        }
        for name, label in words.items():
            self.fields[name].label = label
            self.fields[name].widget.attrs.pop("placeholder", None)


class PersonForm(CreationForm):
    """A new user with a first password."""

    administrator = forms.BooleanField(
        required=False, help_text="Sees and changes everything, connects accounts, adds people."
    )

    class Meta:
        model = User
        fields = ("username", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = "Letters, digits and @ . + - _"
        if "email" in self.fields:
            self.fields["email"].label = "E-mail"
        self.fields["password2"].label = "Password again"
        self.fields["password2"].help_text = ""
        self.fields[
            "password1"
        ].help_text = "At least 8 characters, not only digits, none of the common ones."


class SetupForm(PersonForm):
    """The first administrator, added by someone who can read the setup code on the server."""

    code = forms.CharField(
        label="Setup code",
        max_length=100,
        help_text="Printed by make run, and by: python manage.py setup_code",
    )

    field_order = ("code", "username", "password1", "password2")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["administrator"], self.fields["email"]
        self.fields["username"].widget.attrs.pop("autofocus", None)
        self.fields["code"].widget.attrs["autofocus"] = True

    def clean_code(self) -> str:
        entered: str = self.cleaned_data["code"]
        if not constant_time_compare(entered.strip(), setup_code()):
            raise forms.ValidationError("This is not the setup code.")
        return entered


class PasswordForm(NewPasswordForm):
    """A new password for another user."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].label = "Password"
        self.fields["new_password2"].label = "Password again"
        self.fields["new_password2"].help_text = ""
        self.fields["new_password1"].help_text = "Ends the sessions of this person everywhere."


class GiveForm(forms.Form):
    """Access to one or many accounts, with the same role in each."""

    account = forms.ModelMultipleChoiceField(
        queryset=Account.objects.none(), label="Accounts", widget=forms.CheckboxSelectMultiple
    )
    role = forms.ChoiceField(
        choices=Membership.Role.choices,
        initial=Membership.Role.VIEWER,
        widget=forms.RadioSelect,
        help_text="A viewer reads; a manager also changes runners, images and runner groups.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["account"].queryset = Account.objects.order_by("slug")  # type: ignore[attr-defined]


class EmailForm(forms.Form):
    """Another person's e-mail address, by which a provider's users are recognised."""

    email = forms.EmailField(required=False, max_length=254, label="E-mail")

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **{"initial": {"email": person.email}, **kwargs})
        self.person = person

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        others = User.objects.filter(email__iexact=email).exclude(pk=self.person.pk)
        if email and others.exists():
            raise forms.ValidationError("Another person has this address.")
        return email


class LimitForm(forms.Form):
    """The runner groups of an account that a viewer sees."""

    extent = forms.ChoiceField(
        label="What they see",
        choices=[("all", "The whole account"), ("groups", "Only some runner groups")],
        widget=forms.RadioSelect,
    )
    groups = forms.ModelMultipleChoiceField(
        queryset=RunnerGroup.objects.none(),
        required=False,
        label="Runner groups",
        widget=forms.CheckboxSelectMultiple,
        help_text="They see the runners of these groups, the operations on them, and the images "
        "they use; nothing of other groups.",
    )

    def __init__(self, *args: Any, membership: Membership, **kwargs: Any) -> None:
        given = list(membership.groups.values_list("pk", flat=True))
        initial = {"extent": "groups" if membership.limited else "all", "groups": given}
        super().__init__(*args, **{"initial": initial, **kwargs})
        rows = RunnerGroup.objects.filter(account=membership.account).filter(
            Q(gone_at=None) | Q(pk__in=given)
        )
        self.fields["groups"].queryset = rows.order_by("name", "pk")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        if self.errors:
            return self.cleaned_data
        extent, groups = self.cleaned_data["extent"], self.cleaned_data["groups"]
        if extent == "groups" and not groups:
            self.add_error(
                "groups", "Choose at least one group, or remove access to the account instead."
            )
        elif extent == "all" and groups:
            self.add_error(
                "extent",
                "Groups are ticked, but “The whole account” is chosen. Choose “Only some runner "
                "groups”, or untick the groups.",
            )
        return self.cleaned_data

    @property
    def chosen(self) -> "QuerySet[RunnerGroup] | None":
        """The chosen groups, or None for the whole account."""
        chosen: QuerySet[RunnerGroup] = self.cleaned_data["groups"]
        return chosen if self.cleaned_data["extent"] == "groups" else None


class AuditFilterForm(forms.Form):
    """Filters in the query string; invalid values are ignored."""

    person = forms.CharField(required=False, max_length=200)
    action = forms.ChoiceField(
        required=False, choices=[("", "Any action"), *AuditEntry.Action.choices]
    )
    account = forms.CharField(required=False, max_length=200)
    since = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def narrow(self, rows: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Return the matching rows. Days are UTC days; the last one is included."""
        params = self.params
        if person := params.get("person"):
            rows = rows.filter(actor_name__icontains=person)
        if action := params.get("action"):
            rows = rows.filter(action=action)
        if account := params.get("account"):
            rows = rows.filter(account_name__iexact=account)
        if since := params.get("since"):
            rows = rows.filter(at__gte=datetime.combine(since, time.min, UTC))
        if until := params.get("until"):
            rows = rows.filter(at__lte=datetime.combine(until, time.max, UTC))
        return rows

    @property
    def params(self) -> dict[str, Any]:
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}
