"""Reports of errors to Sentry, when SENTRY_DSN asks for it: without people's data, and without
anything secret.
"""

import json
import re
from typing import TYPE_CHECKING, cast

from django.core.exceptions import ImproperlyConfigured

from runners_app.security.redaction import redact

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

# Besides what `redact` knows: whatever stands in a header, and what only looks like a token or a
# JSON web token.
SECRETS = re.compile(
    r"gh[a-z]_\w{10,}|github_pat_\w{10,}|eyJ[\w-]{1,1000}+\.[\w-]+\.[\w-]*|(?i:bearer|token) [\w.~+/-]{8,}"
)
HIDDEN = "[hidden]"
KEPT_OF_REQUEST = ("method", "url")


def start(dsn: str) -> None:
    """Data about people is off by its default, `send_default_pii`. Raises ImproperlyConfigured
    without the package.
    """
    try:
        import sentry_sdk
    except ImportError:
        raise ImproperlyConfigured(
            "SENTRY_DSN is set, and sentry-sdk is not installed: pip install sentry-sdk."
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
    """The event without what might be secret: of a request only its address, and no tokens wherever
    they stand.
    """
    request = event.get("request")
    if request:
        kept = {name: value for name, value in request.items() if name in KEPT_OF_REQUEST}
        kept["url"] = str(kept.get("url", "")).partition("?")[0]
        event["request"] = kept
    event.pop("user", None)
    return cast("Event", _scrubbed(json.loads(json.dumps(event, default=str))))


def _scrubbed(value: object) -> object:
    """Text by text: a key that is cut off takes what follows with it, but only of its own text."""
    match value:
        case str():
            return redact(SECRETS.sub(HIDDEN, value))
        case dict():
            return {_scrubbed(name): _scrubbed(inner) for name, inner in value.items()}
        case list():
            return [_scrubbed(inner) for inner in value]
    return value
