"""Form that creates the same runner in several accounts, with a group for each account."""

from typing import Any

from django import forms

from runners_app.models import Account, Image, Limits, MachineSize, RunnerGroup
from runners_app.runners.bulk import Catalog
from runners_app.runners.bulk_forms import images_by_name
from runners_app.runners.forms import NAME_RULE, problem_of_name
from runners_app.runners.settings import RunnerSettings
from runners_app.runners.sizes import fits
from runners_app.web.forms import NonceForm


class ManyRunnersForm(NonceForm):
    """`settings` maps each account's primary key to the validated settings of its runner."""

    name = forms.CharField(
        max_length=500, strip=False, help_text=f"{NAME_RULE} The same in every account."
    )
    image = forms.ChoiceField(help_text="By name: each account resolves it to its own image.")
    image_version = forms.CharField(
        required=False,
        max_length=100,
        label="Image version",
        help_text="For custom images. Empty: the latest.",
    )
    size = forms.ChoiceField()
    maximum_runners = forms.IntegerField(
        min_value=1, max_value=1000, initial=10, label="Maximum runners"
    )
    enable_static_ip = forms.BooleanField(required=False, label="Static public IPs")
    image_gen = forms.BooleanField(required=False, label="May build custom images")

    def __init__(self, *args: Any, accounts: list[Account], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.accounts = accounts
        self.catalog = Catalog(accounts)
        self.settings: dict[int, RunnerSettings] = {}
        images = images_by_name(Image.objects.filter(account__in=accounts))
        self._field("image").choices = [("", "Choose an image"), *images]
        sizes = (
            MachineSize.objects.present()
            .filter(account__in=accounts)
            .order_by("cpu_cores", "github_id")
        )
        names = dict.fromkeys(sizes.values_list("github_id", flat=True))
        self._field("size").choices = [("", "Choose a size"), *((name, name) for name in names)]
        self._offer_groups()

    def _field(self, name: str) -> Any:
        return self.fields[name]

    def _offer_groups(self) -> None:
        rows = (
            RunnerGroup.objects.present()
            .filter(account__in=self.accounts)
            .order_by("-default", "name")
        )
        offered: dict[int, list[tuple[int, str]]] = {}
        for account_id, github_id, name in rows.values_list("account_id", "github_id", "name"):
            offered.setdefault(account_id, []).append((github_id, name))
        left = {
            row.account_id: row
            for row in Limits.objects.current().filter(account__in=self.accounts)
        }
        for account in self.accounts:
            limits = left.get(account.pk)
            self.fields[group_field(account)] = forms.TypedChoiceField(
                coerce=int,
                choices=offered.get(account.pk, []),
                label=f"Runner group in {account}",
                help_text=f"{limits.left} of {limits.maximum} static IPs left." if limits else "",
            )

    @property
    def group_fields(self) -> list[forms.BoundField]:
        return [self[group_field(account)] for account in self.accounts]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        for account in self.accounts:
            try:
                self.settings[account.pk] = self._settings_for(account, data)
            except forms.ValidationError as error:
                self.add_error(group_field(account), error)
        return data

    def _settings_for(self, account: Account, data: dict[str, Any]) -> RunnerSettings:
        """The runner's settings in one account. Raises ValidationError where it cannot exist."""
        if problem := problem_of_name(data["name"], account):
            raise forms.ValidationError(problem)

        source, _, name = data["image"].partition(":")
        images = self.catalog.images.get((account.pk, source, name.lower()), [])
        if not images:
            raise forms.ValidationError(f"{account} is not offered the image {name}.")

        size = self.catalog.sizes.get((account.pk, data["size"]))
        fitting = [image for image in images if size and fits(size, image)]
        if not fitting:
            raise forms.ValidationError(
                f"{account} is not offered the size {data['size']} for {name}."
            )

        image = fitting[0]
        version = data["image_version"] if source == Image.Source.CUSTOM else ""
        if version and (image.pk, version) not in self.catalog.versions:
            raise forms.ValidationError(f"{name} has no version {version} in {account}.")
        if data["enable_static_ip"] and self.catalog.static_ips_left.get(account.pk) == 0:
            raise forms.ValidationError(f"{account} has no static IPs left.")

        return RunnerSettings(
            name=data["name"],
            runner_group_id=data[group_field(account)],
            maximum_runners=data["maximum_runners"],
            enable_static_ip=data["enable_static_ip"],
            size=data["size"],
            image_id=image.github_id,
            image_source=source,
            image_version=version or None,
            image_gen=data["image_gen"],
        )


def group_field(account: Account) -> str:
    """The name of the form field with an account's runner group."""
    return f"group_{account.pk}"
