"""Signing in and out."""

from django.contrib.auth.views import LoginView, LogoutView
from django.views.decorators.http import require_http_methods, require_POST

from runners_app.forms_people import SignInForm

sign_in = require_http_methods(["GET", "HEAD", "POST"])(
    LoginView.as_view(template_name="sign_in.html", authentication_form=SignInForm, redirect_authenticated_user=True)
)
sign_out = require_POST(LogoutView.as_view())
