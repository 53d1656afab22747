"""Who may do what over the API: every address by role, method and token scope, against one table.

Writes are dry runs. What a user may not see is 404; what they may see but not change is 403; a
token without the scope is refused with 403; no token, or one of a disabled owner, with 401.
"""

from dataclasses import dataclass
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.api.v1.api import api
from runners_app.models import (
    Account,
    ApiToken,
    Approval,
    Image,
    Membership,
    Operation,
    Runner,
    RunnerGroup,
    SavedView,
)
from tests.api.conftest import MakeToken

ROLES = ("anonymous", "disabled", "stranger", "limited", "viewer", "manager", "administrator")
WITHOUT_LINE = ("anonymous", "disabled", "administrator")  # enough where nothing is to be had
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# Address, "mine" (in the limited viewer's group) or "other", method, scope, and the answers to a
# token with that scope:             stranger  limited  viewer  manager  administrator
TABLE = """
/token                        -      GET     read    200 200 200 200 200
/accounts                     -      GET     read    200 200 200 200 200
/accounts/{account}           -      GET     read    404 200 200 200 200
/accounts/{account}/readings  -      GET     read    404 200 200 200 200
/accounts/{account}/explain   -      GET     read    404 200 200 200 200
/accounts/{account}/runners   -      POST    write   404 403 403 200 200
/accounts/{account}/groups    -      POST    write   404 403 403 200 200
/runners                      -      GET     read    200 200 200 200 200
/runners/{runner}             mine   GET     read    404 200 200 200 200
/runners/{runner}             other  GET     read    404 404 200 200 200
/runners/{runner}             mine   PATCH   write   404 403 403 200 200
/runners/{runner}             other  PATCH   write   404 404 403 200 200
/runners/{runner}             mine   DELETE  write   404 403 403 200 200
/runners/{runner}             other  DELETE  write   404 404 403 200 200
/operations                   -      GET     read    200 200 200 200 200
/operations/{operation}       mine   GET     read    404 200 200 200 200
/operations/{operation}       other  GET     read    404 404 200 200 200
/operations/{operation}/cancel mine  POST    write   404 403 403 200 200
/operations/{operation}/cancel other POST    write   404 404 403 200 200
/operations/{operation}/confirm mine  POST   write   404 403 403 200 200
/operations/{operation}/confirm other POST   write   404 404 403 200 200
/operations/{operation}/resubmit mine  POST  write   404 403 403 200 200
/operations/{operation}/resubmit other POST  write   404 404 403 200 200
/operations/{operation}/settle mine  POST    write   404 403 403 409 409
/operations/{operation}/settle other POST    write   404 404 403 409 409
/batches/{batch}/continue     mine   POST    write   404 403 403 200 200
/batches/{batch}/continue     other  POST    write   404 404 403 200 200
/batches/{batch}/stop         mine   POST    write   404 403 403 200 200
/batches/{batch}/stop         other  POST    write   404 404 403 200 200
/batches/{batch}/retry        mine   POST    write   404 403 403 409 409
/batches/{batch}/retry        other  POST    write   404 404 403 409 409
/batches/{batch}              mine   GET     read    404 200 200 200 200
/batches/{batch}              other  GET     read    404 404 200 200 200
/approvals                    -      GET     read    200 200 200 200 200
/approvals/{approval}         mine   GET     read    404 200 200 200 200
/approvals/{approval}         other  GET     read    404 404 200 200 200
/approvals/{approval}/approve mine   POST    write   404 403 403 409 409
/approvals/{approval}/approve other  POST    write   404 404 403 409 409
/approvals/{approval}/decline mine   POST    write   404 403 403 200 200
/approvals/{approval}/decline other  POST    write   404 404 403 200 200
/images                       -      GET     read    200 200 200 200 200
/images/{image}               mine   GET     read    404 200 200 200 200
/images/{image}               other  GET     read    404 404 200 200 200
/images/{image}               mine   DELETE  write   404 403 403 200 200
/images/{image}               other  DELETE  write   404 404 403 200 200
/images/{image}/versions      mine   GET     read    404 200 200 200 200
/images/{image}/versions      other  GET     read    404 404 200 200 200
/images/{image}/versions/1.0.0 mine  DELETE  write   404 403 403 200 200
/images/{image}/versions/1.0.0 other DELETE  write   404 404 403 200 200
/sizes                        -      GET     read    200 200 200 200 200
/groups                       -      GET     read    200 200 200 200 200
/groups/{group}               mine   GET     read    404 200 200 200 200
/groups/{group}               other  GET     read    404 404 200 200 200
/groups/{group}               mine   PATCH   write   404 403 403 200 200
/groups/{group}               other  PATCH   write   404 404 403 200 200
/groups/{group}               mine   DELETE  write   404 403 403 200 200
/groups/{group}               other  DELETE  write   404 404 403 200 200
/groups/{group}/access        mine   GET     read    404 200 200 200 200
/groups/{group}/access        other  GET     read    404 404 200 200 200
/groups/{group}/annotations   mine   GET     read    404 200 200 200 200
/groups/{group}/annotations   other  GET     read    404 404 200 200 200
/groups/{group}/annotations   mine   PATCH   write   404 403 403 200 200
/groups/{group}/annotations   other  PATCH   write   404 404 403 200 200
/runners/{runner}/annotations mine   GET     read    404 200 200 200 200
/runners/{runner}/annotations other  GET     read    404 404 200 200 200
/runners/{runner}/annotations mine   PATCH   write   404 403 403 200 200
/runners/{runner}/annotations other  PATCH   write   404 404 403 200 200
/runners/annotations          -      POST    write   404 403 403 200 200
/owners                       -      GET     read    200 200 200 200 200
/tags                         -      GET     read    200 200 200 200 200
/views                        -      GET     read    200 200 200 200 200
/views                        -      POST    write   201 201 201 201 201
/views/{view}                 -      GET     read    404 404 404 404 200
/views/{view}                 -      DELETE  write   404 404 404 404 204
/static-ips                   -      GET     read    200 200 200 200 200
/static-ips/changes           -      GET     read    200 200 200 200 200
/audit                        -      GET     read    403 403 403 403 200
/insight/waits                -      GET     read    200 200 200 200 200
/insight/usage                -      GET     read    200 200 200 200 200
/insight/capacity             -      GET     read    200 200 200 200 200
/insight/queue                -      GET     read    200 200 200 200 200
/insight/coverage             -      GET     read    200 200 200 200 200
/export/terraform             -      GET     export  200 200 200 200 200
/export/settings              -      GET     export  200 200 200 200 200
"""
QUERIES = {
    "/accounts/{account}/explain": "repository=web",
    "/static-ips/changes": "since=2026-11-01T00:00:00Z",
}
BODIES: dict[str, dict[str, object]] = {
    "/runners/{runner}": {"maximum_runners": 77},
    "/groups/{group}": {"name": "a new name"},
    "/accounts/{account}/groups": {"name": "a new group", "visibility": "all"},
    "/groups/{group}/annotations": {"tags": ["one"]},
    "/runners/{runner}/annotations": {"owner": "team-web"},
    "/operations/{operation}/settle": {"outcome": "confirmed"},
    "/approvals/{approval}/approve": {"digest": "of something else"},
    "/approvals/{approval}/decline": {"reason": "It is in use."},
    "/views": {"name": "stuck ones", "query": "q=status:stuck"},
}


@dataclass(frozen=True)
class Line:
    path: str
    thing: str
    method: str
    scope: str
    answers: dict[str, int]


def lines() -> list[Line]:
    found = []
    for text in TABLE.strip().splitlines():
        path, thing, method, scope, *answers = text.split()
        by_role = dict(zip(ROLES[2:], map(int, answers), strict=True))
        found.append(Line(path, thing, method, scope, by_role))
    return found


LINES = lines()


def test_the_table_covers_every_address_of_the_document() -> None:
    documented = {
        (path.removeprefix("/api/v1"), method.upper())
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method in methods
    }
    for name in ("account", "runner", "operation", "approval", "image", "group", "view"):
        documented = {
            (path.replace(f"/{name}s/{{pk}}", f"/{name}s/{{{name}}}"), method)
            for path, method in documented
        }
    documented = {(path.replace("{version}", "1.0.0"), method) for path, method in documented}
    assert {(line.path, line.method) for line in LINES} == documented


@pytest.fixture
def values(acme: Account, admin: User) -> dict[str, dict[str, object]]:
    """What the addresses are filled with: things in the limited viewer's group, and in another."""
    now = timezone.now()
    groups = list(
        RunnerGroup.objects.filter(account=acme, inherited=False, default=False).order_by("pk")[:2]
    )
    Runner.objects.update(group_id=groups[1].github_id)
    found: dict[str, dict[str, object]] = {}
    view = SavedView.objects.create(user=admin, list="runners", name="mine", query="q=x")
    runners = Runner.objects.filter(status="Ready").order_by("pk")
    for thing, group, runner in zip(("mine", "other"), groups, runners, strict=False):
        image = Image.objects.create(
            account=acme,
            source="custom",
            github_id=str(7_000_000 + len(found)),
            name=f"image-{thing}",
            observed_at=now,
            first_seen_at=now,
        )
        image.versions.create(account=acme, version="1.0.0", observed_at=now, first_seen_at=now)
        template = Image.objects.filter(account=acme, source="github", platform="linux-x64")[0]
        Runner.objects.filter(pk=runner.pk).update(
            group_id=group.github_id, image_source="custom", image_id=image.github_id
        )
        approval = Approval.objects.create(account=acme, kind="four_eyes", asked_at=now)
        operation = Operation.objects.create(
            approval=approval,
            account=acme,
            kind="update_runner",
            target="runner",
            target_id=runner.github_id,
            target_name=runner.name,
            batch=uuid4(),
            requested_at=now,
            confirmed_at=now,
            wanted={"maximum_runners": 2},
        )
        found[thing] = {
            "account": acme.pk,
            "runner": runner.pk,
            "operation": operation.pk,
            "batch": operation.batch,
            "approval": approval.pk,
            "image": image.pk,
            "group": group.pk,
            "view": view.pk,
        }
        BODIES["/accounts/{account}/runners"] = {
            "name": "a-new-one",
            "image": {"id": template.github_id},
            "size": "4-core",
            "runner_group_id": group.github_id,
            "maximum_runners": 1,
        }
    BODIES["/runners/annotations"] = {"runners": [found["mine"]["runner"]], "owner": "team-web"}
    return found


@pytest.fixture
def owners(acme: Account, values: dict[str, dict[str, object]], admin: User) -> dict[str, User]:
    found = {"administrator": admin}
    for role in ROLES[1:-1]:
        found[role] = User.objects.create_user(role, is_active=role != "disabled")
        if role != "stranger":
            membership = Membership.objects.create(
                user=found[role],
                account=acme,
                role="manager" if role in ("manager", "disabled") else "viewer",
                limited=role == "limited",
            )
            if role == "limited":
                membership.groups.add(RunnerGroup.objects.get(pk=str(values["mine"]["group"])))
    return found


@pytest.mark.timeout(900)  # thousands of requests
def test_every_token_is_answered_as_the_table_says(
    owners: dict[str, User],
    values: dict[str, dict[str, object]],
    make_token: MakeToken,
    settings: Settings,
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 10**6
    scopes = [*ApiToken.Scope.values, "all"]
    clients = {("anonymous", scope): Client() for scope in scopes}
    for role, owner in owners.items():
        for scope in scopes:
            text = make_token(owner, *(() if scope == "all" else (scope,)))
            clients[role, scope] = Client(headers={"Authorization": f"Bearer {text}"})

    wrong = []
    for path, thing in sorted({(line.path, line.thing) for line in LINES}):
        address = path.format(**values["mine" if thing == "-" else thing])
        address = f"/api/v1{address}?dry_run=1&{QUERIES.get(path, '')}"
        for method in METHODS:
            line = next(
                (
                    each
                    for each in LINES
                    if (each.path, each.thing, each.method) == (path, thing, method)
                ),
                None,
            )
            for role in ROLES if line else WITHOUT_LINE:
                for scope in scopes if line else ["all"]:
                    status = _send(clients[role, scope], method, address, BODIES.get(path))
                    if (right := _expected(line, role, scope)) != status:
                        wrong.append(
                            f"{method} {path} {thing} {role} {scope}: {status}, not {right}"
                        )
    assert wrong == [], "\n".join(wrong)


def _send(client: Client, method: str, address: str, body: dict[str, object] | None) -> int:
    """The status of the answer; what the request changed is rolled back."""
    with transaction.atomic():
        send = getattr(client, method.lower())
        content = {"content_type": "application/json"} if method in ("POST", "PATCH") else {}
        answer = send(address, body or {}, **content) if content else send(address)
        transaction.set_rollback(True)
    return int(answer.status_code)


def _expected(line: Line | None, role: str, scope: str) -> int:
    if role == "disabled":
        return 401
    if line is None:
        return 405
    if role == "anonymous":
        return 401
    return line.answers[role] if scope in (line.scope, "all") else 403
