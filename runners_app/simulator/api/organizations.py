"""Organizations, their repositories, the user behind a token, and the rate limit."""

from base64 import b64encode
from dataclasses import replace
from typing import Any
from zlib import crc32

from runners_app.simulator.api import rate_limits as limits
from runners_app.simulator.api.call import Call
from runners_app.simulator.api.wire import Body, Response, not_found, page_of, refuse
from runners_app.simulator.world import lifecycle
from runners_app.simulator.world.state import Account, Repository, account_key

PLAIN_REPOSITORY_URLS = (
    *("contributors", "deployments", "downloads", "events", "forks", "hooks", "languages"),
    *("merges", "stargazers", "subscribers", "subscription", "tags", "teams"),
)
TEMPLATED_REPOSITORY_URLS = {
    "archive": "/{archive_format}{/ref}",
    "assignees": "/assignees{/user}",
    "blobs": "/git/blobs{/sha}",
    "branches": "/branches{/branch}",
    "collaborators": "/collaborators{/collaborator}",
    "comments": "/comments{/number}",
    "commits": "/commits{/sha}",
    "compare": "/compare/{base}...{head}",
    "contents": "/contents/{+path}",
    "git_commits": "/git/commits{/sha}",
    "git_refs": "/git/refs{/sha}",
    "git_tags": "/git/tags{/sha}",
    "issue_comment": "/issues/comments{/number}",
    "issue_events": "/issues/events{/number}",
    "issues": "/issues{/number}",
    "keys": "/keys{/key_id}",
    "labels": "/labels{/name}",
    "milestones": "/milestones{/number}",
    "notifications": "/notifications{?since,all,participating}",
    "pulls": "/pulls{/number}",
    "releases": "/releases{/id}",
    "statuses": "/statuses/{sha}",
    "trees": "/git/trees{/sha}",
}


def node_id(kind: str, number: int) -> str:
    return b64encode(f"{kind}{number}".encode()).decode()


def web_url(path: str) -> str:
    return f"https://github.com{path}"


def describe_organization(call: Call, account: Account) -> Body:
    """An organization in the short form of lists."""
    own = call.url(f"/orgs/{account.slug}")
    return {
        "login": account.slug,
        "id": account.id,
        "node_id": node_id("012:Organization", account.id),
        "url": own,
        "repos_url": f"{own}/repos",
        "events_url": f"{own}/events",
        "hooks_url": f"{own}/hooks",
        "issues_url": f"{own}/issues",
        "members_url": f"{own}/members{{/member}}",
        "public_members_url": f"{own}/public_members{{/member}}",
        "avatar_url": web_url(f"/{account.slug}.png"),
        "description": f"Made-up organization {account.name}",
    }


def describe_user(call: Call, login: str, number: int, kind: str = "User") -> Body:
    """A user or, as owner of repositories and installations, an organization."""
    own = call.url(f"/users/{login}")
    return {
        "login": login,
        "id": number,
        "node_id": node_id(f"04:{kind}", number),
        "avatar_url": web_url(f"/{login}.png"),
        "gravatar_id": "",
        "url": own,
        "html_url": web_url(f"/{login}"),
        "followers_url": f"{own}/followers",
        "following_url": f"{own}/following{{/other_user}}",
        "gists_url": f"{own}/gists{{/gist_id}}",
        "starred_url": f"{own}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{own}/subscriptions",
        "organizations_url": f"{own}/orgs",
        "repos_url": f"{own}/repos",
        "events_url": f"{own}/events{{/privacy}}",
        "received_events_url": f"{own}/received_events",
        "type": kind,
        "site_admin": False,
    }


def describe_repository(
    call: Call, owner: Account, repository: Repository, *, full: bool = False
) -> Body:
    """A repository in the short form, or with ``full`` as ``GET /installation/repositories``."""
    full_name = f"{owner.slug}/{repository.name}"
    own, created = call.url(f"/repos/{full_name}"), lifecycle.timestamp(repository.created_on)
    response: Body = {
        "id": repository.id,
        "node_id": node_id("010:Repository", repository.id),
        "name": repository.name,
        "full_name": full_name,
        "owner": describe_user(call, owner.slug, owner.id, "Organization"),
        "private": repository.private,
        "visibility": "private" if repository.private else "public",
        "html_url": web_url(f"/{full_name}"),
        "description": None,
        "fork": False,
        "url": own,
        **{f"{noun}_url": f"{own}/{noun}" for noun in PLAIN_REPOSITORY_URLS},
        **{f"{noun}_url": f"{own}{ending}" for noun, ending in TEMPLATED_REPOSITORY_URLS.items()},
        "git_url": f"git:github.com/{full_name}.git",
        "ssh_url": f"git@github.com:{full_name}.git",
        "clone_url": web_url(f"/{full_name}.git"),
        "svn_url": web_url(f"/{full_name}"),
        "default_branch": "main",
        "archived": False,
        "disabled": False,
        "created_at": created,
        "updated_at": created,
        "pushed_at": created,
    }
    if not call.newest_version:
        response["has_downloads"] = True
    return {**response, **_long_form(call)} if full else response


def _long_form(call: Call) -> Body:
    counts = ("forks", "open_issues", "stargazers", "watchers")
    response: Body = dict.fromkeys([f"{name}_count" for name in counts], 0)
    response |= dict.fromkeys(("forks", "open_issues", "watchers", "size"), 0)
    response |= dict.fromkeys(("homepage", "language", "license", "mirror_url"))
    response |= {"has_issues": True, "has_projects": True, "has_wiki": False, "has_pages": False}
    if not call.newest_version:
        response |= {"master_branch": "main", "use_squash_pr_title_as_default": False}
    return response


def get_organization(call: Call) -> Response:
    """GET /orgs/{org}: public data for everyone; plan and settings only for its owners' tokens."""
    account = call.account
    created = lifecycle.timestamp(account.created_on)
    private = sum(repository.private for repository in account.repositories.values())
    response: Body = {
        **describe_organization(call, account),
        "name": account.name,
        "is_verified": False,
        "has_organization_projects": True,
        "has_repository_projects": True,
        "public_repos": len(account.repositories) - private,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "html_url": web_url(f"/{account.slug}"),
        "created_at": created,
        "updated_at": created,
        "archived_at": None,
        "type": "Organization",
    }
    if _sees_plan(call):
        response["plan"] = {
            "name": account.plan,
            "space": 976562499,
            "private_repos": 999999,
            "seats": 50,
        }
        response["total_private_repos"] = response["owned_private_repos"] = private
        response["two_factor_requirement_enabled"] = True
        if not call.newest_version:
            response["secret_scanning_push_protection_custom_link_enabled"] = False
    return Response(200, response)


def get_organization_by_id(call: Call) -> Response:
    """GET /organizations/{organization_id}: the organization under its present name."""
    for account in call.world.accounts.values():
        is_asked_for = str(account.id) == call.params["organization_id"]
        if account.kind == "organization" and is_asked_for and not account.renamed:
            return get_organization(replace(call, target=account))
    raise not_found()


def _sees_plan(call: Call) -> bool:
    token = call.token
    if (
        token is None
        or call.account.key not in token.accounts
        or call.account.key in token.sso_missing
    ):
        return False
    return (
        "admin:org" in token.scopes
        if token.kind == "classic"
        else "organization_plan" in token.permissions
    )


def list_repositories(call: Call) -> Response:
    """GET /orgs/{org}/repos with ``type``, ``sort`` and ``direction``.

    Private repositories are listed only for the organization's tokens.
    """
    query, account = call.request.query, call.account
    kept = [
        repository
        for repository in account.repositories.values()
        if _wanted(repository, query.get("type", "all"))
    ]
    if call.token is None or account.key not in call.token.accounts:
        kept = [repository for repository in kept if not repository.private]
    by_name = query.get("sort") == "full_name"
    downwards = query.get("direction", "asc" if by_name else "desc") == "desc"
    kept.sort(
        key=lambda repository: repository.name if by_name else f"{repository.created_on:020.3f}",
        reverse=downwards,
    )
    page, headers = page_of(call.request, kept)
    return Response(
        200, [describe_repository(call, account, repository) for repository in page], headers
    )


def _wanted(repository: Repository, kind: str) -> bool:
    return {"public": not repository.private, "private": repository.private, "forks": False}.get(
        kind, True
    )


def _describe_public_user(call: Call, login: str, number: int, name: str, kind: str) -> Body:
    """The long form, without what only the user sees."""
    created = lifecycle.timestamp(call.world.app.created_on)
    return {
        **describe_user(call, login, number, kind),
        "name": name,
        **dict.fromkeys(("company", "location", "email", "hireable", "bio")),
        "blog": "",
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": created,
        "updated_at": created,
    }


def get_user(call: Call) -> Response:
    """GET /user"""
    token = call.token
    if token is None or token.kind == "installation":
        raise refuse(403, "Resource not accessible by integration", "/users/users")
    number = crc32(token.login.encode())
    return Response(
        200, _describe_public_user(call, token.login, number, token.login.title(), "User")
    )


def get_user_by_name(call: Call) -> Response:
    """GET /users/{username}: an organization is one of type Organization, without a credential."""
    account = call.world.accounts.get(account_key("organization", call.params["username"]))
    if account is not None and not account.renamed:
        described = _describe_public_user(
            call, account.slug, account.id, account.name, "Organization"
        )
        return Response(200, described)
    for token in call.world.tokens.values():
        if token.login.lower() == call.params["username"].lower():
            number = crc32(token.login.encode())
            described = _describe_public_user(
                call, token.login, number, token.login.title(), "User"
            )
            return Response(200, described)
    raise not_found("/users/users")


def list_own_organizations(call: Call) -> Response:
    """GET /user/orgs: the organizations the token can see.

    A header names those for which it must be authorized for single sign-on first.
    """
    token = call.token
    if token is None or token.kind == "installation":
        raise refuse(403, "Resource not accessible by integration", "/orgs/orgs")
    own = [
        each
        for each in call.world.organizations()
        if each.key in token.accounts and not each.renamed
    ]
    hidden = [str(each.id) for each in own if each.key in token.sso_missing]
    page, headers = page_of(
        call.request, [each for each in own if each.key not in token.sso_missing]
    )
    if hidden:
        headers["X-GitHub-SSO"] = f"partial-results; organizations={','.join(hidden)}"
    return Response(200, [describe_organization(call, each) for each in page], headers)


def get_rate_limit(call: Call) -> Response:
    """GET /rate_limit, which is free. 404 on GitHub Enterprise Server, which has no limits."""
    if call.enterprise_server:
        raise refuse(404, "Rate limiting is not enabled.", "/rate-limit/rate-limit")
    bucket = limits.bucket_of(call.world, call.token, call.request.address, call.wall)
    core = limits.describe(bucket)
    untouched: dict[str, Any] = {
        name: {"limit": most, "used": 0, "remaining": most, "reset": core["reset"]}
        for name, most in {
            "search": 30,
            "graphql": 5000,
            "actions_runner_registration": 10_000,
        }.items()
    }
    response: Body = {"resources": {"core": core, **untouched}}
    return Response(200, response if call.newest_version else {**response, "rate": core})
