"""Adapters of allauth: who may sign up, whom a provider signs in, how second factors are sealed."""

import logging
from functools import partial
from typing import Any, ClassVar

import requests
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base import ProviderException
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from runners_app.people.factors import SEALED_FOR
from runners_app.security.outgoing import open_session
from runners_app.security.secrets import seal_for_web, unseal_for_web
from runners_app.web.addresses import address_of
from runners_app.web.proof import CONFIRMS, finish_proof, has_proof

log = logging.getLogger(__name__)


def mark_of(username: str) -> str:
    """Return a keyed hash to store instead of a username, which may be a mistyped password."""
    return salted_hmac("failed sign-in", username.casefold()).hexdigest()[:16]


def has_second_factor(person: User) -> bool:
    """Return whether the user enrolled an authenticator app or a passkey here."""
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    return bool(Authenticator.objects.filter(user_id=person.pk, type__in=kinds).exists())


def _people_by(email: str) -> set[User]:
    """Users who signed in with this address before, or else those who have it."""
    rows = EmailAddress.objects.filter(email=email.lower(), verified=True).select_related("user")
    before = {row.user for row in rows if _is_same(row.email, email)}
    return before or {
        person
        for person in User.objects.filter(email__iexact=email)
        if _is_same(person.email, email)
    }


def _is_same(email: str, other: str) -> bool:
    """ASCII-only case folding: PostgreSQL also folds letters such as the dotless i."""
    return email.encode().lower() == other.encode().lower()


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Local users are added by administrators; failed sign-ins are counted elsewhere."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "Please enter a correct username and password. "
        "Both may be case-sensitive.",
        "too_many_login_attempts": "Too many codes were wrong. "
        "Please try again in a quarter of an hour.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Ask for the password before allauth's own pages where `changes_trust` would, too."""
        return not has_proof(self.request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        pass

    def get_client_ip(self, request: HttpRequest) -> str:
        return address_of(request)

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        *a: Any,
        **k: Any,
    ) -> None:
        """Add no message about signing in or out: the page shows it anyway."""
        if message_template not in (
            "account/messages/logged_in.txt",
            "account/messages/logged_out.txt",
        ):
            super().add_message(request, level, message_template, *a, **k)


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Sign in existing users by verified e-mail, and new ones if SIGN_IN_ADDS_PEOPLE is on."""

    def get_requests_session(self) -> requests.Session:
        """For every call to a provider; allauth gives none of them a timeout."""
        session = open_session()
        session.request = partial(  # type: ignore[method-assign]
            session.request, timeout=settings.SOCIALACCOUNT_REQUESTS_TIMEOUT
        )
        return session

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Refuse a new user with the address of an existing one: it was not verified, or they
        would have been signed in as that user.
        """
        known = any(
            User.objects.filter(email__iexact=row.email).exists()
            for row in sociallogin.email_addresses
        )
        return bool(settings.SIGN_IN_ADDS_PEOPLE) and not known

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Finish a proof of who is signed in, which is not a sign-in."""
        if CONFIRMS in (sociallogin.state.get("data") or {}):
            raise ImmediateHttpResponse(finish_proof(request, sociallogin))

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: dict[str, Any]) -> Any:
        """Check the identity before any lookup.

        Raises ProviderException if the provider names no subject, or two different ones.
        """
        account = sociallogin.account
        parts = [account.extra_data.get(name) for name in ("id_token", "userinfo")]
        subjects = {str(part.get("sub")) for part in parts if isinstance(part, dict) and part}
        if account.uid in ("", "None") or len(subjects) > 1:
            raise ProviderException("The provider did not say who is signing in.")
        claims = [part for part in parts if isinstance(part, dict)]
        if claims and not any("email_verified" in part for part in claims):
            request.lacks_email_verified = True  # type: ignore[attr-defined]
            for row in sociallogin.email_addresses:
                row.verified = settings.OIDC_EMAILS_ARE_VERIFIED
        return super().populate_user(request, sociallogin, data)

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> User:
        """Store a new user with verified addresses only: an unverified one would receive mail, and
        would let its real owner sign in as this user.
        """
        vouched = sorted(
            (row for row in sociallogin.email_addresses if row.verified),
            key=lambda row: not row.primary,
        )
        sociallogin.email_addresses = vouched
        sociallogin.user.email = vouched[0].email if vouched else ""
        with transaction.atomic():  # never a user without the identity they sign in with
            person: User = super().save_user(request, sociallogin, form)
        return person

    def authenticate_by_email(self, sociallogin: Any) -> tuple[User, str] | None:
        """Return the one user with a verified address of the sign-in, and that address.

        Unlike allauth, this ignores case and keeps the user's password, because an administrator
        entered the address. An address shared by two users matches neither.
        """
        for email in [row.email for row in sociallogin.email_addresses if row.verified]:
            found = (
                _people_by(email) if self.can_authenticate_by_email(sociallogin, email) else set()
            )
            if len(found) == 1:
                person = found.pop()
                EmailAddress.objects.update_or_create(
                    user=person, email=email.lower(), defaults={"verified": True}
                )
                return person, email
        return None

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        **_: Any,
    ) -> None:
        """Log the kind of failure without its message, which may hold what the provider sent."""
        status = getattr(getattr(exception, "response", None), "status_code", None)
        why = (
            type(exception).__name__ if exception else f"{error or 'the attempt is not known here'}"
        )
        log.warning(
            "Signing in with a provider failed: %s%s", why, f" ({status})" if status else ""
        )


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Seal keys of authenticator apps and recovery codes under WEB_KEYS."""

    def encrypt(self, text: str) -> str:
        return seal_for_web(text, uid=SEALED_FOR, api_url="")

    def decrypt(self, encrypted_text: str) -> str:
        return unseal_for_web(encrypted_text, uid=SEALED_FOR, api_url="")
