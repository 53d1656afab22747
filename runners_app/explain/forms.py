"""Form of "Why can't my repository use this runner?": organization, repository and workflow."""

import re
from typing import Any

from django import forms
from django.urls import reverse

from runners_app.groups.workflows import NoWorkflow, Workflow, read_workflow
from runners_app.models import Account

REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}")


class ExplainForm(forms.Form):
    """Cleaned, `organization` is an Account and `workflow` a Workflow or None."""

    organization = forms.ChoiceField()
    repository = forms.CharField(
        max_length=201, help_text="Its name, with or without the organization."
    )
    workflow = forms.CharField(
        required=False,
        max_length=500,
        help_text="Such as deploy.yml, or the full path of a workflow in another repository.",
    )
    ref = forms.CharField(
        required=False, max_length=255, label="Branch, tag or commit", help_text="Such as main."
    )

    def __init__(self, *args: Any, organizations: list[Account], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by_key = {str(account.pk): account for account in organizations}
        choice: Any = self.fields["organization"]
        choice.choices = [(key, str(account)) for key, account in self.by_key.items()]
        self.fields["repository"].widget.attrs.update(
            {
                "list": "repositories",
                "autocomplete": "off",
                "spellcheck": "false",
                "hx-get": reverse("groups-explain-repositories"),
                "hx-trigger": "input changed delay:200ms, focus once",
                "hx-include": "#id_organization",
                "hx-target": "#repositories",
                "hx-swap": "innerHTML",
            }
        )

    def clean_organization(self) -> Account:
        return self.by_key[self.cleaned_data["organization"]]

    def clean_repository(self) -> str:
        owner, _, name = self.cleaned_data["repository"].strip().rpartition("/")
        organization: Account | None = self.cleaned_data.get("organization")
        if organization and owner and owner.lower() != organization.slug.lower():
            raise forms.ValidationError(
                f"This is not in {organization}. Choose the organization {owner} instead."
            )
        if not REPOSITORY.fullmatch(name):
            raise forms.ValidationError(
                "The name of a repository has only letters, digits, dots, dashes and underscores."
            )
        return str(name)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "organization" in data and "repository" in data and "workflow" in data:
            try:
                data["workflow"] = self._workflow(data)
            except NoWorkflow as error:
                self.add_error("workflow", str(error))
        if data.get("ref") and not data.get("workflow") and not self.errors:
            self.add_error("workflow", "Enter the workflow, too.")
        return data

    @staticmethod
    def _workflow(data: dict[str, Any]) -> Workflow | None:
        repository = f"{data['organization'].slug}/{data['repository']}"
        return read_workflow(data["workflow"], data.get("ref", ""), repository=repository)
