"""The form of one runner. It only validates; `requests` stores the operation."""

from typing import Any

from django import forms
from django.core import signing
from django.urls import reverse

from runners_app.models import Account, Image, MachineSize, Runner
from runners_app.runners.choices import Choices, choices_for
from runners_app.runners.settings import NAME, RunnerSettings
from runners_app.templatetags.words import plain_value
from runners_app.web.forms import SettingsForm

NAME_RULE = "1 to 64 characters: letters, digits, dots, dashes and underscores."


LATEST = ""


BASE_SALT = "runner form base"


FIELD_OF = {
    "name": "name",
    "size": "size",
    "runner_group_id": "group",
    "maximum_runners": "maximum_runners",
    "enable_static_ip": "enable_static_ip",
    "image_gen": "image_gen",
    "image": "image",
    "image_id": "image",
    "image_source": "image",
    "image_version": "image_version",
    "version": "image_version",
    "id": "image",
    "source": "image",
}


class RunnerForm(SettingsForm):
    """Create or edit a runner. The image decides which versions and sizes are offered.

    After validation, `settings` holds the wanted values.
    """

    salt = BASE_SALT
    field_of = FIELD_OF

    name = forms.CharField(
        max_length=500, strip=False, help_text=f"{NAME_RULE} It is the label in runs-on."
    )
    image = forms.ChoiceField()
    image_version = forms.ChoiceField(required=False, label="Image version")
    size = forms.ChoiceField()
    group = forms.TypedChoiceField(coerce=int, label="Runner group")
    maximum_runners = forms.IntegerField(
        min_value=1,
        max_value=1000,
        initial=10,
        label="Maximum runners",
        help_text="How many machines can run at the same time. GitHub allows 1,000 for most Linux"
        " runners.",
    )
    enable_static_ip = forms.BooleanField(required=False, label="Static public IPs")
    image_gen = forms.BooleanField(
        required=False,
        label="May build custom images",
        help_text="Jobs that take a snapshot on this runner create image versions.",
    )

    def __init__(
        self, *args: Any, account: Account, runner: Runner | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, account=account, is_edit=runner is not None, **kwargs)
        self.runner = runner
        self.choices: Choices = choices_for(account)
        self._check_while_typing()
        self._offer_images()
        self._follow_image()
        self._offer_groups()
        if runner is not None:
            self._show_current_values(runner)
        if (limits := self.choices.limits) is not None:
            self.fields["enable_static_ip"].help_text = (
                f"{limits.used} of {limits.maximum} runners in {account} have them;"
                f" {limits.left} left."
            )

    def _check_while_typing(self) -> None:
        """Check the name, and reload versions and sizes when the image changes."""
        target = f"runner={self.runner.pk}" if self.runner else f"account={self.account.pk}"
        self.fields["name"].widget.attrs.update(
            {
                "hx-get": f"{reverse('runner-name')}?{target}",
                "hx-trigger": "input changed delay:300ms",
                "hx-target": "#id_name_hint",
                "hx-swap": "innerHTML",
                "autocomplete": "off",
                "spellcheck": "false",
            }
        )
        self.fields["image"].widget.attrs.update(
            {
                "hx-get": "",
                "hx-trigger": "change",
                "hx-include": "#runner-form",
                "hx-target": "#following",
                "hx-params": "account,image,image_version,size",
                "hx-swap": "outerHTML",
            }
        )

    def _offer_images(self) -> None:
        by_source: dict[str, list[tuple[str, str]]] = {}
        for image in self.choices.images:
            by_source.setdefault(image.get_source_display(), []).append(
                (_image_key(image), _image_label(image))
            )
        options: list[Any] = [("", "Choose an image"), *by_source.items()]
        if self.runner and not self.choices.image(self.runner.image_source, self.runner.image_id):
            shown = self.runner.image_name or self.runner.image_id or "Unknown image"
            options.insert(1, (self._runner_image_key(), f"{shown} (no longer offered)"))
        self._field("image").choices = options

    def _follow_image(self) -> None:
        """Offer the versions and sizes of the chosen image."""
        image = self.chosen_image
        versions = (
            self.choices.versions.get(image.github_id, [])
            if image and image.source == "custom"
            else []
        )
        fixed = self.runner.fixed_image_version if self.runner else None
        if fixed and self.runner and image and self.runner.image_id == image.github_id:
            versions = list(dict.fromkeys([*versions, fixed]))
        self._field("image_version").choices = [
            (LATEST, "Latest, follows new versions"),
            *((v, v) for v in versions),
        ]
        sizes = [(size.github_id, _size_label(size)) for size in self.choices.sizes_for(image)]
        if self.runner and self.runner.size not in dict(sizes):
            sizes.append((self.runner.size, f"{self.runner.size} (current size)"))
        self._field("size").choices = [("", "Choose a size"), *sizes]

    def _offer_groups(self) -> None:
        groups: list[tuple[Any, str]] = list(self.choices.groups)
        if self.runner and self.runner.group_id and self.runner.group_id not in dict(groups):
            groups.append((self.runner.group_id, f"Group {self.runner.group_id}"))
        self._field("group").choices = groups

    def _show_current_values(self, runner: Runner) -> None:
        """Name GitHub's value where the form starts with another one, as after a conflict.

        A script shows it for every field that is changed.
        """
        for name, value in initial_of(RunnerSettings.of(runner)).items():
            field = self._field(name)
            choices = [
                option
                for key, label in getattr(field, "choices", [])
                for option in (label if isinstance(label, list | tuple) else [(key, label)])
            ]
            labels = {str(key): str(label) for key, label in choices}
            shown = labels.get(str(value)) or plain_value(value)
            field.widget.attrs["data-before"] = shown
            if str(self.get_initial_for_field(field, name)) != str(value):
                field.help_text = f"On GitHub now: {shown}. {field.help_text}".strip()

    def _field(self, name: str) -> Any:
        return self.fields[name]

    def _runner_image_key(self) -> str:
        return f"{self.runner.image_source}:{self.runner.image_id}" if self.runner else ""

    @property
    def chosen_image(self) -> Image | None:
        key = (
            self.data.get("image")
            if self.is_bound
            else self.get_initial_for_field(self.fields["image"], "image")
        )
        source, _, image_id = str(key or "").partition(":")
        return self.choices.image(source, image_id)

    @property
    def static_ips_left(self) -> int | None:
        return self.choices.limits.left if self.choices.limits else None

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if problem := problem_of_name(name, self.account, self.runner):
            raise forms.ValidationError(problem)
        return name

    def clean_enable_static_ip(self) -> bool:
        wanted: bool = self.cleaned_data["enable_static_ip"]
        has_one = self.runner is not None and self.runner.static_ip
        if wanted and not has_one and self.static_ips_left == 0 and self.choices.limits:
            raise forms.ValidationError(
                f"None left: {self.choices.limits.used} of {self.choices.limits.maximum} runners in"
                f" {self.account} have static IPs. Switch them off for another runner first, or"
                " ask GitHub Support for more."
            )
        return wanted

    @property
    def base_settings(self) -> RunnerSettings:
        """The values an edit started from."""
        return RunnerSettings.from_stored(self.cleaned_data["base"])

    @property
    def settings(self) -> RunnerSettings:
        data = self.cleaned_data
        source, _, image_id = data["image"].partition(":")
        return RunnerSettings(
            name=data["name"],
            runner_group_id=data["group"],
            maximum_runners=data["maximum_runners"],
            enable_static_ip=data["enable_static_ip"],
            size=data["size"],
            image_id=image_id,
            image_source=source,
            image_version=self._wanted_version(source, image_id),
            image_gen=data["image_gen"],
        )

    def _wanted_version(self, source: str, image_id: str) -> str | None:
        """Only custom images offer versions; any other image keeps the version GitHub reported."""
        if source == Image.Source.CUSTOM:
            return self.cleaned_data["image_version"] or None
        runner = self.runner
        if runner and (runner.image_source, runner.image_id) == (source, image_id):
            return runner.fixed_image_version
        return None


def problem_of_name(name: str, account: Account, runner: Runner | None = None) -> str:
    """What is wrong with a runner's name; empty if nothing is.

    An existing name is never checked, because GitHub once allowed spaces.
    """
    if runner is not None and name == runner.name:
        return ""
    if not NAME.fullmatch(name):
        return f"GitHub allows {NAME_RULE}"
    others = (
        Runner.objects.present()
        .filter(account=account, name__iexact=name)
        .exclude(pk=runner.pk if runner else 0)
    )
    return f"{account} already has a runner of this name." if others.exists() else ""


def initial_of(settings: RunnerSettings) -> dict[str, Any]:
    """The form's initial values for these settings."""
    return {
        "name": settings.name,
        "image": f"{settings.image_source}:{settings.image_id}",
        "image_version": settings.image_version or LATEST,
        "size": settings.size,
        "group": settings.runner_group_id,
        "maximum_runners": settings.maximum_runners,
        "enable_static_ip": settings.enable_static_ip,
        "image_gen": settings.image_gen,
    }


def signed_base(runner: Runner) -> str:
    """The signed values an edit starts from; they reveal what changed while the form was open."""
    return signing.dumps(RunnerSettings.of(runner).stored(), salt=BASE_SALT)


def _image_key(image: Image) -> str:
    return f"{image.source}:{image.github_id}"


def _image_label(image: Image) -> str:
    return f"{image.name} ({image.platform})" if image.platform else image.name


def _size_label(size: MachineSize) -> str:
    parts = [
        f"{size.cpu_cores} cores" if size.cpu_cores else "",
        f"{size.memory_gb} GB memory" if size.memory_gb else "",
        f"{size.storage_gb} GB disk" if size.storage_gb else "",
    ]
    details = ", ".join(filter(None, parts))
    return f"{size.github_id}: {details}" if details else size.github_id
