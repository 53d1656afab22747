"""The GitHub App: its installations and their tokens."""

import hashlib
from typing import Any

from runners_app.simulator.api import rules
from runners_app.simulator.api.call import Call, wrapped_page
from runners_app.simulator.api.organizations import (
    describe_repository,
    describe_user,
    node_id,
    web_url,
)
from runners_app.simulator.api.wire import Body, Response, not_found, page_of, refuse
from runners_app.simulator.world import lifecycle
from runners_app.simulator.world.state import Installation, Token

TOKEN_SECONDS = 3600
DOCS = "/apps/apps"
UNLISTED_PERMISSIONS = {
    "organization_hosted_runner_custom_images",
    "organization_network_configurations",
}
"""Permissions that work although GitHub's schema of an App has no key for them: not listed."""


def get_app(call: Call) -> Response:
    """GET /app"""
    app = call.world.app
    created = lifecycle.timestamp(app.created_on)
    response: Body = {
        "id": app.id,
        "slug": app.slug,
        "client_id": app.client_id,
        "node_id": node_id("03:App", app.id),
        "owner": describe_user(call, "octo-simulator", 1),
        "name": app.name,
        "description": "",
        "external_url": "https://example.com",
        "html_url": web_url(f"/apps/{app.slug}"),
        "created_at": created,
        "updated_at": created,
        "permissions": _listed(app.permissions),
        "events": ["workflow_job"],
        "installations_count": len(app.installations),
    }
    return Response(200, response)


def describe_installation(call: Call, installation: Installation) -> Body:
    app, account = call.world.app, call.world.accounts[installation.account]
    created, suspended = lifecycle.timestamp(installation.created_on), installation.suspended_on
    return {
        "id": installation.id,
        "account": describe_user(call, account.slug, account.id, "Organization"),
        "repository_selection": "all",
        "access_tokens_url": call.url(f"/app/installations/{installation.id}/access_tokens"),
        "repositories_url": call.url("/installation/repositories"),
        "html_url": web_url(
            f"/organizations/{account.slug}/settings/installations/{installation.id}"
        ),
        "app_id": app.id,
        "app_slug": app.slug,
        "client_id": app.client_id,
        "target_id": account.id,
        "target_type": "Organization",
        "permissions": _listed(installation.permissions),
        "events": ["workflow_job"],
        "created_at": created,
        "updated_at": created,
        "single_file_name": None,
        "suspended_at": None if suspended is None else lifecycle.timestamp(suspended),
        "suspended_by": None if suspended is None else describe_user(call, "octo-simulator", 1),
    }


def list_installations(call: Call) -> Response:
    """GET /app/installations"""
    page, headers = page_of(call.request, list(call.world.app.installations.values()))
    return Response(200, [describe_installation(call, each) for each in page], headers)


def get_installation(call: Call) -> Response:
    return Response(200, describe_installation(call, call.installation()))


def get_organization_installation(call: Call) -> Response:
    """GET /orgs/{org}/installation"""
    for installation in call.world.app.installations.values():
        if installation.account == call.account.key:
            return Response(200, describe_installation(call, installation))
    raise not_found(DOCS)


def create_access_token(call: Call) -> Response:
    """POST /app/installations/{id}/access_tokens: 201 with a token that is valid for an hour.

    ``permissions``, ``repositories`` and ``repository_ids`` restrict it; 422 if they go beyond
    those of the installation.
    """
    installation = call.installation()
    body = rules.read_body(call.request, {"permissions": rules.Field("object"), **_REPOSITORIES})
    if installation.suspended_on is not None:
        raise refuse(403, "This installation has been suspended", DOCS)
    permissions = body.get("permissions") or installation.permissions
    if any(
        not _within(installation.permissions, name, level) for name, level in permissions.items()
    ):
        raise refuse(422, "The permissions requested are not granted to this installation.", DOCS)
    repositories = _chosen_repositories(call, installation, body)
    token = _mint(call, installation, {**permissions, "metadata": "read"}, repositories)
    call.world.tokens[token.token] = token
    response: Body = {
        "token": token.token,
        "expires_at": lifecycle.timestamp(token.expires_on or 0),
        "permissions": _listed(token.permissions),
        "repository_selection": "all" if repositories is None else "selected",
    }
    if repositories is not None:
        account = call.world.accounts[installation.account]
        chosen = [account.repositories[each] for each in repositories]
        response["repositories"] = [
            describe_repository(call, account, each, full=True) for each in chosen
        ]
    return Response(201, response)


_REPOSITORIES = {
    "repositories": rules.Field("string[]"),
    "repository_ids": rules.Field("integer[]"),
}


def _listed(permissions: dict[str, str]) -> dict[str, str]:
    return {name: level for name, level in permissions.items() if name not in UNLISTED_PERMISSIONS}


def _within(granted: dict[str, str], name: str, level: Any) -> bool:
    return granted.get(name) == level or (level == "read" and granted.get(name) == "write")


def _chosen_repositories(call: Call, installation: Installation, body: Body) -> list[int] | None:
    if not body.keys() & _REPOSITORIES.keys():
        return None
    known = call.world.accounts[installation.account].repositories
    by_name = {repository.name: repository.id for repository in known.values()}
    chosen = [
        *body.get("repository_ids", []),
        *(by_name.get(name, 0) for name in body.get("repositories", [])),
    ]
    if any(each not in known for each in chosen):
        raise refuse(
            422, "A repository does not exist or is not accessible to the installation.", DOCS
        )
    return sorted(set(chosen))


def _mint(
    call: Call,
    installation: Installation,
    permissions: dict[str, str],
    repositories: list[int] | None,
) -> Token:
    world = call.world
    world.minted += 1
    stateless = call.request.headers.get("x-github-stateless-s2s-token") != "disabled"
    return Token(
        token=_token_text(
            f"{world.seed}/{world.started_on}/{world.minted}", world.app.id, stateless=stateless
        ),
        kind="installation",
        login=f"{world.app.slug}[bot]",
        bucket=f"installation/{installation.id}",
        accounts=[installation.account],
        note=f"minted for installation {installation.id}",
        permissions=permissions,
        expires_on=call.wall + TOKEN_SECONDS,
        installation_id=installation.id,
        repository_ids=repositories,
    )


def _token_text(origin: str, app_id: int, *, stateless: bool) -> str:
    """A token: 520 characters with dots and underscores, or 40 in the older format."""
    noise = "".join(hashlib.sha256(f"{origin}/{part}".encode()).hexdigest() for part in range(9))
    if not stateless:
        return f"ghs_{noise[:36]}"
    head = f"ghs_{app_id}_"
    return f"{head}{noise[:36]}.{noise[36:300]}.{noise}"[:520]


def list_installation_repositories(call: Call) -> Response:
    """GET /installation/repositories"""
    token = call.token
    if token is None or token.kind != "installation":
        raise refuse(403, "You must authenticate with an installation access token.", DOCS)
    account = call.world.accounts[token.accounts[0]]
    visible = [
        repository
        for repository in account.repositories.values()
        if token.repository_ids is None or repository.id in token.repository_ids
    ]
    response = wrapped_page(
        call,
        "repositories",
        visible,
        repository_selection="all" if token.repository_ids is None else "selected",
    )
    shown = [
        describe_repository(call, account, repository, full=True)
        for repository in response.body["repositories"]
    ]
    response.body["repositories"] = shown
    return response
