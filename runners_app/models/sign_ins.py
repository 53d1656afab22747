"""Sessions, failed sign-ins, and counters of second factors: what must outlive a cache."""

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


class Session(AbstractBaseSession):
    """A session. Its primary key is a hash of the key in the cookie, and its data is sealed.

    So that a reader of the database or of a backup can neither use nor read it.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+"
    )
    address = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=200, blank=True, help_text="The User-Agent header.")
    began_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    provider_sid = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        db_index=True,
        help_text="Hash of the id that the sign-in provider gave to its own session.",
    )


class ProviderAdministrator(models.Model):
    """An administrator whom the groups of the sign-in provider made one, and can unmake."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )

    def __str__(self) -> str:
        return str(self.user)


class FailedSignIn(models.Model):
    """A wrong password, or one that is being checked. Kept for a day.

    `name` and `network` are a keyed hash of the username and the address, of IPv6 its /64.
    `browser` is the id of a browser that signed in as this user before.
    """

    at = models.DateTimeField(db_index=True)
    name = models.CharField(max_length=16)
    network = models.CharField(max_length=45)
    browser = models.CharField(max_length=32, blank=True)

    class Meta:
        indexes = (
            models.Index(fields=["name", "browser", "at"], name="failed_sign_in_by_name"),
            models.Index(fields=["network", "at"], name="failed_sign_in_by_network"),
        )

    def __str__(self) -> str:
        return f"{self.name} from {self.network}"


class SignInCount(models.Model):
    """A value that codes of second factors are counted with, or a logout token that was used.

    `key` is a hash of what is counted.
    """

    key = models.CharField(max_length=64, primary_key=True)
    value = models.JSONField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key
