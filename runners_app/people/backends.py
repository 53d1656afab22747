"""Signing in, and reading the signed-in user with their preferences in one query."""

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.models import User


class Backend(AuthenticationBackend):  # type: ignore[misc]  # allauth has no types
    """allauth's backend; every page needs the preferences, so they come with the user."""

    def get_user(self, user_id: int) -> User | None:
        user = User.objects.select_related("preferences").filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None
