"""The same new runner in several accounts: one form, a group for each account."""

from typing import Any

from django import forms

from runners_app.models import Account, Image, ImageVersion, Limits, MachineSize, RunnerGroup
from runners_app.runners.bulk import Catalog
from runners_app.runners.bulk_forms import images_by_name
from runners_app.runners.forms import NAME_RULE, problem_of_name
from runners_app.runners.settings import RunnerSettings
from runners_app.runners.sizes import fits
from runners_app.web.forms import NonceForm


class ManyRunnersForm(NonceForm):
    """`settings` are those for each account by primary key."""

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
            if problem := self._problem(account, data):
                self.add_error(group_field(account), problem)
        return data

    def _problem(self, account: Account, data: dict[str, Any]) -> str:
        """Why the runner cannot be asked for in one account; else its values are kept."""
        if problem := problem_of_name(data["name"], account):
            return problem
        source, _, name = data["image"].partition(":")
        images = self.catalog.images.get((account.pk, source, name.lower()), [])
        size = self.catalog.sizes.get((account.pk, data["size"]))
        image = next((image for image in images if size and fits(size, image)), None)
        version = data["image_version"] if source == Image.Source.CUSTOM else ""
        if not images:
            return f"{account} is not offered the image {name}."
        if size is None or image is None:
            return f"{account} is not offered the size {data['size']} for {name}."
        if (
            version
            and not ImageVersion.objects.present().filter(image=image, version=version).exists()
        ):
            return f"{name} has no version {version} in {account}."
        if data["enable_static_ip"] and self.catalog.static_ips_left.get(account.pk) == 0:
            return f"{account} has no static IPs left."
        self.settings[account.pk] = RunnerSettings(
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
        return ""


def group_field(account: Account) -> str:
    return f"group_{account.pk}"
