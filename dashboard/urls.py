"""Addresses of the project: all pages belong to the app."""

from django.urls import include, path

urlpatterns = [path("", include("runners_app.urls"))]
handler500 = "runners_app.views.errors.server_error"
