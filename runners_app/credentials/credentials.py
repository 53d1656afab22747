"""Credentials: storing them, opening their clients, and reacting to limits and refusals."""

import hashlib
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from runners_app.credentials.leases import Lease
from runners_app.credentials.wake import wake_on_commit
from runners_app.github import (
    AnswerMeta,
    AppAuth,
    ClockSkewed,
    GitHubClient,
    GitHubError,
    InstallationToken,
    NotFound,
    RateLimited,
    TokenAuth,
)
from runners_app.models import Account, App, AuditEntry, Credential, Reading
from runners_app.models.clock import database_now
from runners_app.security import audit
from runners_app.security.redaction import hide
from runners_app.security.secrets import SecretUnreadable, fingerprints, seal, unseal

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

log = logging.getLogger(__name__)
# Idle clients, and so open connections, of this process by credential and sealed secret. A worker
# takes the client out while it uses it.
_clients: dict[tuple[int, str], GitHubClient] = {}
MOST_CLIENTS = 200
# By how much the clock of each API is ahead of this machine's, as its last answer told.
_clock_skews: dict[str, float] = {}
RENEW_BEFORE = timedelta(minutes=5)
MOST_LIMITS_IN_A_ROW = 6
RETRY_REFUSED, RETRIES_LAST = timedelta(minutes=15), timedelta(hours=2)
GAVE_UP = (
    "GitHub asked repeatedly to slow down, without saying for how long. Trackside waited for an "
    "hour in total and then stopped, because going on can get the token banned. "
    "Find out what else uses it, then check again."
)


class UnusableToken(ValueError):
    """Trackside cannot work with this token or key; the message says why and what to do."""


def kind_of_token(token: str) -> str:
    """The kind of credential, by GitHub's prefix. Raises UnusableToken."""
    hide(token)
    if token.startswith("ghu_"):
        raise UnusableToken(
            "This is a GitHub App user token. It ends with its user's session: use the App itself."
        )
    if token.startswith("ghs_"):
        raise UnusableToken(
            "This is an installation token, valid for an hour. Connect the App itself instead."
        )
    if token.startswith("ghr_"):
        raise UnusableToken(
            "This is a refresh token. Make a personal access token or a GitHub App instead."
        )
    if (
        not token.isascii()
        or not token.isprintable()
        or " " in token
        or not 20 <= len(token) <= 1000
    ):
        raise UnusableToken(
            "This does not look like a token: paste it whole, without spaces or line breaks."
        )
    return (
        Credential.Kind.FINE_GRAINED if token.startswith("github_pat_") else Credential.Kind.CLASSIC
    )


def store_token(api_url: str, token: str, *, by: "User | None") -> Credential:
    """The credential for a token, stored if it is new.

    A stored token is found again, and released if it was quarantined. Raises UnusableToken.
    """
    kind = kind_of_token(token)
    fingerprint, *earlier = fingerprints(token)
    earlier.append(hashlib.sha256(token.encode()).hexdigest())  # until `rotate_keys` of 0.2
    Credential.objects.filter(api_url=api_url, fingerprint__in=earlier).update(
        fingerprint=fingerprint
    )
    credential, made = Credential.objects.get_or_create(
        api_url=api_url,
        fingerprint=fingerprint,
        defaults={"kind": kind, "label": Credential.Kind(kind).label},
    )
    if made or credential.quarantined_at:
        credential.sealed_secret = seal(token, uid=credential.uid, api_url=api_url)
        credential.save(update_fields=["sealed_secret"])
    if credential.quarantined_at:
        release_from_quarantine(credential, by=by)
    return credential


def store_app(api_url: str, issuer: str, private_key: str) -> App:
    """The App with its key; an earlier key is replaced. Raises UnusableToken."""
    try:
        AppAuth(issuer, private_key)
    except ValueError as error:
        raise UnusableToken(str(error)) from None
    app, _ = App.objects.get_or_create(api_url=api_url, issuer=issuer)
    app.sealed_key = seal(private_key, uid=app.uid, api_url=api_url)
    app.save(update_fields=["sealed_key"])
    return app


def store_installation(app: App, installation_id: int, login: str) -> Credential:
    """The credential of an installation in the organization or enterprise `login`."""
    fingerprint = hashlib.sha256(f"app:{app.uid}:{installation_id}".encode()).hexdigest()
    credential, _ = Credential.objects.get_or_create(
        api_url=app.api_url,
        fingerprint=fingerprint,
        defaults={
            "kind": Credential.Kind.INSTALLATION,
            "label": f"{app} in {login}",
            "app": app,
            "installation_id": installation_id,
        },
    )
    return credential


def app_client(app: App) -> GitHubClient:
    """A client that signs as the App itself, to list installations and create their tokens.

    Raises SecretUnreadable. The caller closes it.
    """
    key = unseal(app.sealed_key, uid=app.uid, api_url=app.api_url)
    auth = AppAuth(app.issuer, key)
    auth.clock_skew_seconds = _clock_skews.get(app.api_url, 0.0)
    client = _client(app.api_url, auth)
    client.on_answer = lambda meta: _note_clock(app.api_url, meta)
    return client


def _client(api_url: str, auth: AppAuth | TokenAuth) -> GitHubClient:
    return GitHubClient(
        api_url,
        auth,
        deadline=settings.GITHUB_DEADLINE,
        ca_file=settings.GITHUB_CA_FILE or None,
        proxy=settings.OUTGOING_PROXY,
    )


def open_client(credential: Credential, lease: Lease) -> GitHubClient:
    """The client of a credential; each of its requests renews the lease.

    It belongs to the caller alone until `keep_client`. Raises SecretUnreadable, and GitHubError
    or UnusableToken if no installation token can be created.
    """
    if credential.kind == Credential.Kind.INSTALLATION:
        _renew_installation_token(credential)
    sealed = _sealed(credential)
    client = _clients.pop((credential.pk, sealed), None)
    if client is None:
        secret = unseal(sealed, uid=credential.uid, api_url=credential.api_url)
        client = _client(credential.api_url, TokenAuth(secret))
    client.before_request = lease.before_request
    client.on_answer = lambda meta: _note_answer(credential.api_url, lease, meta)
    return client


def keep_client(credential: Credential, client: GitHubClient) -> None:
    """Keep the client, with its connection, for the next worker of this process."""
    _make_room()
    if (replaced := _clients.pop((credential.pk, _sealed(credential)), None)) is not None:
        replaced.close()
    _clients[credential.pk, _sealed(credential)] = client


def _sealed(credential: Credential) -> str:
    is_installation = credential.kind == Credential.Kind.INSTALLATION
    return credential.sealed_installation_token if is_installation else credential.sealed_secret


def _make_room() -> None:
    while len(_clients) >= MOST_CLIENTS:
        _clients.pop(next(iter(_clients))).close()


def _renew_installation_token(credential: Credential) -> None:
    expires_at = credential.installation_token_expires_at
    if (
        credential.sealed_installation_token
        and expires_at
        and expires_at - _github_now(credential.api_url) > RENEW_BEFORE
    ):
        return
    if credential.app is None or credential.installation_id is None:
        raise UnusableToken("This installation has lost its App. Connect it again.")
    client = app_client(credential.app)
    try:
        token = _mint(client, credential.installation_id)
    finally:
        client.close()
    credential.sealed_installation_token = seal(
        token.token, uid=credential.uid, api_url=credential.api_url
    )
    credential.installation_token_expires_at = token.expires_at
    credential.save(update_fields=["sealed_installation_token", "installation_token_expires_at"])


def _mint(client: GitHubClient, installation_id: int) -> InstallationToken:
    """A new token. A signature refused for its time is signed once more, by GitHub's clock, which
    the refusal has told.
    """
    try:
        return client.create_installation_access_token(installation_id).data
    except ClockSkewed as error:
        log.warning("%s", error)
    return client.create_installation_access_token(installation_id).data


def _github_now(api_url: str) -> datetime:
    """The time by GitHub's clock, or by the database's until an answer has told GitHub's."""
    if api_url not in _clock_skews:
        return database_now()
    return timezone.now() + timedelta(seconds=_clock_skews[api_url])


def _note_clock(api_url: str, meta: AnswerMeta) -> None:
    if meta.clock_skew_seconds is not None:
        _clock_skews[api_url] = meta.clock_skew_seconds


def _note_answer(api_url: str, lease: Lease, meta: AnswerMeta) -> None:
    _note_clock(api_url, meta)
    limit = meta.rate_limit
    if limit is not None and limit.resource in (None, "core"):
        lease.pending.update(
            rate_limit=limit.limit, rate_remaining=limit.remaining, rate_reset_at=limit.reset_at
        )
    if meta.oauth_scopes is not None:
        lease.pending["scopes"] = list(meta.oauth_scopes)
    if meta.token_expires_at is not None:
        lease.pending["token_expires_at"] = meta.token_expires_at
    if meta.status < 400:
        lease.pending.update(limits_in_a_row=0, refusals_in_a_row=0)


def pause(credential_id: int, limited: RateLimited) -> None:
    """Make no call until the time GitHub gave.

    Without such a time the pause is a minute, and doubles each time. After MOST_LIMITS_IN_A_ROW
    the credential is quarantined, because going on while limited can get an integration banned.
    """
    credential = Credential.objects.get(pk=credential_id)
    until, in_a_row = limited.wait_until, 0
    waits: dict[str, datetime] = {"progress_at": until}  # what waits is not stale before its end
    if not (limited.primary or limited.meta.retry_after is not None):
        in_a_row = credential.limits_in_a_row + 1
        waits = {}
        until += timedelta(minutes=2**credential.limits_in_a_row - 1)
    if in_a_row > MOST_LIMITS_IN_A_ROW:
        quarantine(credential_id, GAVE_UP, error="refused")
        return

    reason = (limited.github_message or limited.message).rstrip(".")
    with transaction.atomic():
        Credential.objects.filter(pk=credential_id).update(
            paused_until=until,
            pause_reason=f"GitHub's rate limit: {reason}.",
            limits_in_a_row=in_a_row,
            **waits,
        )
        Account.objects.filter(credential=credential).raise_versions()


def refused(credential_id: int, reason: str) -> None:
    """React to a 401: an installation gets one new token, any other credential is quarantined."""
    credential = Credential.objects.get(pk=credential_id)
    if credential.kind != Credential.Kind.INSTALLATION or credential.refusals_in_a_row > 0:
        quarantine(credential_id, reason)
        return
    Credential.objects.filter(pk=credential_id).update(
        sealed_installation_token="", refusals_in_a_row=1
    )
    Reading.objects.filter(account__credential=credential, error="credential").update(
        due_at=database_now()
    )


def quarantine(credential_id: int, reason: str, *, error: str = "credential") -> None:
    """Stop using a credential: repeated 401s can get valid ones blocked.

    `reason` is shown on the readings of all its accounts, as an error of kind `error`. A credential
    that was refused is tried with one request every RETRY_REFUSED for a while; then, as after
    other reasons, it waits for a person.
    """
    now = database_now()
    retry_at = now + RETRY_REFUSED if error == "credential" else None
    with transaction.atomic():
        rows = Credential.objects.filter(pk=credential_id, quarantined_at=None)
        if not rows.update(quarantined_at=now, quarantine_reason=reason, retry_at=retry_at):
            return
        credential = Credential.objects.get(pk=credential_id)
        audit.record(
            AuditEntry.Action.CREDENTIAL_QUARANTINED,
            by=None,
            subject=str(credential),
            details={"reason": reason},
        )
        readings = Reading.objects.filter(account__credential=credential)
        readings.update(error=error, error_message=reason)
        readings.filter(error_since=None).update(error_since=now)
        Account.objects.filter(credential=credential).raise_versions()


def quarantine_app(app: App, reason: str) -> None:
    """Quarantine all installations of an App whose own key GitHub does not accept."""
    for credential in Credential.objects.filter(app=app):
        quarantine(credential.pk, reason)


def retry_quarantined(credential: Credential, lease: Lease) -> None:
    """Try a quarantined credential with one request, and use it again if GitHub accepts it.

    If not, it is tried again after RETRY_REFUSED, for RETRIES_LAST in all; the installations of one
    App share these attempts.
    """
    try:
        client = open_client(credential, lease)
        try:
            client.get_rate_limit()
        finally:
            keep_client(credential, client)
    except NotFound:  # a server without rate limits; or, of an App, an installation that is gone
        accepted = credential.kind != Credential.Kind.INSTALLATION
    except (GitHubError, SecretUnreadable, ValueError):
        accepted = False
    else:
        accepted = True

    if accepted:
        release_from_quarantine(credential, by=None)
        return
    now = database_now()
    since = credential.quarantined_at or now
    rows = Credential.objects.filter(pk=credential.pk)
    if credential.app_id is not None:
        rows |= Credential.objects.filter(app_id=credential.app_id, retry_at__lte=now)
    rows.update(retry_at=now + RETRY_REFUSED if now - since < RETRIES_LAST else None)


def wake_stopped(credentials: "QuerySet[Credential]", *, by: "User") -> None:
    """Try disabled credentials again, and read what is failing, at a person's request."""
    for credential in credentials:
        if credential.quarantined_at is not None:
            release_from_quarantine(credential, by=by)
        failing = Reading.objects.failing().filter(account__credential=credential)
        failing.update(due_at=database_now(), failures=0)
        wake_on_commit(credential.pk)


def release_from_quarantine(credential: Credential, *, by: "User | None") -> None:
    """Use a credential again for all its accounts: a person asked for it, or GitHub accepts it."""
    credential.quarantined_at = credential.paused_until = credential.retry_at = None
    credential.quarantine_reason = ""
    credential.limits_in_a_row = credential.refusals_in_a_row = 0
    credential.save(
        update_fields=[
            "quarantined_at",
            "quarantine_reason",
            "retry_at",
            "paused_until",
            "limits_in_a_row",
            "refusals_in_a_row",
        ]
    )
    for account in credential.accounts.all():
        Reading.objects.schedule_now(account)
        Account.objects.filter(pk=account.pk).raise_versions()
    audit.record(AuditEntry.Action.CREDENTIAL_RELEASED, by=by, subject=str(credential))
