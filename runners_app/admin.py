"""Django's admin, read-only and for administrators, if DJANGO_ADMIN is on.

It has its own site, so that models registered by other packages, such as second factors, are not
shown.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from runners_app import models

SECRET = ("sealed_", "fingerprint", "lease_token", "session_", "uid")

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Model]
else:
    ModelAdmin = admin.ModelAdmin


class Site(admin.AdminSite):
    site_header = site_title = "Trackside, rows"

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to our own sign-in, which has second factors and throttling."""
        return redirect("sign-in")


class Rows(ModelAdmin):
    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only whole values of the fields shown.

        Any other lookup in the query string is an oracle: `?password__regex=` tells a hash letter
        by letter.
        """
        return lookup in self.get_fields(request)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [
            field.name for field in self.model._meta.fields if not field.name.startswith(SECRET)
        ]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class People(Rows):
    exclude = ("password",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ["username", "email", "is_active", "is_superuser", "last_login", "date_joined"]


site = Site(name="admin")
site.register([getattr(models, name) for name in models.__all__], Rows)
site.register(User, People)
