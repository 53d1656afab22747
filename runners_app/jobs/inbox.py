"""Where GitHub posts webhooks: `POST /hooks/github/<uid>/`.

Verified, stored and answered; all else is a worker's. Stands before sessions, CSRF and sign-in:
only the signature of the body counts, never who sends it, so a relay may post later what GitHub
could not.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from runners_app.jobs.hooks import secret_of
from runners_app.models import Delivery, Hook
from runners_app.security.secrets import SecretUnreadable

PREFIX = "/hooks/github/"
LARGEST, LARGEST_DRAINED, CHUNK = 1_000_000, 30_000_000, 65_536
EVENT = "workflow_job"
GUID_LIMIT, EVENT_LIMIT = 64, 60
KEPT_SECONDS = 10.0

GetResponse = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True, slots=True)
class Inbox:
    """A hook as this process last read it."""

    pk: int
    secret: bytes
    read_at: float


_inboxes: dict[UUID, Inbox] = {}


def inbox(get_response: GetResponse) -> GetResponse:
    """Middleware: whatever is posted to a hook goes no further. Where hooks have a host of their
    own, nothing else answers there.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/hooks/"):
            return receive(request)
        host = settings.HOOKS_HOST
        if host and request.META.get("HTTP_HOST", "").lower() == host:
            return HttpResponse("There is nothing here.\n", "text/plain", 404)
        return get_response(request)

    return middleware


def receive(request: HttpRequest) -> HttpResponse:
    """Answer one delivery: 202 stored or ignored, 200 ping, 401, 404, 405, 413, 503 while the
    database is down.
    """
    uid = _uid(request.path)
    if uid is None:
        return _answer(404, "There is no such hook.")
    if request.method != "POST":
        return _answer(405, "Deliveries are posted.")
    body = _body(request)
    if body is None:
        return _answer(413, "A delivery has at most 1 MB here.")
    try:
        return _receive(uid, request, body)
    except DatabaseError:
        return _answer(503, "The database does not answer. Deliver again later.")


def _receive(uid: UUID, request: HttpRequest, body: bytes) -> HttpResponse:
    try:
        hook = _verified(uid, body, request.META.get("HTTP_X_HUB_SIGNATURE_256", ""))
    except SecretUnreadable:
        return _answer(503, "The secret of this hook cannot be opened. Deliver again later.")
    except Hook.DoesNotExist:
        return _answer(404, "There is no such hook.")
    if hook is None:
        return _answer(401, "The signature is wrong.")
    event = _header(request, "HTTP_X_GITHUB_EVENT")[:EVENT_LIMIT]
    if event == "ping":
        Hook.objects.filter(pk=hook.pk).update(last_ping_at=timezone.now())
        return _answer(200, "Hello.")
    stored = _store(hook.pk, _guid(request, body), event, body if event == EVENT else b"")
    if not stored and not Hook.objects.filter(pk=hook.pk).exists():  # deleted a moment ago
        return _answer(404, "There is no such hook.")
    return _answer(202, "Stored." if event == EVENT else "Ignored.")


def _uid(path: str) -> UUID | None:
    if not path.startswith(PREFIX) or not path.endswith("/"):
        return None
    try:
        return UUID(path.removeprefix(PREFIX).removesuffix("/"))
    except ValueError:
        return None


def _body(request: HttpRequest) -> bytes | None:
    """The whole body, or None if it is too large; then it is read to its end, so that the sender
    hears the answer.
    """
    body = bytearray()
    while len(body) <= LARGEST and (chunk := request.read(CHUNK)):
        body += chunk
    if len(body) <= LARGEST:
        return bytes(body)
    drained = len(body)
    while drained < LARGEST_DRAINED and (chunk := request.read(CHUNK)):
        drained += len(chunk)
    return None


def _verified(uid: UUID, body: bytes, signature: str) -> Inbox | None:
    """The inbox if GitHub signed the body with its secret, which is read again before it is
    doubted.
    """
    kept = _inboxes.get(uid)
    if (
        kept
        and time.monotonic() - kept.read_at < KEPT_SECONDS
        and _is_signed(kept, body, signature)
    ):
        return kept
    hook = Hook.objects.select_related("account", "app").get(uid=uid)
    read = Inbox(hook.pk, secret_of(hook).encode(), time.monotonic())
    _inboxes[uid] = read
    return read if _is_signed(read, body, signature) else None


def _is_signed(hook: Inbox, body: bytes, signature: str) -> bool:
    expected = "sha256=" + hmac.new(hook.secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))


def _guid(request: HttpRequest, body: bytes) -> str:
    """GitHub's GUID of the delivery; of the body, where a relay lost it or sends something
    longer.
    """
    guid = _header(request, "HTTP_X_GITHUB_DELIVERY")
    return (
        guid if 0 < len(guid) <= GUID_LIMIT else hashlib.sha256(guid.encode() or body).hexdigest()
    )


def _header(request: HttpRequest, name: str) -> str:
    return "".join(c for c in request.META.get(name, "") if " " < c <= "~")


def _store(hook: int, guid: str, event: str, body: bytes) -> bool:
    """Keep a delivery, once; False if it was kept before. One that a redelivery was asked for is
    filled, and does not count as received live.
    """
    outcome = Delivery.Outcome.STORED if event == EVENT else Delivery.Outcome.IGNORED
    at = connection.ops.adapt_datetimefield_value(timezone.now())
    values = [guid, event, outcome, at, True, body, hook, Delivery.Outcome.ASKED]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(STORE, values)
        return bool(cursor.rowcount)


STORE = """
    INSERT INTO runners_app_delivery (hook_id, guid, event, outcome, received_at, live, body)
    SELECT hook.id, %s, %s, %s, %s, %s, %s FROM runners_app_hook AS hook
    WHERE hook.id = %s
    ON CONFLICT (hook_id, guid) DO UPDATE
    SET event = excluded.event, outcome = excluded.outcome, received_at = excluded.received_at,
        body = excluded.body, live = false
    WHERE runners_app_delivery.outcome = %s
"""


def _answer(status: int, words: str) -> HttpResponse:
    return HttpResponse(words + "\n", "text/plain", status)
