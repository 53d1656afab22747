"""Calls about the credential itself: its limit, its App and installations, and what it sees of an
organization.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import parsing, values
from .caller import Caller
from .meta import Answer, RateLimit
from .pages import Known, Page, none_known
from .shapes import App, Installation, InstallationToken, Organization, Owner


class CredentialCalls(Caller):
    def get_rate_limit(self) -> Answer[RateLimit]:
        """The primary limit for the REST API; asking does not count against it. NotFound where
        limits are switched off.

        rate-limit/get: GET /rate_limit (`resources.core`).
        """
        return self._one("GET", "/rate_limit", _core_limit)

    def get_organization(self, owner: Owner) -> Answer[Organization]:
        """What the credential sees of an organization. ValueError for an enterprise, which has no
        such call.

        orgs/get: GET /orgs/{org}.
        """
        if owner.kind != "organization":
            raise ValueError("Only organizations can be asked for")
        return self._one("GET", owner.path, parsing.organization)

    def get_organization_by_id(self, organization_id: int) -> Answer[Organization]:
        """The organization with this number, whatever its name is now. NotFound if there is none.

        Not in GitHub's description; its `Link` headers lead to such addresses.
        """
        return self._one("GET", f"/organizations/{organization_id:d}", parsing.organization)

    def get_app(self) -> Answer[App]:
        """The App whose `AppAuth` this client has.

        apps/get-authenticated: GET /app.
        """
        return self._one("GET", "/app", parsing.app)

    def list_installations(
        self, *, known: Known = none_known, per_page: int = 100
    ) -> Iterator[Page[Installation]]:
        """Where the App is installed, page by page (`total_count` is None: this list is a bare
        array).

        apps/list-installations: GET /app/installations.
        """
        return self._pages(
            "/app/installations", None, parsing.installation, known, per_page=per_page
        )

    def get_installation(self, installation_id: int) -> Answer[Installation]:
        """One installation with its permissions; needs `AppAuth`.

        apps/get-installation: GET /app/installations/{installation_id}.
        """
        return self._one("GET", f"/app/installations/{installation_id}", parsing.installation)

    def create_installation_access_token(self, installation_id: int) -> Answer[InstallationToken]:
        """A token with all rights of the installation, valid for an hour; needs `AppAuth`.

        apps/create-installation-access-token: POST
        /app/installations/{installation_id}/access_tokens.
        """
        path = f"/app/installations/{installation_id}/access_tokens"
        return self._one("POST", path, parsing.installation_token)


def _core_limit(payload: object) -> RateLimit:
    core = values.mapping(values.mapping(values.mapping(payload).get("resources")).get("core"))
    limit, remaining, used = (values.count(core.get(key)) for key in ("limit", "remaining", "used"))
    reset_at = values.epoch(core.get("reset"))
    if limit is None or remaining is None or reset_at is None:
        raise values.Unreadable("the limit is missing")
    return RateLimit(
        limit, remaining, max(limit - remaining, 0) if used is None else used, reset_at, "core"
    )
