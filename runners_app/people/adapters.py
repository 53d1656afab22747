"""How allauth and axes fit Trackside: who may join, what is kept of an attempt, and where second
factors are sealed.
"""

import logging
from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base import ProviderException
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from runners_app.security.secrets import seal, unseal
from runners_app.web.addresses import address_of

log = logging.getLogger(__name__)


SEALED_FOR = "second factor"


def mark_of(username: str) -> str:
    """Tells equal names apart from others without storing them: people type passwords into the
    wrong field.
    """
    return salted_hmac("failed sign-in", username.casefold()).hexdigest()[:16]


def mark_of_attempt(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    username = (credentials or {}).get("username") or request.POST.get("username", "")
    return mark_of(str(username))


def has_second_factor(person: User) -> bool:
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    return bool(Authenticator.objects.filter(user_id=person.pk, type__in=kinds).exists())


def _people_by(email: str) -> set[User]:
    """Whoever came in by it before, or else whose address it is."""
    rows = EmailAddress.objects.filter(email=email.lower(), verified=True).select_related("user")
    before = {row.user for row in rows if _is_same(row.email, email)}
    return before or {
        person
        for person in User.objects.filter(email__iexact=email)
        if _is_same(person.email, email)
    }


def _is_same(email: str, other: str) -> bool:
    """But for capitals from A to Z: PostgreSQL takes more letters for the same, as the dotless i,
    that are not.
    """
    return email.encode().lower() == other.encode().lower()


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Local accounts are made by administrators; guesses are counted by axes."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "Please enter a correct username and password. Both may be case-sensitive.",
        "too_many_login_attempts": "Too many attempts failed, or nobody counts them now because Redis does not answer. "
        "Please try again in a quarter of an hour.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

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
        """Signing in and out show for themselves."""
        if message_template not in (
            "account/messages/logged_in.txt",
            "account/messages/logged_out.txt",
        ):
            super().add_message(request, level, message_template, *a, **k)


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """A provider vouches for people Trackside knows by their e-mail, and for new ones where that is
    switched on.
    """

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Nobody new comes in under somebody's address: had the provider vouched for it, it would
        be that person.
        """
        known = any(
            User.objects.filter(email__iexact=row.email).exists()
            for row in sociallogin.email_addresses
        )
        return bool(settings.SIGN_IN_ADDS_PEOPLE) and not known

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: dict[str, Any]) -> Any:
        """Before anybody is looked up. Raises ProviderException when the provider does not say who
        it is, or two.
        """
        account = sociallogin.account
        told = [account.extra_data.get(part) for part in ("id_token", "userinfo")]
        subjects = {str(part.get("sub")) for part in told if isinstance(part, dict) and part}
        if account.uid in ("", "None") or len(subjects) > 1:
            raise ProviderException("The provider did not say who it is.")
        return super().populate_user(request, sociallogin, data)

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> User:
        """Somebody new. An address nobody vouches for is not kept: word would go there, and it
        would let others in.
        """
        vouched = sorted(
            (row for row in sociallogin.email_addresses if row.verified),
            key=lambda row: not row.primary,
        )
        sociallogin.email_addresses = vouched
        sociallogin.user.email = vouched[0].email if vouched else ""
        with transaction.atomic():  # nobody without what they sign in by
            person: User = super().save_user(request, sociallogin, form)
        return person

    def authenticate_by_email(self, sociallogin: Any) -> tuple[User, str] | None:
        """An administrator entered the address, so the password beside it stays; allauth wipes one
        it cannot trust.

        In whatever capitals it was entered, which allauth does not find. The address of two people
        is of neither.
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
        """Without the exception's words, which may hold what the provider sent."""
        status = getattr(getattr(exception, "response", None), "status_code", None)
        why = (
            type(exception).__name__ if exception else f"{error or 'the attempt is not known here'}"
        )
        log.warning(
            "Signing in with a provider failed: %s%s", why, f" ({status})" if status else ""
        )


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Keys of authenticator apps and recovery codes lie sealed under CREDENTIAL_KEYS, as tokens do."""

    def encrypt(self, text: str) -> str:
        return seal(text, uid=SEALED_FOR, api_url="")

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(encrypted_text, uid=SEALED_FOR, api_url="")
