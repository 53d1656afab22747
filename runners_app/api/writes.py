"""Writes through the API: one operation per request, however often the request is sent."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import BoundedSemaphore, Event
from typing import Any
from uuid import UUID, uuid4, uuid5

from django.db import transaction
from django.http import HttpResponse
from ninja import Query, Schema, Status
from pydantic import Field
from pydantic_core import to_json

from runners_app.api.core import url_to
from runners_app.api.problems import ApiError
from runners_app.api.schemas import Accepted, Change, OperationRef, Preview
from runners_app.models import Account, IdempotencyKey, Operation
from runners_app.operations.settings import Settings
from runners_app.web.pages import Request, manage_or_403

NAMESPACE = UUID("0a9a5a52-6a0b-4e53-9a55-6d1e6c1a7c11")
LONGEST_WAIT, CHECK_SECONDS = 60, 0.25
# Each waiting request holds a thread of the web server.
_waiters = BoundedSemaphore(2)
_stopping = Event()


class WriteOptions(Schema):
    wait: int = Field(
        0, ge=0, le=LONGEST_WAIT, description="Seconds to wait for the outcome before answering."
    )
    dry_run: bool = Field(False, description="Answer what would change, and create nothing.")


Options = Query[WriteOptions]
Answer = Status[Accepted | Preview]
WRITE_RESPONSES: dict[int, Any] = {200: Accepted | Preview, 202: Accepted}


@dataclass(frozen=True)
class Write:
    """A validated write: `send` creates its operation with this nonce."""

    changes: list[Change]
    send: Callable[[str], Operation]


def answer_write(
    request: Request, response: HttpResponse, options: WriteOptions, write: Write
) -> Answer:
    """Create the operation, unless this is a dry run, and wait for its outcome if asked to.

    Raises ApiError 422 if the Idempotency-Key was used for another request.
    """
    if options.dry_run:
        return Status(200, Preview(changes=write.changes))

    key = request.headers.get("Idempotency-Key", "")
    if not key:
        return _answer(request, response, write.send(str(uuid4())), options.wait)

    user = request.user
    with transaction.atomic():
        # The nonce follows from the key, so that two requests at once make one operation.
        operation = write.send(str(uuid5(NAMESPACE, f"{user.pk}:{key}")))
        row, _ = IdempotencyKey.objects.get_or_create(
            user=user,
            key_digest=_digest(key.encode()),
            defaults={"request_digest": _digest_of(request), "operation": operation},
        )
        _check_same(request, row)  # within the transaction, so that a refused write leaves nothing
    return _answer(request, response, row.operation, options.wait)


def replayed(request: Request, response: HttpResponse, options: WriteOptions) -> Answer | None:
    """The answer for a request whose Idempotency-Key was used before; None for any other.

    Call it before anything is validated: the first request may have changed what is valid. Raises
    ApiError 422 if the key was used for another request.
    """
    key = request.headers.get("Idempotency-Key", "")
    if not key or options.dry_run:
        return None
    rows = IdempotencyKey.objects.select_related("operation").filter(user=request.user)
    earlier = rows.filter(key_digest=_digest(key.encode())).first()
    if earlier is None:
        return None
    _check_same(request, earlier)
    return _answer(request, response, earlier.operation, options.wait)


def _check_same(request: Request, row: IdempotencyKey) -> None:
    if row.request_digest != _digest_of(request):
        raise ApiError(422, "This Idempotency-Key was used for another request. Use a new one.")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(request: Request) -> str:
    return _digest(b"\0".join((str(request.method).encode(), request.path.encode(), request.body)))


def _answer(request: Request, response: HttpResponse, operation: Operation, seconds: int) -> Answer:
    is_known = bool(seconds) and _wait(operation, seconds)
    url = url_to(request, f"operations/{operation.pk}")
    response.headers["Location"] = url
    reference = OperationRef(id=operation.pk, state=operation.state, url=url)
    return Status(200 if is_known else 202, Accepted(operation=reference))


def _wait(operation: Operation, seconds: int) -> bool:
    """Hold the request until the outcome is known. Returns whether it is.

    Does not wait if two requests of this process already do, or once the process is stopping.
    """
    if not _waiters.acquire(blocking=False):
        return False
    try:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not _stopping.wait(CHECK_SECONDS):
            operation.refresh_from_db()
            if not operation.is_moving:
                return True
    finally:
        _waiters.release()
    return False


def stop_waiting() -> None:
    """Answer all waiting requests now, because the process stops."""
    _stopping.set()


def check_manageable(request: Request, account: Account) -> None:
    """Raises PermissionDenied, with the reason, unless the user may write to the account."""
    manage_or_403(request, account)


def check_unchanged(request: Request, etag: str) -> None:
    """Raises ApiError 412 if the request's If-Match names other settings than the present ones."""
    wanted = request.headers.get("If-Match", "").strip()
    if wanted and wanted != "*" and wanted.removeprefix("W/").strip('"') != etag:
        raise ApiError(412, "It was changed since you read it. Nothing was sent. Read it again.")


def etag_of(settings: Settings) -> str:
    """A digest of settings, which neither use nor status moves."""
    return hashlib.sha256(to_json(settings.stored())).hexdigest()[:16]


def changes_of(wanted: Settings, base: Settings | None) -> list[Change]:
    """What a write would change; everything for a create."""
    before: Mapping[str, Any] = base.stored() if base else {}
    changed = wanted.changes_from(base) if base else wanted.stored()
    return [
        Change(field=field, before=before.get(field), after=value)
        for field, value in changed.items()
    ]


def invalid(errors: Mapping[str, Any], field_of: Mapping[str, str]) -> ApiError:
    """The 422 error for a form's errors; `field_of` maps its fields to those of the API."""
    pairs = [
        (field_of.get(field, field), str(message))
        for field, messages in errors.items()
        for message in messages
    ]
    return ApiError(422, "Some fields are invalid. Nothing was sent.", errors=pairs)
