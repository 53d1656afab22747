"""The way out for calls to others than GitHub's API, such as providers of sign-in."""

from typing import Any

import requests
from django.conf import settings

from runners_app.github.deadline import DeadlineAdapter
from runners_app.github.sockets import NothingSent


class NotReached(requests.ConnectionError):
    """Nothing was sent; the message says why, without a secret."""


def open_session() -> requests.Session:
    """A session of requests that goes by OUTGOING_PROXY and by nothing of the environment.

    A request's timeout, in seconds, is for the whole of it. Trusted are the authorities of
    GITHUB_CA_FILE beside the public ones. Raises NotReached when nothing could be sent, otherwise
    what requests raises.
    """
    session = requests.Session()
    session.trust_env = False
    adapter = _Adapter(
        proxy=settings.OUTGOING_PROXY, more_authorities=settings.GITHUB_CA_FILE or None
    )
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _Adapter(DeadlineAdapter):
    def send(self, *args: Any, **options: Any) -> requests.Response:
        try:
            return super().send(*args, **options)
        except NothingSent as error:
            why = str(error) or "there was no time left"
        raise NotReached(f"{why[0].upper()}{why[1:]}.")
