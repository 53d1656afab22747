"""Forms that several subjects share. They only validate; request functions change things."""

import uuid
from typing import Any, ClassVar

from django import forms
from django.core import signing
from django.core.exceptions import NON_FIELD_ERRORS

from runners_app.models import Account, Operation


def new_nonce() -> str:
    return str(uuid.uuid4())


class NonceForm(forms.Form):
    """A form that leads to one operation, however often it is submitted."""

    nonce = forms.UUIDField(
        widget=forms.HiddenInput, initial=new_nonce, error_messages={"invalid": "Open it again."}
    )

    @property
    def nonce_text(self) -> str:
        return str(self.cleaned_data["nonce"])


class SettingsForm(NonceForm):
    """Create or edit something on GitHub. `base` holds the values an edit starts from, signed."""

    salt: ClassVar[str]
    # Field names in GitHub's refusals → fields of the form.
    field_of: ClassVar[dict[str, str]]

    base = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, account: Account, is_edit: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account, self.is_edit = account, is_edit

    def clean_base(self) -> dict[str, Any]:
        if not self.is_edit:
            return {}
        try:
            base: dict[str, Any] = signing.loads(self.cleaned_data["base"], salt=self.salt)
        except signing.BadSignature:
            message = "This form was changed on its way. Open it again."
            raise forms.ValidationError(message) from None
        return base

    def show_refusal(self, operation: Operation) -> None:
        """Show a rejected operation's errors, in GitHub's words, at the fields they belong to."""
        placed = False
        for error in (operation.refusal or {}).get("errors", []):
            field = self.field_of.get((error.get("field") or "").split(".")[-1])
            code = (error.get("code") or "invalid").replace("_", " ")
            self._add_initial_error(field, error.get("message") or f"GitHub says: {code}.")
            placed = placed or field is not None
        if not placed and operation.reason:
            self._add_initial_error(None, operation.reason)

    def _add_initial_error(self, field: str | None, message: str) -> None:
        """Add an error to an unbound form, whose `errors` Django creates empty and then keeps."""
        no_errors = self.error_class(renderer=self.renderer)
        self.errors.setdefault(field or NON_FIELD_ERRORS, no_errors).append(message)


class DeleteForm(NonceForm):
    """Confirms a deletion by typing the name of the thing to delete."""

    typed = forms.CharField(max_length=600)

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected
        self.fields["typed"].label = f"Type {expected} to confirm"
        self.fields["typed"].error_messages["required"] = (
            f"Type {expected} here first. Nothing was deleted."
        )
        self.fields["typed"].widget.attrs.update({"autocomplete": "off", "spellcheck": "false"})

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed != self.expected.strip():
            raise forms.ValidationError(f"This is not {self.expected}. Nothing was deleted.")
        return typed
