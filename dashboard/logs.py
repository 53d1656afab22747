"""Logs: one JSON object per line, or a plain line for a terminal, with request, user and account.

Secrets are redacted last, in the finished line, so that exceptions and tracebacks are covered.
"""

import hashlib
import logging
import math
import sys
import threading
import time
import traceback
from collections import Counter
from types import TracebackType
from typing import Any

import structlog
from django.core.cache import cache
from django.core.mail import mail_admins
from structlog.typing import EventDict, Processor

from runners_app.security.redaction import redact

# Characters that would start a line or control the terminal are escaped: \\n, \\x1b.
CONTROLS = {code: ascii(chr(code))[1:-1] for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


def without_query(_: object, __: str, event: EventDict) -> EventDict:
    """Drop the query of an address: searches and codes of sign-in providers are confidential."""
    if isinstance(event.get("request"), str):
        event["request"] = event["request"].partition("?")[0]
    return event


SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    without_query,
    structlog.processors.format_exc_info,
)


class Formatter(structlog.stdlib.ProcessorFormatter):
    def __init__(self, *, as_json: bool, **_: Any) -> None:
        last: Processor = structlog.processors.JSONRenderer() if as_json else plain_line
        meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
        super().__init__(processors=[meta, last], foreign_pre_chain=SHARED)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class BareFormatter(logging.Formatter):
    """The message alone, for loggers whose messages are JSON."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(record.getMessage())


def plain_line(_: object, __: str, event: EventDict) -> str:
    """A line for a terminal: time, level, logger, message and all other fields."""
    head = [str(event.pop(name, "")) for name in ("timestamp", "level", "logger", "event")]
    trace = event.pop("exception", "")
    rest = [f"{name}={value}" for name, value in event.items()]
    line = " ".join([head[0], head[1].upper(), *head[2:], *rest]).translate(CONTROLS)
    return line + (f"\n{trace}" if trace else "")


class MaskedMails(logging.Handler):
    """Mails errors as they are in the log, without the request or local variables.

    One mail per kind of error in ten minutes; the next one says how many were left out. The cache
    counts for all processes, and each process by itself if the cache does not answer.
    """

    EVERY_SECONDS = 600

    def __init__(self) -> None:
        super().__init__()
        self.mailed_at: dict[str, float] = {}
        self.left_out: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            kind = kind_of_error(record)
            now = time.monotonic()
            if now - self.mailed_at.get(kind, -math.inf) < self.EVERY_SECONDS or not cache.add(
                f"error-mail:{kind}", 1, self.EVERY_SECONDS
            ):
                self.left_out[kind] += 1
                return
            self.mailed_at[kind] = now
            body = self.format(record)
            if left_out := self.left_out.pop(kind, 0):
                body += f"\n\n{left_out} more of this kind since the last mail are in the log."
            mail_admins(redact(f"Error in {record.name}"), body, fail_silently=True)
        except Exception:  # noqa: BLE001 - a mail that cannot be sent must not stop what was being done
            self.handleError(record)


def kind_of_error(record: logging.LogRecord) -> str:
    """Return a hash of where the error arose, not of its message, which may quote a request."""
    place: tuple[object, ...] = (record.name, record.pathname, record.lineno)
    if record.exc_info and record.exc_info[0] is not None:
        frames = traceback.extract_tb(record.exc_info[2])
        innermost = (frames[-1].filename, frames[-1].lineno) if frames else ()
        place += (record.exc_info[0].__qualname__, *innermost)
    return hashlib.sha256(repr(place).encode()).hexdigest()[:32]


def configure() -> None:
    """Set up structlog, and redact the tracebacks of uncaught exceptions, once per process."""
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    sys.excepthook = _excepthook
    threading.excepthook = _thread_excepthook


def _excepthook(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


def _thread_excepthook(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and args.exc_type is not SystemExit:
        _excepthook(args.exc_type, args.exc_value, args.exc_traceback)
