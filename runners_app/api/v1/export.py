"""Settings of runners as Terraform, YAML, JSON or CSV."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Literal

from django.http import HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from runners_app.api import terraform
from runners_app.api.core import EXPORT, reference_of
from runners_app.api.v1.runners import RunnerQuery, filtered
from runners_app.models import Account, GroupAccess, Runner, RunnerGroup
from runners_app.security.record_export import record_export
from runners_app.web.addresses import address_of
from runners_app.web.downloads import plain_cell
from runners_app.web.pages import Request

router = Router(tags=["export"], auth=EXPORT)
CONTENT_TYPES = {"json": "application/json", "yaml": "application/yaml", "csv": "text/csv"}


class RunnerSettingsOut(Schema):
    """What can be set of a runner, in GitHub's field names."""

    account: str
    id: int
    name: str
    image_id: str
    image_source: str
    image_version: str | None
    size: str
    runner_group_id: int | None
    group: str | None
    maximum_runners: int | None
    public_ip_enabled: bool
    image_gen: bool


COLUMNS = tuple(RunnerSettingsOut.model_fields)
TEXT: dict[str, object] = {"type": "string"}
BINARY: dict[str, object] = {"type": "string", "format": "binary"}
ROWS: dict[str, object] = {"type": "array", "items": RunnerSettingsOut.model_json_schema()}


def _file(content: dict[str, dict[str, object]]) -> dict[str, object]:
    """The description of an answer that is a file; `content` maps content types to schemas."""
    schemas = {name: {"schema": schema} for name, schema in content.items()}
    return {"responses": {200: {"description": "A file.", "content": schemas}}}


class TerraformQuery(RunnerQuery):
    removed: bool = Field(
        False, description="Blocks that take the runners out of Terraform and keep them on GitHub."
    )
    archive: bool = Field(False, description="A zip archive with one file per organization.")


class SettingsQuery(RunnerQuery):
    format: Literal["yaml", "json", "csv"] = "yaml"


@router.get(
    "/export/terraform", openapi_extra=_file({"text/plain": TEXT, "application/zip": BINARY})
)
def export_terraform(request: Request, query: Query[TerraformQuery]) -> HttpResponse:
    """Runners and their groups as HCL with import blocks, one part per organization."""
    rows, _ = filtered(request, query.account)
    runners = list(rows.present().order_by("name", "pk"))
    accounts = Account.objects.in_bulk({runner.account_id for runner in runners})
    used = {(runner.account_id, runner.group_id) for runner in runners}
    groups = [
        group
        for group in RunnerGroup.objects.visible_to(request.user).filter(
            account__in=accounts, gone_at=None
        )
        if (group.account_id, group.github_id) in used
    ]
    access: dict[int, list[GroupAccess]] = {}
    for line in GroupAccess.objects.filter(group__in=groups):
        access.setdefault(line.group_id, []).append(line)

    found = terraform.export(runners, groups, accounts, access=access, removed=query.removed)
    file_format = "zip" if query.archive else "tf"
    _record(request, "runners-terraform", file_format, len(runners), query)
    return HttpResponse(
        found.archive() if query.archive else found.text(),
        content_type="application/zip" if query.archive else "text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="runners.{file_format}"'},
    )


@router.get(
    "/export/settings",
    openapi_extra=_file({"application/json": ROWS, "application/yaml": ROWS, "text/csv": TEXT}),
)
def export_settings(request: Request, query: Query[SettingsQuery]) -> HttpResponse:
    """What can be set of each runner, in GitHub's field names."""
    found, _ = filtered(request, query.account)
    rows = list(_rows(request, found.present().select_related("account").order_by("name", "pk")))
    if query.format == "json":
        text = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    elif query.format == "yaml":
        text = terraform.to_yaml(rows)
    else:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([plain_cell(row[column]) for column in COLUMNS])
        text = out.getvalue()
    _record(request, "runner-settings", query.format, len(rows), query)
    name = f'attachment; filename="runners.{query.format}"'
    return HttpResponse(
        text,
        content_type=f"{CONTENT_TYPES[query.format]}; charset=utf-8",
        headers={"Content-Disposition": name},
    )


def _rows(request: Request, runners: Iterable[Runner]) -> Iterable[dict[str, object]]:
    groups = RunnerGroup.objects.visible_to(request.user)
    names = {
        (account, github_id): name
        for account, github_id, name in groups.values_list("account_id", "github_id", "name")
    }
    for row in runners:
        yield {
            "account": reference_of(row.account),
            "id": row.github_id,
            "name": row.name,
            "image_id": row.image_id,
            "image_source": row.image_source,
            "image_version": row.fixed_image_version,
            "size": row.size,
            "runner_group_id": row.group_id,
            "group": names.get((row.account_id, row.group_id or 0)),
            "maximum_runners": row.maximum_runners,
            "public_ip_enabled": row.static_ip,
            "image_gen": row.image_gen,
        }


def _record(request: Request, name: str, file_format: str, rows: int, query: RunnerQuery) -> None:
    filters = [(key, str(value)) for key, value in query.dict(exclude_defaults=True).items()]
    record_export(
        name,
        by=request.user,
        file_format=file_format,
        rows=rows,
        filters=filters,
        address=address_of(request),
    )
