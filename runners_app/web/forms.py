"""Forms: whether what a person entered makes sense. They only validate; services change things."""

import uuid
from typing import Any, ClassVar

from django import forms
from django.core import signing
from django.core.exceptions import NON_FIELD_ERRORS

from runners_app.models import Account, Operation


def new_nonce() -> str:
    return str(uuid.uuid4())


class NonceForm(forms.Form):
    """A form that is one operation however often it arrives."""

    nonce = forms.UUIDField(
        widget=forms.HiddenInput, initial=new_nonce, error_messages={"invalid": "Open it again."}
    )

    @property
    def nonce_text(self) -> str:
        return str(self.cleaned_data["nonce"])


class SettingsForm(NonceForm):
    """Create or edit something at GitHub. `base` holds the values an edit starts from, signed."""

    salt: ClassVar[str]
    field_of: ClassVar[
        dict[str, str]
    ]  # field names GitHub may use in its refusals → fields of the form

    base = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, account: Account, is_edit: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account, self.is_edit = account, is_edit

    def clean_base(self) -> dict[str, Any]:
        try:
            base: dict[str, Any] = (
                signing.loads(self.cleaned_data["base"], salt=self.salt) if self.is_edit else {}
            )
        except signing.BadSignature:
            raise forms.ValidationError(
                "This form was changed on its way. Open it again."
            ) from None
        return base

    def show_refusal(self, operation: Operation) -> None:
        """GitHub's words at the fields they belong to, when an operation is edited to be sent
        again.
        """
        placed = False
        for error in (operation.refusal or {}).get("errors", []):
            field = self.field_of.get((error.get("field") or "").split(".")[-1])
            words = (
                error.get("message")
                or f"GitHub says: {(error.get('code') or 'invalid').replace('_', ' ')}."
            )
            self._add_initial_error(field, words)
            placed = placed or field is not None
        if not placed and operation.reason:
            self._add_initial_error(None, operation.reason)

    def _add_initial_error(self, field: str | None, words: str) -> None:
        """An error on a form that is not bound yet."""
        errors = self.errors  # empty, and kept, while the form is not bound
        errors.setdefault(
            field or NON_FIELD_ERRORS, self.error_class(renderer=self.renderer)
        ).append(words)


class DeleteForm(NonceForm):
    """Asks for the name of what is to be deleted."""

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
