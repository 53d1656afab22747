"""Everything that can go wrong when talking to GitHub.

    GitHubError
    ├── NotSent                 the connection never opened: DNS, refused, TLS; or it was too late
    │   └── ProxyFailed         the outgoing proxy failed or refused
    ├── AnswerLost              sent, but no whole answer came: reset, cut, deadline
    │   └── ServerFailed        5xx
    ├── AnswerUnusable          an answer, but not one to work with: not JSON, wrong shape, too
    │   │                       large, or to a write one that GitHub does not document
    │   ├── ForeignAnswer       it is not of GitHub's API, but for example a web page
    │   └── RedirectRefused     it leads elsewhere; nothing was sent there
    └── Refused                 4xx: GitHub said no, nothing changed; `cause` is why, if it said so
        ├── BadCredentials      401
        ├── ClockSkewed         401 for an App's signature, while this machine's clock is wrong
        ├── Forbidden           403: scope, permission, SSO, policy
        ├── NotFound            404, 410: absent, or no right to see it
        ├── Conflict            409
        ├── Invalid             422: GitHub's words, by field where it names one
        └── RateLimited         403 or 429: primary or secondary limit; wait until `wait_until`

`str(error)` is a plain sentence for people. It never holds a token or a header we sent, and of a
foreign address only the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from .meta import AnswerMeta


@dataclass(frozen=True, slots=True)
class FieldError:
    """One of GitHub's `errors`: field and code where it names them, words where it has some."""

    field: str | None
    code: str | None
    message: str | None

    def __str__(self) -> str:
        if self.message:
            return self.message
        return f"{self.field or 'request'}: {(self.code or 'invalid').replace('_', ' ')}"


class GitHubError(Exception):
    """A call that did not give its result.

    `message` is the sentence that `str()` gives, `meta` the headers of the answer if one came.
    `sent` says whether the request left; `may_have_applied` whether, had it been a write, GitHub
    might have carried it out.
    """

    sent: ClassVar[bool] = True
    may_have_applied: ClassVar[bool] = False

    def __init__(self, message: str, meta: AnswerMeta | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.meta: AnswerMeta | None = meta

    def __str__(self) -> str:
        return self.message

    @property
    def request_id(self) -> str | None:
        """GitHub's id of the request, to be named to its support; None if no answer came."""
        return self.meta.request_id if self.meta else None

    @property
    def clock_skew_seconds(self) -> float | None:
        """By how much GitHub's clock is ahead of this machine's; None if no answer told."""
        return self.meta.clock_skew_seconds if self.meta else None

    @property
    def status(self) -> int | None:
        """The answer's HTTP status; None if no answer came."""
        return self.meta.status if self.meta else None


class NotSent(GitHubError):
    """The connection never opened (DNS, refused, TLS), or the time was over before the request
    could leave: nothing was sent and nothing can have changed."""

    sent = False


class ProxyFailed(NotSent):
    """The outgoing proxy could not be reached, or did not let this through.

    `proxy_status` is what it answered (407: it wants another user and password), if it did.
    """

    def __init__(self, message: str, *, proxy_status: int | None = None) -> None:
        super().__init__(message)
        self.proxy_status = proxy_status


class AnswerLost(GitHubError):
    """The request left, but no whole answer came back: reset, cut short, or past the deadline."""

    may_have_applied = True


class ServerFailed(AnswerLost):
    """GitHub answered 5xx; it cuts requests off after 10 seconds, and may still have carried out
    a write."""


class AnswerUnusable(GitHubError):
    """An answer that cannot be worked with: not JSON, the wrong shape, too large, a status out of
    place; or an answer to a write that is neither the success nor a refusal GitHub documents."""

    may_have_applied = True


class ForeignAnswer(AnswerUnusable):
    """An answer that is not of GitHub's API, which speaks JSON: a page of the server's own site
    because the API's address is wrong, or of a proxy, a firewall or a portal on the way."""


class RedirectRefused(AnswerUnusable):
    """A redirect that is not followed: to another origin, too many, or of a write.

    `host` is where it led.
    """

    def __init__(self, message: str, meta: AnswerMeta | None = None, *, host: str) -> None:
        super().__init__(message, meta)
        self.host = host


class Cause(StrEnum):
    """Why GitHub refused, where it said so."""

    UNSAID = "unsaid"
    PERMISSION = "permission"
    """A 403 named the permission that an App or a fine-grained token would have needed."""
    SCOPE = "scope"
    """It told the scopes of a classic token, and none of them is one it would have taken."""
    SSO = "sso"
    """The token is not authorised for the organization's SAML single sign-on."""
    IP_ALLOW_LIST = "ip_allow_list"
    """The address Trackside comes from is not on the organization's or enterprise's list."""
    SUSPENDED = "suspended"
    """The App, its installation or the token's owner is suspended."""
    TOKEN_POLICY = "token_policy"  # noqa: S105
    """The organization forbids this kind of token, or one that lasts so long."""


class Refused(GitHubError):
    """GitHub said no (4xx) and changed nothing.

    `github_message` holds its words alone (empty if it had none), `errors` the details,
    `documentation_url` an https address or None, `cause` why, where GitHub said so.
    """

    def __init__(
        self,
        message: str,
        meta: AnswerMeta,
        *,
        github_message: str = "",
        errors: tuple[FieldError, ...] = (),
        documentation_url: str | None = None,
        cause: Cause = Cause.UNSAID,
    ) -> None:
        super().__init__(message, meta)
        self.meta: AnswerMeta = meta
        self.github_message = github_message
        self.errors = errors
        self.documentation_url = documentation_url
        self.cause = cause


class BadCredentials(Refused):
    """401: the token is wrong, expired or revoked.

    Repeating it can get valid credentials blocked.
    """


class ClockSkewed(Refused):
    """401 for an App's signature, and the time of this machine disagrees with GitHub's or GitHub
    says that it is the time it does not like. The key may be good: try again, and set the clock."""


class Forbidden(Refused):
    """403 that is not a limit: a scope, a permission, SSO or a policy is missing."""

    @property
    def accepted_permissions(self) -> str | None:
        """What a fine-grained token or App would have needed, as GitHub writes it."""
        return self.meta.accepted_permissions

    @property
    def accepted_scopes(self) -> tuple[str, ...] | None:
        """The scopes of which a classic token would have needed one."""
        return self.meta.accepted_oauth_scopes

    @property
    def scopes(self) -> tuple[str, ...] | None:
        """The scopes the classic token has."""
        return self.meta.oauth_scopes

    @property
    def sso_url(self) -> str | None:
        """Where a person authorises the token for the organization's SAML; always https."""
        return self.meta.sso_url


class NotFound(Refused):
    """404 or 410: it does not exist, or the credential may not see it.

    GitHub does not tell which.
    """


class Conflict(Refused):
    """409."""


class Invalid(Refused):
    """422: the request was understood and not accepted."""


class RateLimited(Refused):
    """A primary or secondary limit (403 or 429).

    Nothing may be sent with this credential before `wait_until` (UTC, by this machine's clock).
    """

    def __init__(
        self,
        message: str,
        meta: AnswerMeta,
        *,
        wait_until: datetime,
        primary: bool,
        github_message: str = "",
        errors: tuple[FieldError, ...] = (),
        documentation_url: str | None = None,
    ) -> None:
        super().__init__(
            message,
            meta,
            github_message=github_message,
            errors=errors,
            documentation_url=documentation_url,
        )
        self.wait_until = wait_until
        self.primary = primary
