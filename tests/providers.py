"""A sign-in provider on loopback, which acts as GitHub Enterprise Server and as an OpenID Connect
provider.

It enforces what clients must send: the secret, the redirect URI, PKCE, and each code only once.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "trackside", "canary-of-the-client-secret"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
DOWN = object()  # in place of a response: the connection is closed


@dataclass
class Provider:
    """`person` is signed in there; `answers` replace the right responses, by path."""

    url: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    id_token: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _tokens: set[str] = field(default_factory=set)

    def sign_in(self, login: str, email: str, *, verified: bool | None = True) -> None:
        """Sign a person in; with `verified` None, OpenID Connect sends no `email_verified`."""
        number = int(hashlib.sha256(login.encode()).hexdigest()[:8], 16)
        self.person = {"id": number, "login": login, "email": email, "verified": verified}

    def behave(self) -> None:
        self.answers, self.id_token, self.asked = {}, {}, []

    def answer(
        self, path: str, query: dict[str, str], body: dict[str, str], token: str
    ) -> tuple[int, Any]:
        """A status with JSON, or 302 with an address, or text that is sent as a form."""
        self.asked.append((path, {**query, **body}))
        if path in self.answers:
            return 200, self.answers[path]
        if path in ("/login/oauth/authorize", "/authorize"):
            return 302, self._authorize(query)
        if path in ("/login/oauth/access_token", "/token"):
            return self._token(path, body)
        if (
            path in ("/api/v3/user", "/api/v3/user/emails", "/userinfo")
            and token not in self._tokens
        ):
            return 401, {"message": "Bad credentials"}
        return (
            (200, self._resources()[path])
            if path in self._resources()
            else (404, {"message": "Not Found"})
        )

    def _authorize(self, query: dict[str, str]) -> str:
        code = secrets.token_hex(8)
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def _token(self, path: str, body: dict[str, str]) -> tuple[int, Any]:
        asked = self._codes.pop(body.get("code", ""), None)
        verifier = hashlib.sha256(body.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != body.get("redirect_uri")
            or (body.get("client_id"), body.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET)
        ):
            return 200, {"error": "bad_verification_code"}
        token = secrets.token_hex(20)
        self._tokens.add(token)
        if path == "/token":
            return 200, {"access_token": token, "token_type": "Bearer", "id_token": self._signed()}
        return 200, urlencode(
            {"access_token": token, "scope": "user:email", "token_type": "bearer"}
        )

    def _signed(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": str(self.person["id"]),
            "iat": now,
            "exp": now + 300,
        }
        return jwt.encode(
            {**claims, **self.id_token}, KEY, algorithm="RS256", headers={"kid": "one"}
        )

    def _resources(self) -> dict[str, Any]:
        person = self.person
        return {
            "/api/v3/user": {
                "id": person["id"],
                "login": person["login"],
                "email": None,
                "name": person["login"],
            },
            "/api/v3/user/emails": [
                {"email": person["email"], "primary": True, "verified": person["verified"]}
            ],
            "/userinfo": {
                "sub": str(person["id"]),
                "preferred_username": person["login"],
                "email": person["email"],
                **({} if person["verified"] is None else {"email_verified": person["verified"]}),
            },
            "/jwks": {
                "keys": [
                    json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
                    | {"kid": "one"}
                ]
            },
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "jwks_uri": f"{self.url}/jwks",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            },
        }


@contextmanager
def start_provider() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def _answer(self, body: str) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            token = self.headers.get("Authorization", "").rpartition(" ")[2]
            status, answer = provider.answer(parts.path, query, dict(parse_qsl(body)), token)
            if answer is DOWN:
                self.close_connection = True
                return
            self.send_response(status)
            if status == 302:
                self.send_header("Location", answer)
            is_form = isinstance(answer, str)
            self.send_header(
                "Content-Type",
                "application/x-www-form-urlencoded" if is_form else "application/json",
            )
            self.end_headers()
            self.wfile.write(answer.encode() if is_form else json.dumps(answer).encode())

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
