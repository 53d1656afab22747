"""The way out for calls to others than GitHub's API: providers of sign-in, and channels of notices.

Both go by OUTGOING_PROXY where it serves the host.
"""

import smtplib
import socket
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from runners_app.github.clock import uptime
from runners_app.github.deadline import PORTS, DeadlineAdapter
from runners_app.github.sockets import NeverConnected, NothingSent, connect, reason
from runners_app.security.refused_addresses import WHERE_NOTHING_GOES, is_refused


class NotReached(requests.ConnectionError):
    """Nothing was sent; the message says why, without a secret."""


def open_session(*, known_hosts: Iterable[str] | None = None) -> requests.Session:
    """A session of requests that goes by OUTGOING_PROXY and by nothing of the environment.

    A request's timeout, in seconds, is for the whole of it. Trusted are the authorities of
    GITHUB_CA_FILE beside the public ones. With `known_hosts`, for addresses that people enter,
    nothing is sent where `check_host` or `is_refused` says so: the name is looked up once, each of
    its addresses is checked, and one of these is connected to. Raises NotReached when nothing could
    be sent, otherwise what requests raises.
    """
    session = requests.Session()
    session.trust_env = False
    adapter = _Adapter(
        proxy=settings.OUTGOING_PROXY,
        more_authorities=settings.GITHUB_CA_FILE or None,
        check=_check if known_hosts is not None else None,
        known_hosts=known_hosts,
    )
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def check_host(host: str, port: int, known_hosts: Iterable[str]) -> None:
    """Raise NotReached for a host that NOTICE_HOSTS does not name.

    Behind OUTGOING_PROXY, which looks the names up, that list stands for the check of addresses;
    without the setting it is `known_hosts`.
    """
    by_proxy = settings.OUTGOING_PROXY is not None and settings.OUTGOING_PROXY.serves(host, port)
    allowed = settings.NOTICE_HOSTS or (known_hosts if by_proxy else None)
    if allowed is not None and not any(_is_named(host, each) for each in allowed):
        raise NotReached(
            "Its host is not one that notices may be sent to. "
            "Whoever runs Trackside can name it in NOTICE_HOSTS."
        )


def open_mail(
    host: str, port: int, seconds: float, *, ssl_context: ssl.SSLContext | None = None
) -> smtplib.SMTP:
    """A connection to a mail server that a person entered, checked as those of `open_session`.

    With a context TLS begins at once. Raises NotReached, or what smtplib raises.
    """
    check_host(host, port, ())
    name = socket.gethostname()
    server = (
        _Mail(local_hostname=name)
        if ssl_context is None
        else _MailOverTLS(local_hostname=name, context=ssl_context)
    )
    server.timeout = seconds
    try:
        code, words = server.connect(host, port)
    except NeverConnected as error:
        raise NotReached(_sentence(str(error))) from None
    if code != 220:
        server.close()
        raise smtplib.SMTPConnectError(code, words)
    return server


def _is_named(host: str, name: str) -> bool:
    """`name` stands for every name beneath it as well."""
    return f".{host.lower().rstrip('.')}".endswith(f".{name.lower().lstrip('*.')}")


def _check(address: str) -> None:
    if is_refused(address):
        raise OSError(WHERE_NOTHING_GOES)


def _sentence(why: str) -> str:
    return f"{why[0].upper()}{why[1:]}."


def _open_socket(host: str, port: int, seconds: float) -> socket.socket:
    """A checked connection, through the proxy where that serves the host. Raises NeverConnected."""
    ends_at = uptime() + seconds
    proxy = settings.OUTGOING_PROXY
    if proxy is not None and proxy.serves(host, port):
        sock: socket.socket = proxy.open_tunnel(host, port, ends_at)
    else:
        try:
            sock = connect(host, port, ends_at, _check)
        except OSError as error:
            raise NeverConnected(reason(error)) from None
    sock.settimeout(seconds)
    return sock


class _Mail(smtplib.SMTP):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self._host = host  # smtplib sets it in its constructor alone, and TLS checks it
        return _open_socket(host, port, timeout)


class _MailOverTLS(smtplib.SMTP_SSL):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self._host = host
        sock: socket.socket = self.context.wrap_socket(
            _open_socket(host, port, timeout), server_hostname=host
        )
        return sock


class _Adapter(DeadlineAdapter):
    def __init__(self, *, known_hosts: Iterable[str] | None, **options: Any) -> None:
        self._known_hosts = known_hosts
        super().__init__(**options)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
        if self._known_hosts is not None:
            parts = urlsplit(request.url or "")
            check_host(parts.hostname or "", parts.port or PORTS[parts.scheme], self._known_hosts)
        try:
            return super().send(request, *args, **options)
        except NothingSent as error:
            why = str(error) or "there was no time left"
        raise NotReached(_sentence(why))
