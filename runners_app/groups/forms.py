"""Forms of runner groups: create and edit, and moving self-hosted runners."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core import signing

from runners_app.accounts.accounts import SLUG
from runners_app.groups.requests import UNKNOWN
from runners_app.groups.settings import GroupSettings
from runners_app.groups.workflows import WORKFLOW_PATH
from runners_app.models import Account, GroupAccess, Repository, RunnerGroup
from runners_app.web.forms import NonceForm, SettingsForm

BASE_SALT = "group form base"
VISIBILITIES = {
    Account.Kind.ORGANIZATION: [
        ("all", "All repositories"),
        ("private", "Private repositories"),
        ("selected", "Selected repositories"),
    ],
    Account.Kind.ENTERPRISE: [("all", "All organizations"), ("selected", "Selected organizations")],
}
FIELD_OF = {
    "name": "name",
    "visibility": "visibility",
    "allows_public_repositories": "allows_public_repositories",
    "restricted_to_workflows": "restricted_to_workflows",
    "selected_workflows": "selected_workflows",
    "network_configuration_id": "network_configuration_id",
    "selected_repository_ids": "members",
    "selected_organization_ids": "members",
    "repository_id": "members",
    "organization_id": "members",
}
MOST_NAMED, MOST_LOOKED_UP = 500, 20


class GroupForm(SettingsForm):
    """Create or edit a group.

    `settings` are the requested values, `cleaned_add` the lines to add to its access list.
    """

    salt = BASE_SALT
    field_of = FIELD_OF

    name = forms.CharField(
        max_length=255,
        help_text="Unique in the account, and among the groups its enterprise shares.",
    )
    visibility = forms.ChoiceField(widget=forms.RadioSelect)
    members = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})
    )
    allows_public_repositories = forms.BooleanField(
        required=False,
        label="Allow public repositories",
        help_text="Anyone who can open a pull request in one can then run code on these runners.",
    )
    restricted_to_workflows = forms.BooleanField(required=False, label="Only selected workflows")
    selected_workflows = forms.CharField(
        required=False,
        label="Selected workflows",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="One per line, with branch, tag or full commit: "
        "owner/repo/.github/workflows/deploy.yml@main",
    )
    network_configuration_id = forms.CharField(
        required=False,
        max_length=200,
        label="Network configuration",
        help_text="Its id at GitHub, for runners in a private network. Empty: none.",
    )

    def __init__(
        self, *args: Any, account: Account, group: RunnerGroup | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, account=account, is_edit=group is not None, **kwargs)
        self.group = group
        choices = list(VISIBILITIES[Account.Kind(account.kind)])
        if group and group.visibility not in dict(choices):
            choices.append((group.visibility, f"{group.visibility} (as it is now)"))
        visibility: Any = self.fields["visibility"]
        visibility.choices = choices
        is_organization = account.kind == Account.Kind.ORGANIZATION
        self.members_noun = noun = "repositories" if is_organization else "organizations"
        self.fields["members"].label = f"Add {noun}"
        self.fields["members"].help_text = (
            f"One name per line, if the group is for selected {noun}. "
            "A searchable list follows once the group exists."
        )
        if group:
            self._show_before(group)
        if group and group.workflow_restrictions_read_only:
            for name in ("restricted_to_workflows", "selected_workflows"):
                self.fields[name].disabled = True

    @property
    def known_members(self) -> list[str]:
        """Names to offer at once: few organizations; repositories are searched while typing."""
        if self.account.kind == Account.Kind.ORGANIZATION:
            return []
        return sorted({name for _, name in members_of(self.account)})

    def _show_before(self, group: RunnerGroup) -> None:
        """Let the page show each changed value beside the one that GitHub has now."""
        visibility: Any = self.fields["visibility"]
        shown = {
            **initial_of_group(GroupSettings.of(group)),
            "visibility": dict(visibility.choices)[group.visibility],
        }
        for name, value in shown.items():
            if name in self.fields:
                text = {True: "yes", False: "no", None: ""}.get(value, value)
                self.fields[name].widget.attrs["data-before"] = text

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = RunnerGroup.objects.present().filter(account=self.account, name__iexact=name)
        if others.exclude(pk=self.group.pk if self.group else 0).exists():
            raise forms.ValidationError(
                f"{self.account} already has a runner group of this name, or inherits one."
            )
        return name

    def clean_selected_workflows(self) -> list[str]:
        lines = [
            line.strip()
            for line in self.cleaned_data["selected_workflows"].splitlines()
            if line.strip()
        ]
        for line in lines:
            path, _, ref = line.rpartition("@")
            if not WORKFLOW_PATH.fullmatch(path) or not ref:
                raise forms.ValidationError(
                    f"“{line}” is not a complete workflow. "
                    "Write owner/repo/.github/workflows/deploy.yml@main, "
                    "with the branch, tag or commit after the @."
                )
        return sorted(set(lines))

    def clean_members(self) -> dict[str, str]:
        names = [
            line.strip().rpartition("/")[2]
            for line in self.cleaned_data["members"].splitlines()
            if line.strip()
        ]
        if len(names) > MOST_NAMED:
            raise forms.ValidationError(f"More than {MOST_NAMED} at once. Add them in parts.")
        return self._found(dict.fromkeys(names)) if names else {}

    def _found(self, names: Iterable[str]) -> dict[str, str]:
        candidates = {name.lower(): (str(key), name) for key, name in members_of(self.account)}
        found = dict(candidates[name.lower()] for name in names if name.lower() in candidates)
        missing = [name for name in names if name.lower() not in candidates]
        if self.account.kind == Account.Kind.ORGANIZATION:
            if missing:
                raise forms.ValidationError(
                    f"Trackside knows no such repository in {self.account}: {_short(missing)}."
                )
            return found
        if wrong := [name for name in missing if not SLUG.fullmatch(name)]:
            raise forms.ValidationError(f"These cannot be names of organizations: {_short(wrong)}.")
        if len(missing) > MOST_LOOKED_UP:
            raise forms.ValidationError(
                f"At most {MOST_LOOKED_UP} organizations at once that are in no group yet. "
                "Add them in parts."
            )
        return {**found, **{f"{UNKNOWN}{name}": name for name in missing}}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("members") and data.get("visibility") not in ("selected", None):
            self.add_error(
                "members", "Only a group with visibility “Selected” has a list. Choose it above."
            )
        if (
            data.get("restricted_to_workflows")
            and not data.get("selected_workflows")
            and not self.errors
        ):
            self.add_error(
                "selected_workflows",
                "Select at least one, or no job can use the runners of this group.",
            )
        if data.get("selected_workflows") and not data.get("restricted_to_workflows"):
            self._check_unused_workflows(data)
        return data

    def _check_unused_workflows(self, data: dict[str, Any]) -> None:
        """Workflows that were just entered must not be ignored, which would allow all of them.

        GitHub keeps the list of a group that is no longer restricted; that one may stay.
        """
        listed = list((data.get("base") or {}).get("selected_workflows") or [])
        if data["selected_workflows"] != sorted(listed):
            self.add_error(
                "restricted_to_workflows",
                "Workflows are listed below, but every workflow is allowed. Tick this, or remove "
                "the workflows.",
            )

    @property
    def base_settings(self) -> GroupSettings:
        """The values that the edit started from."""
        return GroupSettings.from_stored(self.cleaned_data["base"])

    @property
    def settings(self) -> GroupSettings:
        """The requested values."""
        data = self.cleaned_data
        return GroupSettings(
            name=data["name"],
            visibility=data["visibility"],
            allows_public_repositories=data["allows_public_repositories"],
            restricted_to_workflows=data["restricted_to_workflows"],
            selected_workflows=tuple(data["selected_workflows"]),
            network_configuration_id=data["network_configuration_id"] or None,
        )

    @property
    def cleaned_add(self) -> dict[str, str]:
        """Lines to add to the access list: id → name."""
        lines: dict[str, str] = self.cleaned_data["members"]
        return lines


def _short(names: list[str]) -> str:
    more = len(names) - 5
    return ", ".join(names[:5]) + (f" and {more} more" if more > 0 else "")


def members_of(account: Account) -> list[tuple[int, str]]:
    """Return (id, name) of each known repository or organization that can be on an access list."""
    if account.kind == Account.Kind.ORGANIZATION:
        return list(
            Repository.objects.present().filter(account=account).values_list("github_id", "name")
        )
    return list(
        GroupAccess.objects.filter(group__account=account)
        .values_list("github_id", "name")
        .distinct()
    )


def initial_of_group(settings: GroupSettings) -> dict[str, Any]:
    """Return initial values of GroupForm."""
    workflows = "\n".join(settings.selected_workflows)
    return {**settings.stored(), "selected_workflows": workflows}


def signed_base_of_group(group: RunnerGroup) -> str:
    """Return the current settings, signed, for the form to send back as its base."""
    return signing.dumps(GroupSettings.of(group).stored(), salt=BASE_SALT)


class MoveForm(NonceForm):
    """The target of a move: one of the account's own groups."""

    group = forms.ModelChoiceField(RunnerGroup.objects.none(), empty_label="Move to…")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        group: Any = self.fields["group"]
        group.queryset = (
            RunnerGroup.objects.present().filter(account=account, inherited=False).order_by("name")
        )
