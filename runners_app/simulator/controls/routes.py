"""Controls under ``/_simulator/``, which GitHub does not have: they inspect and change the world.

They need no token, are not recorded in the ledger, and are not subject to faults.
"""

import re
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from runners_app.simulator.api.hosted_runners import describe
from runners_app.simulator.api.rate_limits import bucket_of
from runners_app.simulator.api.rate_limits import describe as describe_limit
from runners_app.simulator.api.wire import Body, Refused, Request, Response, json_object
from runners_app.simulator.controls import faults
from runners_app.simulator.controls import jobs as job_controls
from runners_app.simulator.controls.changes import (
    change_runner,
    create_runner,
    rename_account,
)
from runners_app.simulator.world import lifecycle, seed
from runners_app.simulator.world.app_keys import private_pem
from runners_app.simulator.world.inherited_groups import update_inherited_groups
from runners_app.simulator.world.state import Account, account_key

if TYPE_CHECKING:
    from runners_app.simulator.server.app import Simulator

Control = Callable[["Simulator", Request, dict[str, str]], Response]


def respond(simulator: "Simulator", request: Request) -> Response:
    """Run a control. Every control except GET changes the world, which is then saved."""
    for method, pattern, control in CONTROLS:
        if method == request.method and (
            match := re.fullmatch(f"/_simulator/{pattern}", request.path)
        ):
            try:
                with simulator.lock:
                    response = control(simulator, request, match.groupdict())
                    if method != "GET":
                        simulator.changed()
            except Refused as refused:
                response = refused.response
            except (ValueError, TypeError, KeyError) as error:
                response = Response(400, {"message": str(error)})
            if response.body is not None:
                response.headers["Content-Type"] = "application/json; charset=utf-8"
            return response
    known = sorted(f"{method} /_simulator/{pattern}" for method, pattern, _ in CONTROLS)
    return Response(
        404,
        {"message": "No such control.", "controls": known},
        {"Content-Type": "application/json"},
    )


def _read_requests(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    query = request.query
    return Response(200, simulator.ledger.entries(query.get("method"), query.get("path")))


def _clear_requests(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    simulator.ledger.clear()
    return Response(204)


def _read_faults(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    return Response(200, simulator.faults.describe())


def _add_fault(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    return Response(201, asdict(simulator.faults.add(faults.parse(json_object(request)))))


def _clear_faults(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    simulator.faults.clear()
    return Response(204)


def _reset(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    """Return to the seeded world; the body may change its size (``seed``, ``runners``, …),
    ``latency_ms``, and the time at which it begins (``wall``, in seconds since 1970).
    """
    wanted = json_object(request)
    latency_ms = float(wanted.pop("latency_ms", simulator.options.latency_ms))
    wall = float(wanted.pop("wall", time.time()))
    size = replace(simulator.options.size, **wanted)
    pem = simulator.world.app.pem
    simulator.world = seed.make_world(size, wall)
    simulator.world.app.pem = pem
    simulator.latency_ms = latency_ms
    simulator.ledger.clear()
    simulator.faults.clear()
    simulator.courier.reset()
    simulator.incidents.clear()
    return Response(200, {"accounts": accounts_with_tokens(simulator)})


def accounts_with_tokens(simulator: "Simulator") -> list[Body]:
    """The accounts, each with the token that has all rights on it."""
    main = {
        token.accounts[0]: token.token
        for token in simulator.world.tokens.values()
        if token.note == "main"
    }
    return [
        {"kind": account.kind, "slug": account.slug, "token": main[account.key]}
        for account in simulator.world.accounts.values()
    ]


def _read_accounts(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    return Response(200, accounts_with_tokens(simulator))


def _advance(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    """``{"seconds": N}`` advances simulated time; ``{"speed": X}`` sets its speed, 0 stops it."""
    wanted, clock, wall = json_object(request), simulator.world.clock, time.time()
    lifecycle.advance(clock, wall, float(wanted.get("seconds", 0)))
    if "speed" in wanted:
        lifecycle.change_speed(clock, wall, float(wanted["speed"]))
    return Response(200, {"seconds": lifecycle.elapsed(clock, wall), "speed": clock.speed})


def _account(simulator: "Simulator", params: dict[str, str]) -> Account:
    account = simulator.world.accounts.get(account_key(params["kind"], params["slug"]))
    if account is None:
        raise Refused(Response(404, {"message": f"There is no {params['kind']} {params['slug']}."}))
    return account


def _change_account(simulator: "Simulator", request: Request, params: dict[str, str]) -> Response:
    """Set ``plan``, ``static_ip_maximum``, ``slug`` (a new name; the old one is free then),
    ``renamed``, which only hides the account, or ``shares_default`` of an enterprise.
    """
    account, wanted = _account(simulator, params), json_object(request)
    if unknown := wanted.keys() - {
        "renamed",
        "plan",
        "static_ip_maximum",
        "slug",
        "shares_default",
    }:
        raise ValueError(f"Unknown fields: {', '.join(sorted(unknown))}.")
    account.renamed = bool(wanted.get("renamed", account.renamed))
    account.shares_default = bool(wanted.get("shares_default", account.shares_default))
    update_inherited_groups(simulator.world, account)
    if "slug" in wanted:
        rename_account(simulator.world, account, str(wanted["slug"]))
    account.plan = str(wanted.get("plan", account.plan))
    account.static_ip_maximum = int(wanted.get("static_ip_maximum", account.static_ip_maximum))
    shown = ("kind", "slug", "id", "plan", "renamed", "static_ip_maximum")
    return Response(200, {name: getattr(account, name) for name in shown})


def _create_account(simulator: "Simulator", request: Request, params: dict[str, str]) -> Response:
    """Create an account with seeded content and a token that has all rights on it."""
    if account_key(params["kind"], params["slug"]) in simulator.world.accounts:
        raise ValueError(f"{params['slug']} exists.")
    account = seed.add_account(simulator.world, params["kind"], params["slug"], time.time())
    (created,) = [each for each in accounts_with_tokens(simulator) if each["slug"] == account.slug]
    return Response(201, {**created, "id": account.id})


def _at(simulator: "Simulator") -> float:
    return lifecycle.elapsed(simulator.world.clock, time.time())


def _create_runner(simulator: "Simulator", request: Request, params: dict[str, str]) -> Response:
    world, at = simulator.world, _at(simulator)
    runner = create_runner(world, _account(simulator, params), json_object(request), at)
    return Response(201, describe(runner, world.clock, at))


def _change_runner(simulator: "Simulator", request: Request, params: dict[str, str]) -> Response:
    world, at, account = simulator.world, _at(simulator), _account(simulator, params)
    runner = account.runners.get(int(params["id"]))
    if runner is None:
        raise Refused(Response(404, {"message": "There is no such runner."}))
    change_runner(runner, json_object(request))
    return Response(200, describe(runner, world.clock, at))


def _delete_runner(simulator: "Simulator", request: Request, params: dict[str, str]) -> Response:
    """Remove a runner at once, without the status Deleting."""
    if _account(simulator, params).runners.pop(int(params["id"]), None) is None:
        raise Refused(Response(404, {"message": "There is no such runner."}))
    return Response(204)


def _read_tokens(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    shown = (
        "token",
        "kind",
        "note",
        "login",
        "accounts",
        "scopes",
        "permissions",
        "expires_on",
        "revoked",
    )
    return Response(
        200,
        [
            {name: getattr(token, name) for name in shown}
            for token in simulator.world.tokens.values()
        ],
    )


TOKEN_FIELDS = ("accounts", "scopes", "permissions", "sso_missing", "revoked", "expires_on")


def _change_token(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    """Change the token named by ``token``: its fields, ``expires_in`` (seconds), or its quota
    (``remaining``, ``limit``, ``reset_in``).
    """
    wanted, wall = json_object(request), time.time()
    token = simulator.world.tokens.get(str(wanted.pop("token", "")))
    if token is None:
        raise Refused(Response(404, {"message": "There is no such token."}))
    if unknown := wanted.keys() - {*TOKEN_FIELDS, "expires_in", "remaining", "limit", "reset_in"}:
        raise ValueError(f"Unknown fields: {', '.join(sorted(unknown))}.")
    for name in TOKEN_FIELDS:
        setattr(token, name, wanted.get(name, getattr(token, name)))
    if "expires_in" in wanted:
        token.expires_on = (
            None if wanted["expires_in"] is None else wall + float(wanted["expires_in"])
        )
    bucket = bucket_of(simulator.world, token, "", wall)
    bucket.limit = int(wanted.get("limit", bucket.limit))
    bucket.reset_on = wall + float(wanted["reset_in"]) if "reset_in" in wanted else bucket.reset_on
    bucket.used = bucket.limit - int(wanted["remaining"]) if "remaining" in wanted else bucket.used
    return Response(200, {"note": token.note, "rate_limit": describe_limit(bucket)})


def _read_app(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    app = simulator.world.app
    installations = [asdict(installation) for installation in app.installations.values()]
    pem = private_pem(app)
    simulator.save()
    return Response(
        200,
        {"app_id": app.id, "client_id": app.client_id, "pem": pem, "installations": installations},
    )


def _change_installation(
    simulator: "Simulator", request: Request, params: dict[str, str]
) -> Response:
    """Replace ``permissions`` or set ``suspended`` (a boolean)."""
    wanted: dict[str, Any] = json_object(request)
    installation = simulator.world.app.installations.get(int(params["id"]))
    if installation is None:
        raise Refused(Response(404, {"message": "There is no such installation."}))
    installation.permissions = dict(wanted.get("permissions", installation.permissions))
    if "suspended" in wanted:
        installation.suspended_on = time.time() if wanted["suspended"] else None
    return Response(200, asdict(installation))


def _delete_installation(
    simulator: "Simulator", request: Request, params: dict[str, str]
) -> Response:
    """Uninstall the App, as an owner does: its tokens stop working."""
    simulator.world.app.installations.pop(int(params["id"]))
    return Response(204)


def _reinstall(simulator: "Simulator", request: Request, params: dict[str, str]) -> Response:
    """Uninstall and install the App: a new installation id, and the old tokens stop working."""
    installations = simulator.world.app.installations
    before = installations.pop(int(params["id"]))
    installation = replace(before, id=max([before.id, *installations]) + 1)
    installations[installation.id] = installation
    return Response(201, asdict(installation))


def _read_status(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    """A summary as GitHub's status page serves it."""
    return Response(200, {"page": {"name": "GitHub"}, "incidents": simulator.incidents})


def _add_incident(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    """Open an incident with ``name`` and ``components`` (names); other fields may be given too."""
    wanted = json_object(request)
    names = wanted.pop("components", ["Actions"])
    incident = {
        "id": f"incident-{len(simulator.incidents) + 1}",
        "name": "Delays in starting jobs",
        "status": "investigating",
        "impact": "minor",
        "shortlink": "https://status.example.com/incident",
        "started_at": lifecycle.timestamp(time.time()),
        "components": [{"name": name, "status": "degraded_performance"} for name in names],
        **wanted,
    }
    simulator.incidents.append(incident)
    return Response(201, incident)


def _clear_incidents(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    simulator.incidents.clear()
    return Response(204)


ACCOUNT = "(?P<kind>organization|enterprise)/(?P<slug>[^/]+)"
CONTROLS: list[tuple[str, str, Control]] = [
    ("GET", "requests", _read_requests),
    ("DELETE", "requests", _clear_requests),
    ("GET", "faults", _read_faults),
    ("POST", "faults", _add_fault),
    ("DELETE", "faults", _clear_faults),
    ("GET", "status", _read_status),
    ("POST", "incidents", _add_incident),
    ("DELETE", "incidents", _clear_incidents),
    ("POST", "reset", _reset),
    ("GET", "accounts", _read_accounts),
    ("POST", "advance", _advance),
    ("GET", "jobs", job_controls.read_jobs),
    ("POST", "jobs", job_controls.change_jobs),
    ("DELETE", "jobs", job_controls.clear_jobs),
    ("GET", "tokens", _read_tokens),
    ("PATCH", "tokens", _change_token),
    ("GET", "app", _read_app),
    ("PATCH", "installations/(?P<id>[0-9]+)", _change_installation),
    ("DELETE", "installations/(?P<id>[0-9]+)", _delete_installation),
    ("POST", "installations/(?P<id>[0-9]+)/again", _reinstall),
    ("POST", ACCOUNT, _create_account),
    ("PATCH", ACCOUNT, _change_account),
    ("POST", f"{ACCOUNT}/runners", _create_runner),
    ("PATCH", f"{ACCOUNT}/runners/(?P<id>[0-9]+)", _change_runner),
    ("DELETE", f"{ACCOUNT}/runners/(?P<id>[0-9]+)", _delete_runner),
]
