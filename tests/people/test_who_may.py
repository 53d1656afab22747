"""Who may do what: every address by every role by every method, against the one table below.

An address that the table lacks fails the build, and so does a line without an address. What one may
not see is 404; what one may see but not change is 403; a method nobody may use is 405. Whoever is
not signed in, or disabled, is sent to sign in, by every address but the public ones. Changes of
trust send users who may make them to the page that asks who they are (302).
"""

from copy import copy
from dataclasses import dataclass
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from runners_app.models import (
    Account,
    App,
    Approval,
    Channel,
    Image,
    Membership,
    Operation,
    Repository,
    Runner,
    RunnerGroup,
    SelfHostedRunner,
)
from tests.markup import mismatched

ROLES = ("anonymous", "disabled", "stranger", "limited", "viewer", "manager", "administrator")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Enough for methods that no line names: they are refused before anybody's rights are asked.
WITHOUT_LINE = ("anonymous", "administrator")
TO_SIGN_IN, NOT_ALLOWED = 302, 405

# Open to everybody: address, method, answer to anonymous people and to those who are disabled.
PUBLIC = """
livez                       GET   200
readyz                      GET   200
sign-in                     GET   200
sign-in                     POST  200
account_login               GET   200
account_login               POST  200
sign-out                    POST  302
account_logout              POST  302
account_inactive            GET   200
setup                       GET   404
setup                       POST  404
metrics                     GET   404
socialaccount_login_cancelled ANY   404
socialaccount_signup        ANY   404
github_login                ANY   404
github_callback             ANY   404
openid_connect_login        ANY   404
openid_connect_callback     ANY   404
openid_connect_logout       ANY   404
mfa_authenticate            GET   302
mfa_authenticate            POST  302
mfa_login_webauthn          GET   302
mfa_login_webauthn          POST  302
"""

# What a signed-in person is answered. "mine" is in the runner group the limited viewer was given,
# "other" is not. A POST has no field that means anything, so where it is allowed it answers 422
# (the form again) or 302 (done). ANY is every method: providers of sign-in are switched off here.
# stranger  limited  viewer  manager  administrator
TABLE = """
livez                       GET     200       200      200     200      200
readyz                      GET     200       200      200     200      200
sign-in                     GET     302       302      302     302      302
sign-in                     POST    302       302      302     302      302
sign-out                    POST    302       302      302     302      302
account_login               GET     302       302      302     302      302
account_login               POST    302       302      302     302      302
account_logout              POST    302       302      302     302      302
account_inactive            GET     200       200      200     200      200
setup                       GET     404       404      404     404      404
setup                       POST    404       404      404     404      404
you                         GET     200       200      200     200      200
sessions-end                POST    302       302      302     302      302
confirm-provider            GET     404       404      404     404      404
confirm-provider            POST    404       404      404     404      404
preferences                 GET     200       200      200     200      200
preferences                 POST    302       302      302     302      302
session-end                 POST    302       302      302     302      302
account_change_password     GET     200       200      200     200      200
account_change_password     POST    200       200      200     200      200
account_reauthenticate      GET     200       200      200     200      200
account_reauthenticate      POST    200       200      200     200      200
mfa_index                   GET     200       200      200     200      200
mfa_activate_totp           GET     302       302      302     302      302
mfa_activate_totp           POST    302       302      302     302      302
mfa_add_webauthn            GET     302       302      302     302      302
mfa_add_webauthn            POST    302       302      302     302      302
mfa_deactivate_totp         GET     302       302      302     302      302
mfa_deactivate_totp         POST    302       302      302     302      302
mfa_edit_webauthn           GET     302       302      302     302      302
mfa_edit_webauthn           POST    302       302      302     302      302
mfa_remove_webauthn         GET     302       302      302     302      302
mfa_remove_webauthn         POST    302       302      302     302      302
mfa_download_recovery_codes GET     302       302      302     302      302
mfa_download_recovery_codes POST    302       302      302     302      302
mfa_view_recovery_codes     GET     302       302      302     302      302
mfa_view_recovery_codes     POST    302       302      302     302      302
mfa_generate_recovery_codes GET     302       302      302     302      302
mfa_generate_recovery_codes POST    302       302      302     302      302
mfa_list_webauthn           GET     200       200      200     200      200
mfa_authenticate            GET     302       302      302     302      302
mfa_authenticate            POST    302       302      302     302      302
mfa_login_webauthn          GET     302       302      302     302      302
mfa_login_webauthn          POST    302       302      302     302      302
mfa_reauthenticate          GET     302       302      302     302      302
mfa_reauthenticate          POST    302       302      302     302      302
mfa_reauthenticate_webauthn GET     302       302      302     302      302
mfa_reauthenticate_webauthn POST    302       302      302     302      302
socialaccount_login_cancelled ANY     404       404      404     404      404
socialaccount_login_error   ANY     404       404      404     404      404
socialaccount_signup        ANY     404       404      404     404      404
socialaccount_connections   ANY     404       404      404     404      404
github_login                ANY     404       404      404     404      404
github_callback             ANY     404       404      404     404      404
openid_connect_login        ANY     404       404      404     404      404
openid_connect_callback     ANY     404       404      404     404      404
openid_connect_logout       ANY     404       404      404     404      404
metrics                     GET     404       404      404     404      404
api-docs                    GET     200       200      200     200      200
your-tokens                 GET     200       200      200     200      200
your-tokens                 POST    302       302      302     302      302
your-token-revoke           POST    302       302      302     302      302
tokens                      GET     403       403      403     403      200
token-revoke                POST    403       403      403     403      302
overview                    GET     200       200      200     200      200
accounts                    GET     200       200      200     200      200
accounts-export             GET     200       200      200     200      200
account                     GET     404       200      200     200      200
account-overview            GET     404       200      200     200      200
account-refresh             POST    404       302      302     302      302
account-new                 GET     403       403      403     403      302
account-new                 POST    403       403      403     403      302
account-token               GET     404       403      403     403      302
account-token               POST    404       403      403     403      302
account-observe             POST    404       403      403     403      302
account-four-eyes           GET     404       403      403     302      302
account-four-eyes           POST    404       403      403     302      302
account-pause               POST    404       403      403     403      302
account-disconnect          GET     404       403      403     403      302
account-disconnect          POST    404       403      403     403      302
app-new                     GET     403       403      403     403      302
app-new                     POST    403       403      403     403      302
app                         GET     403       403      403     403      200
app                         POST    403       403      403     403      302
app-hook                    POST    403       403      403     403      302
app-refresh                 POST    403       403      403     403      302
demo-remove                 POST    403       403      403     403      302
people                      GET     403       403      403     403      200
person-new                  GET     403       403      403     403      302
person-new                  POST    403       403      403     403      302
person                      GET     403       403      403     403      200
person-administrator        POST    403       403      403     403      302
person-active               POST    403       403      403     403      302
person-password             POST    403       403      403     403      302
person-second-factor        POST    403       403      403     403      302
person-give                 POST    403       403      403     403      302
person-take                 POST    403       403      403     403      302
person-email                POST    403       403      403     403      302
person-groups               GET     403       403      403     403      302
person-groups               POST    403       403      403     403      302
notices                     GET     403       403      403     403      200
notices-snooze              POST    403       403      403     403      404
channel-new                 GET     403       403      403     403      302
channel-new                 POST    403       403      403     403      302
channel                     GET     403       403      403     403      302
channel                     POST    403       403      403     403      302
channel-test                POST    403       403      403     403      302
channel-delete              POST    403       403      403     403      302
your-notices                GET     200       200      200     200      200
your-notices                POST    422       422      422     422      422
your-notices-test           POST    302       302      302     302      302
audit                       GET     403       403      403     403      200
audit-export                GET     403       403      403     403      200
runners                     GET     200       200      200     200      200
runners-export              GET     200       200      200     200      200
runners-filters             GET     200       200      200     200      200
runners-view                GET     200       200      200     200      200
runners-view                POST    302       302      302     302      302
runners-annotate            GET     200       200      200     200      200
runners-annotate            POST    422       422      422     422      422
runners-refresh             POST    302       302      302     302      302
runner-name                 GET     404       403      403     200      200
runner-cost                 GET     404       200      200     200      200
runner-new                  GET     403       403      403     200      200
runner-new                  POST    403       403      403     422      422
runners-new                 GET     302       302      302     302      302
runners-new                 POST    302       302      302     302      302
runners-edit                GET     200       200      200     200      200
runners-edit                POST    200       200      200     200      200
runners-delete              GET     200       200      200     200      200
runners-delete              POST    422       422      422     422      422
history                     GET     200       200      200     200      200
go                          GET     200       200      200     200      200
runners-recreate            GET     200       200      200     200      200
runners-recreate            POST    422       422      422     422      422
runner:mine                 GET     404       200      200     200      200
runner:other                GET     404       404      200     200      200
runner-annotate:mine        GET     404       403      403     200      200
runner-annotate:mine        POST    404       403      403     302      302
runner-annotate:other       GET     404       404      403     200      200
runner-annotate:other       POST    404       404      403     302      302
runner-edit:mine            GET     404       403      403     200      200
runner-edit:mine            POST    404       403      403     422      422
runner-edit:other           GET     404       404      403     200      200
runner-edit:other           POST    404       404      403     422      422
runner-delete:mine          GET     404       403      403     200      200
runner-delete:mine          POST    404       403      403     422      422
runner-delete:other         GET     404       404      403     200      200
runner-delete:other         POST    404       404      403     422      422
operations                  GET     200       200      200     200      200
operations-export           GET     200       200      200     200      200
operation:mine              GET     404       200      200     200      200
operation:other             GET     404       404      200     200      200
operation-cancel:mine       POST    404       403      403     302      302
operation-cancel:other      POST    404       404      403     302      302
operation-agree:mine        POST    404       403      403     302      302
operation-agree:other       POST    404       404      403     302      302
operation-again:mine        POST    404       403      403     302      302
operation-again:other       POST    404       404      403     302      302
operation-settle:mine       POST    404       403      403     302      302
operation-settle:other      POST    404       404      403     302      302
batch:mine                  GET     404       200      200     200      200
batch:other                 GET     404       404      200     200      200
batch-go-on:mine            POST    404       403      403     302      302
batch-go-on:other           POST    404       404      403     302      302
batch-stop:mine             POST    404       403      403     302      302
batch-stop:other            POST    404       404      403     302      302
batch-retry:mine            POST    404       403      403     302      302
batch-undo:mine             GET     404       403      403     200      200
batch-undo:mine             POST    404       403      403     422      422
batch-undo:other            GET     404       404      403     200      200
batch-undo:other            POST    404       404      403     422      422
operation-undo:mine         GET     404       403      403     200      200
operation-undo:mine         POST    404       403      403     422      422
operation-undo:other        GET     404       404      403     200      200
operation-undo:other        POST    404       404      403     422      422
batch-retry:other           POST    404       404      403     302      302
approval:mine               GET     404       200      200     200      200
approval:mine               POST    404       403      403     422      422
approval:other              GET     404       404      200     200      200
approval:other              POST    404       404      403     422      422
images                      GET     200       200      200     200      200
images-export               GET     200       200      200     200      200
images-refresh              POST    302       302      302     302      302
machine-sizes               GET     200       200      200     200      200
image:mine                  GET     404       200      200     200      200
image:other                 GET     404       404      200     200      200
image-delete:mine           GET     404       403      403     200      200
image-delete:mine           POST    404       403      403     422      422
image-delete:other          GET     404       404      403     200      200
image-delete:other          POST    404       404      403     422      422
image-version-delete:mine   GET     404       403      403     200      200
image-version-delete:mine   POST    404       403      403     422      422
image-version-delete:other  GET     404       404      403     200      200
image-version-delete:other  POST    404       404      403     422      422
groups                      GET     200       200      200     200      200
groups-export               GET     200       200      200     200      200
groups-refresh              POST    302       302      302     302      302
groups-explain              GET     200       200      200     200      200
groups-explain-repositories GET     404       200      200     200      200
groups-explain-ask          POST    404       302      302     302      302
group:mine                  GET     404       200      200     200      200
group:other                 GET     404       404      200     200      200
group-new                   GET     403       403      403     200      200
group-new                   POST    403       403      403     422      422
group-annotate:mine         GET     404       403      403     200      200
group-annotate:mine         POST    404       403      403     302      302
group-annotate:other        GET     404       404      403     200      200
group-annotate:other        POST    404       404      403     302      302
group-edit:mine             GET     404       403      403     200      200
group-edit:mine             POST    404       403      403     422      422
group-edit:other            GET     404       404      403     200      200
group-edit:other            POST    404       404      403     422      422
group-delete:mine           GET     404       403      403     200      200
group-delete:mine           POST    404       403      403     422      422
group-delete:other          GET     404       404      403     200      200
group-delete:other          POST    404       404      403     422      422
group-add-runners:mine      GET     404       403      403     200      200
group-add-runners:other     GET     404       404      403     200      200
group-access:mine           GET     404       200      200     200      200
group-access:mine           POST    404       403      403     302      302
group-access:other          GET     404       404      200     200      200
group-access:other          POST    404       404      403     302      302
group-self-hosted:mine      POST    404       403      403     302      302
group-self-hosted:other     POST    404       404      403     302      302
self-hosted-delete:mine     GET     404       403      403     200      200
self-hosted-delete:mine     POST    404       403      403     422      422
self-hosted-delete:other    GET     404       404      403     200      200
self-hosted-delete:other    POST    404       404      403     422      422
static-ips                  GET     200       200      200     200      200
static-ips-refresh          POST    302       302      302     302      302
static-ip-ranges            GET     200       200      200     200      200
static-ip-changes           GET     200       200      200     200      200
insight                     GET     200       200      200     200      200
insight-waits               GET     200       200      200     200      200
insight-capacity            GET     200       200      200     200      200
insight-usage               GET     200       200      200     200      200
insight-coverage            GET     200       200      200     200      200
insight-jobs                GET     200       200      200     200      200
insight-export              GET     200       200      200     200      200
pool-usage:mine             GET     404       200      200     200      200
pool-usage:other            GET     404       404      200     200      200
pool-slo:mine               GET     404       403      403     200      200
pool-slo:mine               POST    404       403      403     422      422
pool-slo:other              GET     404       404      403     200      200
pool-slo:other              POST    404       404      403     422      422
job-events                  GET     404       403      403     200      200
job-events                  POST    404       403      403     302      302
"""


@dataclass(frozen=True)
class Line:
    """One line of a table: an address's name, which of two things it is about, a method, and the
    answers by role.
    """

    name: str
    thing: str
    method: str
    answers: dict[str, int]


def lines_of(table: str, roles: tuple[str, ...]) -> list[Line]:
    lines = []
    for text in table.strip().splitlines():
        address, method, *answers = text.split()
        name, _, thing = address.partition(":")
        filled = answers * len(roles) if len(answers) == 1 else answers
        lines.append(Line(name, thing, method, dict(zip(roles, map(int, filled), strict=True))))
    return lines


LINES = [*lines_of(TABLE, ROLES[2:]), *lines_of(PUBLIC, ROLES[:2])]


def named_addresses(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> dict[str, str]:
    """Every address the resolver knows, by name, with its arguments as they are written in the
    patterns.
    """
    found: dict[str, str] = {}
    for pattern in patterns:
        path = prefix + str(pattern.pattern).lstrip("^").replace("(?P<provider_id>[^/]+)", "oidc")
        if isinstance(pattern, URLResolver):
            found |= named_addresses(pattern.url_patterns, path)
        else:
            assert pattern.name, f"{pattern.pattern} has no name"
            found[pattern.name] = path
    return found


# The API has a table of its own, by scope: tests/api/test_who_may.py.
ADDRESSES = {
    name: path
    for name, path in named_addresses(get_resolver().url_patterns).items()
    if not path.startswith("/api/v1/") or name == "api-docs"
}


def test_the_table_and_the_resolver_know_the_same_addresses() -> None:
    listed = {line.name for line in LINES}
    assert set(ADDRESSES) - listed == set(), "addresses without a line in the table: say who may"
    assert listed - set(ADDRESSES) == set(), "lines without an address"


@dataclass(frozen=True)
class Things:
    """What the addresses of one column are about."""

    account: Account
    runner: Runner
    image: Image
    group: RunnerGroup
    operation: Operation
    person: User
    machine: SelfHostedRunner
    app: App
    channel: Channel


def path_of(name: str, things: Things) -> str:
    """The address with primary keys of these things filled in."""
    noun = name.partition("-")[0]
    pks = {
        "account": things.account.pk,
        "runner": things.runner.pk,
        "pool": things.runner.pk,
        "job": things.account.pk,
        "image": things.image.pk,
        "group": things.group.pk,
        "operation": things.operation.pk,
        "approval": things.operation.approval_id,
        "person": things.person.pk,
        "self": things.machine.pk,
        "app": things.app.pk,
        "channel": things.channel.pk,
    }
    path = (
        ADDRESSES[name]
        .replace("<uuid:batch>", str(things.operation.batch))
        .replace("<str:table>", "waits")
        .replace("<str:file_format>", "csv")
        .replace("<str:key>", "no-such-session")
    )
    path = path.replace("<int:account_id>", str(things.account.pk))
    if "<int:version_id>" in path:
        path = path.replace(
            "<int:version_id>", str(things.image.versions.values_list("pk", flat=True)[0])
        )
    path = path.replace("<int:pk>", str(pks.get(noun, 0)))
    return path + QUERIES.get(name, "").format(account=things.account.pk)


# Addresses that say nothing without these.
QUERIES = {
    "runner-name": "?account={account}&name=a-name",
    "runner-cost": "?account={account}",
    "static-ip-changes": "?since=2026-11-01",
    "groups-explain-repositories": "?organization={account}",
}
NOTHING_ASKED = {"no_such_field": "1"}
BODIES = {"groups-explain-ask": {"organization": "{account}", "repository": "web"}}


@pytest.fixture
def world(acme: Account) -> dict[str, Things]:
    """Things in the limited viewer's group, and things in another."""
    watched = User.objects.create_user("watched")
    Membership.objects.create(user=watched, account=acme)
    app = App.objects.create(api_url=acme.api_url, issuer="1")
    channel = Channel.objects.create(name="a channel")
    groups = list(RunnerGroup.objects.filter(account=acme).order_by("pk")[:2])
    found: dict[str, Things] = {}
    for name, group, runner in zip(
        ("mine", "other"), groups, Runner.objects.order_by("pk"), strict=False
    ):
        image = _custom_image(acme, f"image-{name}")
        Runner.objects.filter(pk=runner.pk).update(
            group_id=group.github_id, image_source="custom", image_id=image.github_id
        )
        machine = SelfHostedRunner.objects.order_by("pk")[len(found)]
        SelfHostedRunner.objects.filter(pk=machine.pk).update(group_id=group.github_id)
        found[name] = Things(
            acme, runner, image, group, _operation(runner), watched, machine, app, channel
        )
    others = Runner.objects.exclude(pk__in=[things.runner.pk for things in found.values()])
    others.update(group_id=groups[1].github_id)
    return found


def _custom_image(account: Account, name: str) -> Image:
    now = timezone.now()
    seen = {"observed_at": now, "first_seen_at": now}
    number = str(7_000_000 + Image.objects.count())
    image = Image.objects.create(
        account=account, source="custom", github_id=number, name=name, **seen
    )
    image.versions.create(account=account, version="1.0.0", **seen)
    return image


def _operation(runner: Runner) -> Operation:
    now = timezone.now()
    approval = Approval.objects.create(account=runner.account, kind="four_eyes", asked_at=now)
    return Operation.objects.create(
        approval=approval,
        account=runner.account,
        kind="update_runner",
        target="runner",
        target_id=runner.github_id,
        batch=uuid4(),
        target_name=runner.name,
        actor_name="ada",
        requested_at=now,
        confirmed_at=now,
        next_step_at=now,
        base={"maximum_runners": 1},
        wanted={"maximum_runners": 2},
    )


@pytest.fixture
def people(world: dict[str, Things], admin: User) -> dict[str, Client]:
    """One browser for each role, signed in."""
    things = world["mine"]
    browsers = {"anonymous": Client(raise_request_exception=False)}
    for role in ROLES[1:-1]:
        person = User.objects.create_user(role, password="a password for tests")
        if role in ("limited", "viewer", "manager", "disabled"):
            is_manager = role in ("manager", "disabled")
            membership = Membership.objects.create(
                user=person,
                account=things.account,
                role="manager" if is_manager else "viewer",
                limited=role == "limited",
            )
            if role == "limited":
                membership.groups.add(things.group)
        browsers[role] = Client(raise_request_exception=False)
        browsers[role].force_login(person)
    User.objects.filter(username="disabled").update(is_active=False)
    browsers["administrator"] = Client(raise_request_exception=False)
    browsers["administrator"].force_login(admin)
    return browsers


def answers_to(client: Client, method: str, path: str, body: dict[str, str]) -> int:
    """The status, with whatever the request did taken back."""
    cookies = copy(client.cookies)
    with transaction.atomic():
        status = client.generic(method, path) if method != "POST" else client.post(path, body)
        transaction.set_rollback(True)
    client.cookies = cookies
    return status.status_code


def expected(name: str, thing: str, role: str, method: str) -> int:
    """From the tables: HEAD answers as GET does, and methods without a line are not allowed."""
    method = "GET" if method == "HEAD" else method
    lines = [
        line for line in LINES if (line.name, line.thing) == (name, thing) and role in line.answers
    ]
    if not lines and role in ROLES[:2]:
        return TO_SIGN_IN
    return next(
        (line.answers[role] for line in lines if line.method in (method, "ANY")), NOT_ALLOWED
    )


@pytest.mark.timeout(600)  # thousands of requests: minutes beside others
@pytest.mark.parametrize(
    "everybody", [False, pytest.param(True, marks=pytest.mark.proof)], ids=["enough", "everybody"]
)
def test_every_role_gets_the_answer_in_the_table(
    world: dict[str, Things], people: dict[str, Client], everybody: bool
) -> None:
    wrong: list[str] = []
    named = {(line.name, line.thing, line.method) for line in LINES}
    rows = {(line.name, line.thing) for line in LINES if line.name in ADDRESSES}
    for name, thing in sorted(rows):
        things = world[thing or "mine"]
        path = path_of(name, things)
        body = {
            key: value.format(account=things.account.pk)
            for key, value in BODIES.get(name, NOTHING_ASKED).items()
        }
        methods = [each for each in METHODS if named & {(name, thing, each), (name, thing, "ANY")}]
        for role in ROLES:
            cache.clear()  # where requests are counted
            for method in METHODS if everybody or role in WITHOUT_LINE else methods:
                answer = answers_to(people[role], method, path, body)
                if answer != (right := expected(name, thing, role, method)):
                    wrong.append(
                        f"{method} {path} ({name} {thing}) as {role}: {answer} instead of {right}"
                    )
    assert wrong == [], "\n".join(wrong)


# What would make most forms do something: names are added for each.
FILLED_IN = {
    "on": "yes",
    "choice": "cancelled",
    "action": "add",
    "line": "1",
    "role": "manager",
    "reason": "as a test",
    "digest": "0" * 64,
    "username": "a-new-one",
    "email": "new@example.com",
    "password1": "a password for tests",
    "password2": "a password for tests",
    "new_password1": "a password for tests",
    "new_password2": "a password for tests",
    "name": "a-new-name",
    "owner": "a-team",
    "tags": "one",
    "seconds": "60",
    "visibility": "all",
    "maximum_runners": "7",
}


def test_a_refused_form_changes_no_row(world: dict[str, Things], people: dict[str, Client]) -> None:
    """Of every form, for every role that the table refuses, with fields that mean something."""
    wrong, refused = [], 0
    for role in ROLES:
        before = stored()
        for name, thing in sorted({(each.name, each.thing) for each in LINES}):
            right = expected(name, thing, role, "POST")
            if right not in (403, 404, NOT_ALLOWED) and not (
                right == TO_SIGN_IN and role in ROLES[:2] and name not in PUBLIC_FORMS
            ):
                continue
            things = world[thing or "mine"]
            body = {
                **FILLED_IN,
                "nonce": str(uuid4()),
                "account": str(things.account.pk),
                "runner": str(things.runner.pk),
                "group": str(things.group.pk),
                "typed": _name_of(name, things),
            }
            answer = people[role].post(path_of(name, things), body)
            refused += 1
            # A form that names an account is 404 where one without is 403.
            if answer.status_code not in ({403, 404} if right in (403, 404) else {right}):
                wrong.append(f"{name} as {role}: {answer.status_code} instead of {right}")
        if (after := stored()) != before:
            tables = [table for table, rows in after.items() if rows != before[table]]
            wrong.append(f"forms refused to {role} changed {', '.join(tables)}")
    assert wrong == [], "\n".join(wrong)
    assert refused > 400


# Open to everybody: what they do is not refused.
PUBLIC_FORMS = {line.split()[0] for line in PUBLIC.strip().splitlines()}


def _name_of(form: str, things: Things) -> str:
    """What one types to confirm a deletion."""
    if form.startswith("image"):
        return things.image.name
    if form.startswith("group"):
        return things.group.name
    if form.startswith("self"):
        return things.machine.name
    return things.runner.name if form.startswith("runner") else str(things.account)


@pytest.mark.parametrize("role", ["administrator", "viewer"])
def test_the_tags_of_every_page_match(
    world: dict[str, Things], people: dict[str, Client], role: str
) -> None:
    wrong = {}
    for line in LINES:
        if line.method not in ("GET", "ANY") or line.name not in ADDRESSES:
            continue
        answer = people[role].get(path_of(line.name, world[line.thing or "mine"]))
        is_page = answer.get("Content-Type", "").startswith("text/html")
        if is_page and (found := mismatched(answer.getvalue().decode())):
            wrong[line.name] = found[:3]
    assert wrong == {}


def test_no_form_is_accepted_without_its_csrf_token(world: dict[str, Things], admin: User) -> None:
    """Of anybody, and of fragments as of pages."""
    anonymous, administrator = Client(enforce_csrf_checks=True), Client(enforce_csrf_checks=True)
    administrator.force_login(admin)
    forms = {(line.name, line.thing) for line in LINES if line.method == "POST"}
    taken = [
        name
        for name, thing in sorted(forms)
        for client in (anonymous, administrator)
        for headers in ({}, {"HX-Request": "true"})
        if client.post(path_of(name, world[thing or "mine"]), {}, headers=headers).status_code
        != 403
    ]
    assert taken == []
    assert len(forms) > 50


# --- Rows of an account that the user may not see, named in a form

# Parameters of each form that name a row; `?` in the query string. `clone` may name a runner of
# another account, if the user sees it.
REFERENCES = """
runner-new          ?again=operation ?clone=runner ?account=account account=account
runner-edit         ?again=operation
runner-name         ?account=account ?runner=runner
runner-cost         ?account=account
runners-new         ?account=account
runners-edit        ?runner=runner
runners-delete      ?runner=runner
runners-recreate    ?runner=runner
runners-annotate    ?runner=runner
group-new           ?again=operation ?account=account account=account
group-edit          ?again=operation
group-access        line=repository
group-self-hosted   runner=machine group=group
groups-explain      ?organization=account ?runner=runner
groups-explain-ask  organization=account
operation-settle    runner=runner
"""
# Forms that name no row but that of their address, and the form of a new token, whose accounts
# tests/api/test_tokens.py tries. Those of administrators are in the next test.
NO_REFERENCES = """
mfa_view_recovery_codes
account-disconnect account-four-eyes account-observe account-pause account-refresh account-token
approval account_change_password account_login account_logout account_reauthenticate batch-go-on
batch-retry batch-stop group-delete groups-refresh image-delete image-version-delete
images-refresh job-events mfa_activate_totp mfa_add_webauthn mfa_authenticate mfa_deactivate_totp
mfa_download_recovery_codes mfa_edit_webauthn mfa_generate_recovery_codes mfa_login_webauthn
mfa_reauthenticate mfa_reauthenticate_webauthn mfa_remove_webauthn operation-again operation-agree
batch-undo operation-undo
operation-cancel runner-delete runners-refresh self-hosted-delete session-end sessions-end setup
sign-in pool-slo sign-out static-ips-refresh your-notices your-notices-test confirm-provider
your-token-revoke your-tokens
group-annotate preferences runner-annotate runners-view
"""
FOR_ADMINISTRATORS = """
app-hook
account-new app app-new app-refresh channel channel-delete channel-new channel-test demo-remove
notices-snooze
person-active person-administrator person-email person-give person-groups person-new person-password
person-second-factor person-take token-revoke
"""
# What the rest of a form must say, so that it gets as far as the reference.
FILLED = {
    "operation-settle": {"choice": "claim"},
    "group-access": {"action": "add"},
    "groups-explain-ask": {"repository": "web"},
}


def stored() -> dict[str, list[dict[str, object]]]:
    """Every row of every table of ours, and the users."""
    models: list[type[Model]] = [*apps.get_app_config("runners_app").get_models(), User]
    rows = {
        model.__name__: list(model._default_manager.order_by("pk").values()) for model in models
    }
    rows["AuditEntry"] = [row for row in rows["AuditEntry"] if row["action"] != "access.refused"]
    return rows


@pytest.fixture
def foreign(world: dict[str, Things], globex: Account) -> dict[str, int]:
    """Primary keys of rows of another organization; of the repository GitHub's id."""
    runner = Runner.objects.filter(account=globex).first()
    group = RunnerGroup.objects.filter(account=globex).first()
    machine = SelfHostedRunner.objects.filter(account=globex).first()
    repository = Repository.objects.filter(account=globex).first()
    assert runner and group and machine and repository
    return {
        "account": globex.pk,
        "runner": runner.pk,
        "group": group.pk,
        "machine": machine.pk,
        "repository": repository.github_id,
        "operation": _operation(runner).pk,
    }


def test_every_form_is_listed_with_the_rows_it_names() -> None:
    listed = {line.split()[0] for line in REFERENCES.strip().splitlines()}
    listed |= {*NO_REFERENCES.split(), *FOR_ADMINISTRATORS.split()}
    forms = {line.name for line in LINES if line.method == "POST"}
    assert forms - listed == set(), "forms whose references no test tries"


def test_a_row_of_another_account_named_in_a_form_is_404_and_changes_nothing(
    world: dict[str, Things], people: dict[str, Client], foreign: dict[str, int]
) -> None:
    things, manager = world["mine"], people["manager"]
    wrong = []
    for line in REFERENCES.strip().splitlines():
        name, *parameters = line.split()
        path = path_of(name, things).partition("?")[0]
        methods = {line.method for line in LINES if line.name == name}
        for parameter in parameters:
            key, _, noun = parameter.lstrip("?").partition("=")
            for value in (str(foreign[noun]), "999999999", "x"):
                in_query = {key: value} if parameter.startswith("?") else {}
                body = {**FILLED.get(name, {}), **({} if in_query else {key: value})}
                before = stored()
                for method in sorted(methods):
                    if method == "GET" and not in_query:
                        continue
                    call = manager.get if method == "GET" else manager.post
                    told = (
                        call(path, query_params=in_query)
                        if method == "GET"
                        else call(path, body, query_params=in_query)
                    )
                    if told.status_code != 404:
                        wrong.append(f"{method} {name} {parameter} {value}: {told.status_code}")
                if stored() != before:
                    wrong.append(f"{name} {parameter} {value} changed a row")
    assert wrong == [], "\n".join(wrong)


def test_an_operation_of_another_target_is_not_linked_as_its_resubmission(
    world: dict[str, Things], people: dict[str, Client]
) -> None:
    mine, other = world["mine"], world["other"]
    page = f"/runners/{mine.runner.pk}/edit/"
    assert people["manager"].get(f"{page}?again={mine.operation.pk}").status_code == 200
    assert people["manager"].get(f"{page}?again={other.operation.pk}").status_code == 404


def test_an_account_the_manager_only_views_is_403_and_not_replaced_by_the_only_one_they_manage(
    world: dict[str, Things], people: dict[str, Client], globex: Account
) -> None:
    manager = User.objects.get(username="manager")
    Membership.objects.create(user=manager, account=globex, role="viewer")
    before = stored()
    for page in ("/runners/new/", "/groups/new/"):
        told = people["manager"].post(page, {"account": globex.pk, "name": "a-name"})
        assert told.status_code == 403
        assert people["manager"].get(f"{page}?account={globex.pk}").status_code == 403
    assert people["manager"].get("/runners/new/", {"account": ""}).status_code == 200
    assert stored() == before


def test_administrators_cannot_mix_rows_of_two_accounts(
    world: dict[str, Things], people: dict[str, Client], foreign: dict[str, int]
) -> None:
    things, administrator = world["mine"], people["administrator"]
    person, account = things.person.pk, things.account.pk
    administrator.post("/you/confirm/", {"password": "a password for tests"})
    again = Operation.objects.get(pk=foreign["operation"])
    Operation.objects.filter(pk=again.pk).update(kind="create_runner", target_id=None)
    tries: list[tuple[str, dict[str, object]]] = [
        (f"/people/{person}/give/", {"account": 999_999_999, "role": "viewer"}),
        (f"/people/{person}/groups/{account}/", {"extent": "groups", "groups": foreign["group"]}),
        (f"/groups/{things.group.pk}/self-hosted/", {"runner": foreign["machine"]}),
        (f"/groups/{things.group.pk}/access/", {"action": "add", "line": foreign["repository"]}),
        (f"/runners/new/?again={again.pk}", {"account": account}),
        (f"/runners/{things.runner.pk}/edit/?again={again.pk}", {}),
        (
            f"/operations/{things.operation.pk}/settle/",
            {"choice": "claim", "runner": foreign["runner"]},
        ),
    ]
    before = stored()
    answers = {path: administrator.post(path, body).status_code for path, body in tries}
    assert set(answers.values()) == {404}, answers
    assert stored() == before
