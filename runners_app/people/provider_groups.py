"""Groups of the OpenID Connect provider give roles here, at each sign-in with it.

OIDC_GROUPS maps a group to `administrator`, or to `ROLE:ACCOUNT` with the account as the API names
it: `manager:organization:acme`. What the provider gave carries it as its source, and follows it: a
sign-in changes or takes only that. What an administrator gave by hand stays.
"""

import logging
from collections.abc import Mapping
from typing import Any

from allauth.account.signals import user_logged_in
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from runners_app.models import Account, Membership, ProviderAdministrator
from runners_app.people.people import CannotChange, give_account, set_administrator, take_account
from runners_app.people.sessions import PROVIDER_SID, hash_of_sid
from runners_app.web.proof import OIDC

log = logging.getLogger(__name__)
ADMINISTRATOR = "administrator"
V, M = Membership.Role.VIEWER, Membership.Role.MANAGER


def connect_provider() -> None:
    """Connect the receiver, once, when the app is ready."""
    user_logged_in.connect(_signed_in, dispatch_uid="follow the provider")


def _signed_in(
    sender: Any, request: HttpRequest, user: User, sociallogin: Any = None, **kwargs: Any
) -> None:
    """After a sign-in with OpenID Connect: note its session there, and follow its groups."""
    if sociallogin is None or sociallogin.account.provider != OIDC:
        return
    data = sociallogin.account.extra_data
    sid = (data.get("id_token") or {}).get("sid")
    if isinstance(sid, str) and sid:
        request.session[PROVIDER_SID] = hash_of_sid(sid)
    if held := follow_groups(user, data):
        operations = "1 operation is" if held == 1 else f"{held} operations are"
        messages.warning(
            request,
            f"{operations} held, which you requested: the groups of your provider no longer let "
            "you do this. A manager of the account decides.",
        )


def groups_in(data: Mapping[str, Any]) -> set[str] | None:
    """The groups in what the provider said of a user; None if it said that there are too many.

    `data` has the claims of the signed token as `id_token` and those of the user as `userinfo`. A
    claim that is missing means no groups: nobody keeps a role because a provider was set up wrong.
    """
    for name in ("id_token", "userinfo"):
        claims = data.get(name)
        if not isinstance(claims, Mapping):
            continue
        groups = claims.get(settings.OIDC_GROUPS_CLAIM)
        if isinstance(groups, str):
            return {groups}
        if isinstance(groups, list):
            return {group for group in groups if isinstance(group, str)}
        elsewhere = claims.get("_claim_names")
        if isinstance(elsewhere, Mapping) and settings.OIDC_GROUPS_CLAIM in elsewhere:
            return None
    return set()


def wanted_roles(groups: set[str]) -> tuple[bool, dict[int, str]]:
    """Whether the groups make an administrator, and the role in each account, by primary key.

    Of several roles in one account the greater counts. An account that is not connected is skipped.
    """
    roles: dict[int, str] = {}
    is_administrator = False
    for group in sorted(groups & settings.OIDC_GROUPS.keys()):
        for given in settings.OIDC_GROUPS[group]:
            if given == ADMINISTRATOR:
                is_administrator = True
                continue
            role, kind, name = given.split(":", 2)
            for pk in _accounts(kind, name).values_list("pk", flat=True):
                roles[pk] = M if M in (role, roles.get(pk)) else V
    return is_administrator, roles


def _accounts(kind: str, name: str) -> QuerySet[Account]:
    """The account of this name; none if several servers have one, and the name says no server."""
    rows = Account.objects.named(name).filter(kind=kind)
    return rows if rows.count() == 1 else Account.objects.none()


@transaction.atomic
def follow_groups(person: User, data: Mapping[str, Any]) -> int:
    """Give and take roles as the provider's groups say; returns how many operations were held.

    Does nothing unless OIDC_GROUPS is set.
    """
    if not settings.OIDC_GROUPS:
        return 0
    groups = groups_in(data)
    if groups is None:
        log.warning("The provider sent no groups of a user, because there are too many.")
        return 0
    is_administrator, roles = wanted_roles(groups)
    held = _follow_administrator(person, is_administrator)

    present = {row.account_id: row for row in person.memberships.all()}
    accounts = Account.objects.in_bulk({*roles, *present})
    for pk in sorted(accounts):
        row, role = present.get(pk), roles.get(pk)
        if row is not None and row.source != Membership.Source.PROVIDER:
            continue  # given by hand
        if role is not None:
            source = Membership.Source.PROVIDER
            held += give_account(person, accounts[pk], role, by=None, source=source)
        else:
            held += take_account(person, accounts[pk], by=None)
    return held


def _follow_administrator(person: User, wanted: bool) -> int:
    """Make or unmade an administrator; only one whom the provider made is unmade."""
    made_here = ProviderAdministrator.objects.filter(user=person)
    if wanted and not person.is_superuser:
        ProviderAdministrator.objects.get_or_create(user=person)
        return set_administrator(person, True, by=None)
    if wanted or not made_here.exists():
        return 0
    try:
        held = set_administrator(person, False, by=None) if person.is_superuser else 0
    except CannotChange as error:
        log.warning("The provider's groups could not be followed: %s", error)
        return 0
    made_here.delete()
    return held
