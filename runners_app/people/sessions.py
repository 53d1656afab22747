"""Where sessions are stored: under a hash of their key, with sealed data."""

import base64
import hashlib
import json
import logging
from datetime import UTC, datetime
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone
from django.utils.crypto import salted_hmac

log = logging.getLogger(__name__)
BEGAN, SEEN, ADDRESS, BROWSER = "began_at", "seen_at", "address", "browser"
PROVIDER_SID = "provider_sid"


def stored_key(session_key: str | None) -> str:
    """Return the primary key of a session: 30 bytes of SHA-256, which are 40 characters."""
    digest = hashlib.sha256((session_key or "").encode()).digest()
    return base64.urlsafe_b64encode(digest[:30]).decode()


def hash_of_sid(sid: str) -> str:
    """Return what is stored of the id that a provider gave to its own session."""
    return hashlib.sha256(sid.encode()).hexdigest()


class SessionStore(DatabaseStore):
    """Django's store in the database, which keeps no key that a cookie could hold.

    It also copies into columns what the list of own sessions shows.
    """

    @classmethod
    def get_model_class(cls) -> Any:
        from runners_app.models import Session

        return Session

    def _get_session_from_db(self) -> Any:
        row = self.model.objects.filter(
            session_key=stored_key(self.session_key), expire_date__gt=timezone.now()
        ).first()
        if row is None:
            self._session_key = None
        return row

    def exists(self, session_key: str) -> bool:
        return bool(self.model.objects.filter(session_key=stored_key(session_key)).exists())

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        model: Any = self.get_model_class()
        # Django's types do not know this method of its session stores.
        key: str = self._get_or_create_session_key()  # type: ignore[attr-defined]
        return model(
            session_key=stored_key(key),
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
            user_id=data.get(SESSION_KEY),
            address=data.get(ADDRESS, ""),
            browser=data.get(BROWSER, "")[:200],
            began_at=_moment(data.get(BEGAN)),
            seen_at=_moment(data.get(SEEN)),
            provider_sid=data.get(PROVIDER_SID, ""),
        )

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            self.model.objects.filter(session_key=stored_key(key)).delete()

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Seal the data: it holds a second factor that is being set up, and forms sent again."""
        return _fernet().encrypt(json.dumps(session_dict).encode()).decode()

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        try:
            data: dict[str, Any] = json.loads(_fernet().decrypt(session_data))
        except InvalidToken:
            log.warning("A session does not open with SECRET_KEY; its user signs in again.")
            return {}
        return data


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _fernet() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    keys = [
        salted_hmac("session data", "", secret=secret, algorithm="sha256").digest()
        for secret in secrets
    ]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
