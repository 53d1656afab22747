"""Handles one request to GitHub's API, from its headers to the finished response."""

import hashlib
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from runners_app.simulator.api import auth
from runners_app.simulator.api import rate_limits as limits
from runners_app.simulator.api.auth import Need
from runners_app.simulator.api.call import Call
from runners_app.simulator.api.routes import find_route
from runners_app.simulator.api.wire import (
    Refused,
    Request,
    Response,
    not_found,
    refuse,
    status_phrase,
)
from runners_app.simulator.controls.distortions import History, slip, without
from runners_app.simulator.controls.faults import Fault, merge_patch
from runners_app.simulator.world import lifecycle
from runners_app.simulator.world.state import Account, Bucket, Token, World, account_key

if TYPE_CHECKING:
    from runners_app.simulator.server.app import Options

VERSIONS = ("2022-11-28", "2026-03-10")
VARY = "Accept, Authorization, Cookie, X-GitHub-OTP, Accept-Encoding, X-Requested-With"


@dataclass
class Outcome:
    """A response; ``applied`` is true when the request changed the world."""

    response: Response
    applied: bool


@dataclass
class Progress:
    """What is known about the request so far. Refusals build their headers from it as well."""

    version: str = VERSIONS[0]
    need: Need | None = None
    token: Token | None = None
    bucket: Bucket | None = None


def is_list(request: Request, prefix: str) -> bool:
    """Whether the request is for a list of items."""
    found = find_route(request.method, request.path.removeprefix(prefix))
    return found is not None and found[0].operation.__name__.startswith("list_")


def respond(
    world: World,
    options: "Options",
    request: Request,
    fault: Fault | None,
    history: History,
    wall: float,
    courier: object = None,
) -> Outcome:
    """Carry out the request, unless the fault prevents it, and finish the response.

    ``wall`` is the wall-clock time in seconds since 1970.
    """
    mounted = replace(
        request,
        path=request.path.removeprefix(options.prefix)
        if request.path.startswith(options.prefix)
        else "//",
        base_url=request.base_url + options.prefix,
    )
    progress = Progress()
    applied = False
    if fault and not fault.applies:
        response = _faulty_response(fault)
        progress.token = world.tokens.get(request.token or "")
        progress.bucket = (
            limits.bucket_of(world, progress.token, request.address, wall)
            if progress.token
            else None
        )
    else:
        try:
            response = _carry_out(world, options, mounted, progress, fault, history, wall, courier)
            applied = request.method not in ("GET", "HEAD")
        except Refused as refused:
            response = refused.response
        if fault and fault.action in ("status", "garbage", "redirect"):
            response = _faulty_response(fault)
        if fault and fault.action == "replace":
            response.body = merge_patch(response.body, fault.body)
    return Outcome(_finish(response, request, progress, options), applied)


def _faulty_response(fault: Fault) -> Response:
    """The response that a fault sends in place of GitHub's."""
    if fault.action == "stale_304":
        return Response(304, None, dict(fault.headers))
    if fault.action == "redirect":
        return Response(
            fault.status or 302, {"message": "Moved"}, {"Location": fault.location, **fault.headers}
        )
    usual = {"status": 502, "garbage": 200}.get(fault.action, 500)
    status = fault.status or usual
    if isinstance(fault.body, str) or fault.action == "garbage":
        text = (
            fault.body
            if isinstance(fault.body, str)
            else "<!DOCTYPE html><html><title>Unicorn!</title></html>"
        )
        return Response(
            status,
            text.encode(errors="surrogatepass"),
            {"Content-Type": "text/html", **fault.headers},
        )
    body = fault.body if fault.body is not None else {"message": status_phrase(status)}
    return Response(status, body, dict(fault.headers))


def _carry_out(
    world: World,
    options: "Options",
    request: Request,
    progress: Progress,
    fault: Fault | None,
    history: History,
    wall: float,
    courier: object,
) -> Response:
    progress.version = request.headers.get("x-github-api-version", VERSIONS[0])
    if progress.version not in VERSIONS:
        unknown, progress.version = progress.version, VERSIONS[0]
        raise refuse(400, f'"{unknown}" is not a supported version', "/overview/api-versions")
    if not request.headers.get("user-agent"):
        refusal = b"Request forbidden: send a User-Agent header.\n"
        raise Refused(Response(403, refusal, {"Content-Type": "text/html"}))
    found = find_route(request.method, request.path)
    if found and found[0].need.who == "app":
        auth.require_app(world.app, request)
    else:
        _spend(world, options, request, progress, wall)
    if found is None:
        raise not_found()
    route, params = found
    progress.need = route.need
    if route.hosted and options.enterprise_server:
        raise not_found("/actions/hosted-runners")
    seen, seen_on = world, wall
    if fault and fault.action == "lag":
        seen, seen_on = history.world_at(world, wall - fault.seconds), wall - fault.seconds
    elif fault and fault.action == "omit":
        seen = without(world, route.operation.__name__, fault.ids)

    account = _account(seen, params)
    auth.authorise(route.need, progress.token, account)
    if account is None and _names_account(params):
        raise not_found()
    call = Call(
        world=seen,
        request=request,
        params=params,
        at=lifecycle.elapsed(world.clock, seen_on),
        wall=wall,
        version=progress.version,
        token=progress.token,
        target=account,
        enterprise_server=options.enterprise_server,
        courier=courier,
    )
    response = route.operation(call)
    if request.method == "HEAD":
        response.body = None
    if fault and fault.action == "slip" and account:
        slip(world, account, fault, call.at)
    return response


def _spend(
    world: World, options: "Options", request: Request, progress: Progress, wall: float
) -> None:
    """Identify the caller and count one request against its quota; ``/rate_limit`` is free."""
    progress.token = auth.identify(world, request, wall)
    if options.enterprise_server:
        return
    bucket = progress.bucket = limits.bucket_of(world, progress.token, request.address, wall)
    if request.path == "/rate_limit":
        return
    if bucket.used >= bucket.limit:
        raise limits.exceeded(progress.token)
    bucket.used += 1


def _names_account(params: dict[str, str]) -> bool:
    return "org" in params or "enterprise" in params


def _account(world: World, params: dict[str, str]) -> Account | None:
    kind = "organization" if "org" in params else "enterprise"
    account = world.accounts.get(account_key(kind, params.get("org", params.get("enterprise", ""))))
    return None if account is None or account.renamed else account


def _finish(
    response: Response, request: Request, progress: Progress, options: "Options"
) -> Response:
    """Add the ETag, turn a match into a 304, and add the headers of every GitHub response.

    A 304 refunds the request to the quota.
    """
    content = response.content()
    headers = {
        "X-GitHub-Media-Type": "github.v3; format=json",
        "X-GitHub-Api-Version-Selected": progress.version,
        "X-GitHub-Request-Id": _request_id(),
        "X-Content-Type-Options": "nosniff",
        **auth.headers(progress.need, progress.token),
    }
    if options.enterprise_server:
        headers["X-GitHub-Enterprise-Version"] = "3.21.0"
    status, body = response.status, content
    if request.method == "GET" and status == HTTPStatus.OK:
        etag = hashlib.sha256(f"{request.token}\0".encode() + content).hexdigest()
        headers |= {
            "ETag": f'W/"{etag}"',
            "Cache-Control": "private, max-age=60, s-maxage=60",
            "Vary": VARY,
        }
        if etag in request.headers.get("if-none-match", ""):
            status, body = 304, b""
            if progress.bucket and request.path != "/rate_limit":
                progress.bucket.used -= 1
    if progress.bucket:
        headers |= limits.headers(progress.bucket)
    if body:
        headers["Content-Type"] = "application/json; charset=utf-8"
    return Response(status, body, _merged(headers, response.headers))


def _merged(headers: dict[str, str], over: dict[str, str]) -> dict[str, str]:
    """Merge two sets of headers; ``over`` wins, whatever the case of the names."""
    names = {name.lower() for name in over}
    return {**{name: value for name, value in headers.items() if name.lower() not in names}, **over}


def _request_id() -> str:
    digest = uuid4().hex.upper()
    return f"{digest[:4]}:{digest[4:8]}:{digest[8:13]}:{digest[13:18]}:{digest[18:26]}"
