"""One request, one answer, or a GitHubError: how HTTP works here.

A request goes to the API's own origin and path only, also after redirects and for next pages. It
ends by its deadline. An answer is read up to a limit, also unpacked. Nothing is taken from the
environment (proxies, netrc), no cookie is kept, and nothing is sent a second time.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from importlib import metadata
from typing import Any
from urllib.parse import unquote, urljoin

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, LocationParseError, SSLError
from urllib3.util import Url, parse_url

from .clock import uptime
from .deadline import Deadline, DeadlineAdapter
from .errors import AnswerLost, GitHubError, NotSent, ProxyFailed
from .proxy import NoTunnel, ProxySettings
from .sockets import NeverConnected, TooLate

_CHUNK = 65_536
_CONNECTIONS = 16
_SHORTEST_SECRET = 8
_LONGEST_ADDRESS = 2_000
# What can come up while reading from a server that keeps to no rules; requests' own errors are
# OSErrors.
_BROKEN = (OSError, HTTPError, http.client.HTTPException, ValueError)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer before anything is made of it.

    Header names are in lower case; the body is unpacked, None if too large. `received_at` (aware,
    by this machine's clock) is when its headers were there.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    received_at: datetime


class ApiAddress:
    """The API's base address, and which other addresses belong to it.

    ValueError for an address that cannot be one.
    """

    def __init__(self, api_url: str) -> None:
        url = _parse(api_url)
        if (
            url is None
            or url.scheme not in ("http", "https")
            or not url.host
            or url.auth
            or url.query
            or url.fragment
        ):
            raise ValueError(
                "An API address looks like https://api.github.com or https://HOSTNAME/api/v3."
            )
        self._origin = _origin(url)
        self._path = (url.path or "").rstrip("/")
        self.base = Url(url.scheme, None, url.host, url.port, self._path or None).url

    def own(self, address: str, base: str | None = None) -> str | None:
        """The address in full if it is the API's own, otherwise None.

        A relative one is taken from `base`.
        """
        try:
            url = _parse(urljoin(base or self.base, address))
        except ValueError:
            return None
        if (
            url is None
            or url.auth
            or _origin(url) != self._origin
            or len(url.url) > _LONGEST_ADDRESS
        ):
            return None
        path = url.path or ""
        if not path.startswith(self._path + "/") or ".." in unquote(path).split("/"):
            return None
        return url._replace(fragment=None).url


class Transport:
    """A session kept alive with one server; `max_bytes` is the most a body may have."""

    def __init__(
        self,
        address: ApiAddress,
        auth: AuthBase,
        *,
        max_bytes: int,
        ca_file: str | None,
        proxy: ProxySettings | None,
    ) -> None:
        self.address = address
        self._auth = auth
        self._max_bytes = max_bytes
        self._session = _session(ca_file, proxy)

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], json: object, *, ends_at: float
    ) -> RawAnswer:
        """Send one request and read its answer whole; redirects come back as answers.

        No byte leaves after `ends_at`, a time of `uptime()`. Raises NotSent while none had left,
        AnswerLost afterwards; an error is never chained to one of requests, which would hold the
        headers sent.
        """
        if self.address.own(url) != url:
            raise ValueError("This address does not belong to the API.")
        outcome = self._attempt(method, url, headers, json, ends_at)
        if isinstance(outcome, GitHubError):
            raise outcome
        return outcome

    def _attempt(
        self, method: str, url: str, headers: Mapping[str, str], json: object, ends_at: float
    ) -> RawAnswer | GitHubError:
        request = requests.Request(method, url, headers=dict(headers), json=json, auth=self._auth)
        prepared = self._session.prepare_request(request)
        timeout: Any = Deadline(ends_at)  # requests' stubs do not know that it takes one
        try:
            response = self._session.send(
                prepared, stream=True, timeout=timeout, allow_redirects=False
            )
        except TooLate:
            return NotSent("Nothing was sent to GitHub: the time for this request was over.")
        except NoTunnel as no:
            return ProxyFailed(f"GitHub could not be reached: {no}.", proxy_status=no.status)
        except NeverConnected as never:
            return NotSent(f"GitHub could not be reached: {never}.")
        except _BROKEN as error:
            return _lost(error, ends_at)
        received_at = datetime.now(UTC)
        with response:
            outcome = self._read(response, received_at, ends_at)
        return outcome if isinstance(outcome, GitHubError) else _without(_secret(prepared), outcome)

    def _read(
        self, response: requests.Response, received_at: datetime, ends_at: float
    ) -> RawAnswer | GitHubError:
        body: bytes | None = b""
        try:
            body = self._read_body(response)
        except _BROKEN as error:
            if response.status_code < 400:  # From 400 on the status says enough
                return _lost(error, ends_at)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return RawAnswer(response.status_code, headers, body, received_at)

    def _read_body(self, response: requests.Response) -> bytes | None:
        """The unpacked body, or None as soon as it proves larger than it may be."""
        body = bytearray()
        while chunk := response.raw.read(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._max_bytes:
                return None
        return bytes(body)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Redirects are ours to follow: requests would read their bodies whole even when told not
        to follow."""


def _session(ca_file: str | None, proxy: ProxySettings | None) -> requests.Session:
    session = _Session()
    session.trust_env = False
    session.verify = ca_file or True
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = DeadlineAdapter(proxy=proxy, pool_connections=1, pool_maxsize=_CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers.clear()
    session.headers.update({"User-Agent": f"trackside/{_version()}", "Accept-Encoding": "gzip"})
    return session


@cache
def _version() -> str:
    try:
        return metadata.version("trackside")
    except metadata.PackageNotFoundError:
        return "0"


def _parse(address: str) -> Url | None:
    try:
        return parse_url(address)
    except LocationParseError:
        return None


def _origin(url: Url) -> tuple[str | None, str | None, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme or "")


def _secret(request: requests.PreparedRequest) -> str:
    """The token or JWT the request carried."""
    return str(request.headers.get("Authorization", "")).rpartition(" ")[2]


def _without(secret: str, answer: RawAnswer) -> RawAnswer:
    """The answer without our token, should a server repeat it in headers or an error's words."""
    if len(secret) < _SHORTEST_SECRET:
        return answer
    headers = {name: value.replace(secret, "[hidden]") for name, value in answer.headers.items()}
    body = answer.body
    if body is not None and answer.status >= 400:
        body = body.replace(secret.encode(), b"[hidden]")
    return replace(answer, headers=headers, body=body)


def _lost(error: Exception, ends_at: float) -> AnswerLost:
    if uptime() >= ends_at or isinstance(error, TimeoutError):
        return AnswerLost("GitHub's answer did not come in time.")
    if isinstance(error, SSLError):
        return AnswerLost("The encrypted connection broke before GitHub's answer was complete.")
    return AnswerLost("The connection broke before GitHub's answer was complete.")
