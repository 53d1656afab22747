"""One request to GitHub's API, from its headers to the finished answer."""

import hashlib
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from runners_app.simulator.api import auth
from runners_app.simulator.api import rate_limits as limits
from runners_app.simulator.api.auth import Need
from runners_app.simulator.api.call import Call
from runners_app.simulator.api.routes import Route, find_route
from runners_app.simulator.api.wire import Answer, Refused, Request, not_found, refuse
from runners_app.simulator.controls.faults import Fault, merge_patch
from runners_app.simulator.world import lifecycle
from runners_app.simulator.world.state import Account, Bucket, Token, World, account_key

if TYPE_CHECKING:
    from runners_app.simulator.server.app import Options

VERSIONS = ("2022-11-28", "2026-03-10")
VARY = "Accept, Authorization, Cookie, X-GitHub-OTP, Accept-Encoding, X-Requested-With"


@dataclass
class Handled:
    """``applied`` is true when the request changed the world."""

    answer: Answer
    applied: bool


@dataclass
class Progress:
    """What is known about a request by now; headers of refusals are made from it too."""

    version: str = VERSIONS[0]
    need: Need | None = None
    token: Token | None = None
    bucket: Bucket | None = None


def answer_call(
    world: World, options: "Options", request: Request, fault: Fault | None, wall: float
) -> Handled:
    """Carry the request out, unless the fault says not to, and finish the answer."""
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
        answer = _answer_of(fault)
        progress.token = world.tokens.get(request.token or "")
        progress.bucket = (
            limits.bucket_of(world, progress.token, request.address, wall)
            if progress.token
            else None
        )
    else:
        try:
            answer = _carry_out(world, options, mounted, progress, wall)
            applied = request.method not in ("GET", "HEAD")
        except Refused as refused:
            answer = refused.answer
        if fault and fault.action in ("status", "garbage", "redirect"):
            answer = _answer_of(fault)
        if fault and fault.action == "replace":
            answer.body = merge_patch(answer.body, fault.body)
    return Handled(_finish(answer, request, progress, options), applied)


def _answer_of(fault: Fault) -> Answer:
    """What a fault answers in place of GitHub."""
    if fault.action == "redirect":
        return Answer(
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
        return Answer(
            status,
            text.encode(errors="surrogatepass"),
            {"Content-Type": "text/html", **fault.headers},
        )
    body = fault.body if fault.body is not None else {"message": HTTPStatus(status).phrase}
    return Answer(status, body, dict(fault.headers))


def _carry_out(
    world: World, options: "Options", request: Request, progress: Progress, wall: float
) -> Answer:
    progress.version = request.headers.get("x-github-api-version", VERSIONS[0])
    if progress.version not in VERSIONS:
        unknown, progress.version = progress.version, VERSIONS[0]
        raise refuse(400, f'"{unknown}" is not a supported version', "/overview/api-versions")
    if not request.headers.get("user-agent"):
        refusal = b"Request forbidden: send a User-Agent header.\n"
        raise Refused(Answer(403, refusal, {"Content-Type": "text/html"}))
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
    account = _account(world, params)
    auth.authorise(route.need, progress.token, account)
    if account is None and _names_account(params):
        raise not_found()
    call = Call(
        world=world,
        request=request,
        params=params,
        at=lifecycle.elapsed(world.clock, wall),
        wall=wall,
        version=progress.version,
        token=progress.token,
        target=account,
        enterprise_server=options.enterprise_server,
    )
    return _operate(route, call)


def _operate(route: Route, call: Call) -> Answer:
    answer = route.operation(call)
    if call.request.method == "HEAD":
        answer.body = None
    return answer


def _spend(
    world: World, options: "Options", request: Request, progress: Progress, wall: float
) -> None:
    """Identify the caller and take one request from its quota; asking for the quota is free."""
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


def _finish(answer: Answer, request: Request, progress: Progress, options: "Options") -> Answer:
    """ETag, 304 and the headers GitHub sends with everything. A 304 gives the spent request back."""
    content = answer.content()
    headers = {
        "X-GitHub-Media-Type": "github.v3; format=json",
        "X-GitHub-Api-Version-Selected": progress.version,
        "X-GitHub-Request-Id": _request_id(),
        "X-Content-Type-Options": "nosniff",
        **auth.headers(progress.need, progress.token),
    }
    if options.enterprise_server:
        headers["X-GitHub-Enterprise-Version"] = "3.21.0"
    status, body = answer.status, content
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
    return Answer(status, body, _merged(headers, answer.headers))


def _merged(headers: dict[str, str], over: dict[str, str]) -> dict[str, str]:
    """Both, the second's winning whatever their case."""
    names = {name.lower() for name in over}
    return {**{name: value for name, value in headers.items() if name.lower() not in names}, **over}


def _request_id() -> str:
    digest = uuid4().hex.upper()
    return f"{digest[:4]}:{digest[4:8]}:{digest[8:13]}:{digest[13:18]}:{digest[18:26]}"
