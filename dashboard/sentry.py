"""Reports errors to Sentry if SENTRY_DSN is set, without personal data or secrets."""

import json
import re
from typing import TYPE_CHECKING, cast

from django.core.exceptions import ImproperlyConfigured

from runners_app.security.redaction import redact

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

# In addition to `redact`: credentials in headers, and anything that looks like a token or a JWT.
SECRETS = re.compile(
    r"gh[a-z]_\w{10,}|github_pat_\w{10,}|eyJ[\w-]{1,1000}+\.[\w-]+\.[\w-]*"
    r"|(?i:bearer|token) [\w.~+/-]{8,}"
)
HIDDEN = "[hidden]"
KEPT_OF_REQUEST = ("method", "url")


def start(dsn: str) -> None:
    """Start Sentry's client, whose default excludes personal data (`send_default_pii`).

    Raises ImproperlyConfigured if sentry-sdk is not installed.
    """
    try:
        import sentry_sdk
    except ImportError:
        raise ImproperlyConfigured(
            "SENTRY_DSN is set, but sentry-sdk is not installed: pip install sentry-sdk."
        ) from None
    sentry_sdk.init(
        dsn,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=20,
        traces_sample_rate=0,
        before_send=scrub,
    )


def scrub(event: "Event", hint: "Hint | None" = None) -> "Event":
    """Remove everything that may be secret: all of a request but method and address, and tokens."""
    request = event.get("request")
    if request:
        kept = {name: value for name, value in request.items() if name in KEPT_OF_REQUEST}
        kept["url"] = str(kept.get("url", "")).partition("?")[0]
        event["request"] = kept
    event.pop("user", None)
    return cast("Event", _scrubbed(json.loads(json.dumps(event, default=str))))


def _scrubbed(value: object) -> object:
    """Redact each text by itself: a truncated private key hides only the rest of its own text."""
    match value:
        case str():
            return redact(SECRETS.sub(HIDDEN, value))
        case dict():
            return {_scrubbed(name): _scrubbed(inner) for name, inner in value.items()}
        case list():
            return [_scrubbed(inner) for inner in value]
    return value
