"""Forms for bulk changes and bulk deletions of runners."""

from typing import Any

from django import forms

from runners_app.models import Account, Image, ImageVersion, MachineSize, RunnerGroup
from runners_app.models.images import ImageQuerySet
from runners_app.runners.bulk import DesiredChange
from runners_app.web.forms import NonceForm

UNCHANGED = "Leave unchanged"


def images_by_name(images: ImageQuerySet) -> list[tuple[str, list[tuple[str, str]]]]:
    """Choices grouped by source, each name once: [(source label, [("source:name", name)])]."""
    names = images.present().order_by("source", "name").values_list("source", "name")
    by_source: dict[str, list[tuple[str, str]]] = {}
    for source, name in dict.fromkeys(names):
        by_source.setdefault(Image.Source(source).label, []).append((f"{source}:{name}", name))
    return list(by_source.items())


class BulkForm(forms.Form):
    """The new values for every selected runner; empty fields stay as they are.

    `accounts` come from `visible_to`, so the choices are limited to what the user may see.
    """

    image = forms.ChoiceField(
        required=False, help_text="By name: each account resolves it to its own image."
    )
    image_version = forms.ChoiceField(
        required=False,
        label="Image version",
        help_text="For a custom image chosen above; without one, runners get its latest version.",
    )
    size = forms.ChoiceField(required=False)
    group = forms.ChoiceField(
        required=False, label="Runner group", help_text="By name, in each account."
    )
    maximum_runners = forms.IntegerField(
        required=False, min_value=1, max_value=1000, label="Maximum runners"
    )
    enable_static_ip = forms.TypedChoiceField(
        required=False,
        label="Static public IPs",
        choices=[("", UNCHANGED), ("on", "On"), ("off", "Off")],
        coerce=lambda value: value == "on",
        empty_value=None,
    )

    def __init__(self, *args: Any, accounts: list[Account], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        image: Any = self.fields["image"]
        image.choices = [("", UNCHANGED), *images_by_name(Image.objects.within(accounts))]
        groups = RunnerGroup.objects.present().within(accounts).order_by("name")
        self._offer("group", list(dict.fromkeys(groups.values_list("name", flat=True))))
        sizes = MachineSize.objects.present().within(accounts).order_by("cpu_cores", "github_id")
        self._offer("size", list(dict.fromkeys(sizes.values_list("github_id", flat=True))))
        versions = ImageVersion.objects.present().within(accounts).order_by("-created_on")
        self._offer(
            "image_version",
            list(dict.fromkeys(versions.values_list("version", flat=True))),
        )

    def _offer(self, name: str, values: list[str]) -> None:
        field: Any = self.fields[name]
        field.choices = [("", UNCHANGED), *((value, value) for value in values)]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and not any(value not in ("", None) for value in data.values()):
            raise forms.ValidationError("Choose at least one value to change.")
        if data.get("image_version") and not data.get("image"):
            self.add_error("image_version", "Choose the image this version belongs to.")
        return data

    @property
    def change(self) -> DesiredChange:
        data = self.cleaned_data
        source, _, name = data["image"].partition(":")
        return DesiredChange(
            maximum_runners=data["maximum_runners"],
            group=data["group"] or None,
            size=data["size"] or None,
            enable_static_ip=data["enable_static_ip"],
            image=(source, name) if name else None,
            image_version=data["image_version"],
        )


class ConfirmForm(NonceForm):
    """Confirms a plan. `digest` identifies the plan that the user was shown."""

    digest = forms.CharField(widget=forms.HiddenInput)


class ConfirmEditForm(ConfirmForm):
    """Confirms edits, which may be tried on some of the runners before the others."""

    first = forms.IntegerField(
        required=False,
        min_value=1,
        label="Try it on the first",
        help_text="The others wait until you continue. Leave empty to change all of them.",
    )


class RecreateForm(ConfirmForm):
    """Asks for an explicit yes, which is never preset."""

    agreed = forms.BooleanField(
        label="Delete these runners and create them again",
        error_messages={"required": "Tick this first. Nothing was deleted."},
    )


class BulkDeleteForm(ConfirmForm):
    """Asks for the number of runners that will be deleted."""

    typed = forms.CharField(max_length=10)

    def __init__(self, *args: Any, count: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.count = count
        self.fields["typed"].label = f"Type {count}, the number of runners, to confirm"
        self.fields["typed"].error_messages["required"] = (
            f"Type {count} here first. Nothing was deleted."
        )
        self.fields["typed"].widget.attrs.update({"autocomplete": "off", "inputmode": "numeric"})

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed.strip() != str(self.count):
            raise forms.ValidationError(f"That is not {self.count}. Nothing was deleted.")
        return typed
