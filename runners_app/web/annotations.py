"""Owner, tags and a note on runners and runner groups: kept in Trackside, never sent to GitHub."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from runners_app.models import (
    Account,
    AuditEntry,
    FieldChange,
    Membership,
    Runner,
    RunnerGroup,
)
from runners_app.security import audit

TAG = re.compile(r"[a-z0-9][a-z0-9._/-]{0,49}")
MOST_TAGS = 20
FIELDS = ("owner", "tags", "note")
ITEMS = {Runner: FieldChange.Item.RUNNER, RunnerGroup: FieldChange.Item.GROUP}


def tags_in(text: str) -> list[str]:
    """The tags of a text, lower case, each once. Raises ValidationError."""
    tags = list(dict.fromkeys(re.split(r"[\s,]+", text.strip().lower())))
    tags = [tag for tag in tags if tag]
    for tag in tags:
        if not TAG.fullmatch(tag):
            raise forms.ValidationError(
                f"“{tag}” cannot be a tag: use letters, digits, dots, dashes and slashes."
            )
    if len(tags) > MOST_TAGS:
        raise forms.ValidationError(f"{MOST_TAGS} tags are the most.")
    return tags


class TagsField(forms.CharField):
    """Tags separated by spaces or commas; cleans to the text that is stored."""

    def clean(self, value: Any) -> str:
        return " ".join(sorted(tags_in(super().clean(value))))


class AnnotationForm(forms.Form):
    """Owner, tags and note of one row."""

    owner = forms.CharField(
        required=False, max_length=200, help_text="The person or team to ask about it."
    )
    tags = TagsField(required=False, max_length=1000, help_text="Separated by spaces.")
    note = forms.CharField(required=False, max_length=5000, widget=forms.Textarea)


class BulkAnnotationForm(forms.Form):
    """Owner and tags of many rows; empty fields stay as they are."""

    owner = forms.CharField(
        required=False, max_length=200, help_text="Leave empty to keep each owner."
    )
    add_tags = TagsField(required=False, max_length=1000, label="Add tags")
    remove_tags = TagsField(required=False, max_length=1000, label="Remove tags")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and not any(data.values()):
            raise forms.ValidationError("Enter an owner or tags.")
        return data

    def values_for(self, row: Runner | RunnerGroup) -> dict[str, str]:
        """The new values of a row."""
        data = self.cleaned_data
        tags = set(row.tags.split()) | set(data["add_tags"].split())
        tags -= set(data["remove_tags"].split())
        values = {"tags": " ".join(sorted(tags))}
        if data["owner"]:
            values["owner"] = data["owner"]
        return values


def may_annotate(account: Account) -> bool:
    """Whether the user may annotate rows of an account read with `visible_to`.

    Nothing is written at GitHub, so a paused or observe-only account can be annotated, too.
    """
    return getattr(account, "role", "") == Membership.Role.MANAGER


def annotate_or_403(account: Account) -> None:
    """Raises PermissionDenied unless the user manages an account read with `visible_to`."""
    if not may_annotate(account):
        raise PermissionDenied(f"Only managers of {account} can change owner, tags and notes.")


@transaction.atomic
def annotate(changes: Iterable[tuple[Runner | RunnerGroup, dict[str, str]]], *, by: User) -> int:
    """Store new owners, tags and notes of rows of one kind, with history and one audit entry.

    Returns how many rows changed. Their accounts' versions rise once.
    """
    now = timezone.now()
    changed: list[Runner | RunnerGroup] = []
    history: list[FieldChange] = []
    for row, values in changes:
        differing = {name: new for name, new in values.items() if getattr(row, name) != new}
        if not differing:
            continue
        for name, new in differing.items():
            history.append(
                FieldChange(
                    account_id=row.account_id,
                    item=ITEMS[type(row)],
                    item_pk=row.pk,
                    field=name,
                    before=getattr(row, name),
                    after=new,
                    at=now,
                )
            )
            setattr(row, name, new)
        changed.append(row)
    if changed:
        _store(changed, history, by)
    return len(changed)


def _store(rows: Sequence[Runner | RunnerGroup], history: Sequence[FieldChange], by: User) -> None:
    model: Any = type(rows[0])
    model.objects.bulk_update(rows, FIELDS, batch_size=100)
    FieldChange.objects.bulk_create(history, batch_size=500)
    accounts = Account.objects.filter(pk__in={row.account_id for row in rows})
    accounts.raise_versions()
    noun = "runner" if model is Runner else "runner group"
    audit.record(
        AuditEntry.Action.ANNOTATED,
        by=by,
        account=accounts.first() if len({row.account_id for row in rows}) == 1 else None,
        subject=rows[0].name if len(rows) == 1 else f"{len(rows):,} {noun}s",
        details={
            "kind": noun,
            "names": [row.name for row in rows[:20]],
            "changed": sorted({change.field for change in history}),
        },
    )
