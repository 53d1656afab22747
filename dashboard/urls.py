"""URLs of the project: sign-in; all other pages belong to the app."""

from allauth.account import views as account
from django.conf import settings
from django.http import HttpRequest
from django.urls import include, path

from runners_app import urls as pages
from runners_app.people import sign_in_views as sign_in
from runners_app.people.provider_logout import oidc_logout
from runners_app.web.proof import is_post, with_proof
from runners_app.web.retry import with_retries


def connects(request: HttpRequest) -> bool:
    """Of a page that signs in, or adds another way to sign in to who is signed in already."""
    return "connect" in (request.POST.get("process"), request.GET.get("process"))


# allauth asks again before some of these, but nobody who has neither password nor second factor.
FACTORS = frozenset(
    {
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_deactivate_totp",
        "mfa_download_recovery_codes",
        "mfa_edit_webauthn",
        "mfa_generate_recovery_codes",
        "mfa_remove_webauthn",
        "mfa_view_recovery_codes",
    }
)
PROVIDERS = frozenset({"github_login", "openid_connect_login"})
CONNECTIONS = frozenset({"socialaccount_connections"})
# allauth finds its pages by these names; the pages that are not listed are switched off.
sign_in_pages = [
    path("sign-in/", sign_in.sign_in, name="account_login"),
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-out/", sign_in.sign_out, name="account_logout"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("sign-in/disabled/", account.account_inactive, name="account_inactive"),
    path("sign-in/with/", include("allauth.socialaccount.providers.github.urls")),
    path(
        "sign-in/with/oidc/<str:provider_id>/login/callback/",
        sign_in.oidc_callback,
        name="openid_connect_callback",
    ),
    path(
        "sign-in/with/oidc/<str:provider_id>/logout/",
        oidc_logout,
        name="openid_connect_logout",
    ),
    path("sign-in/with/", include("allauth.socialaccount.providers.openid_connect.urls")),
    path("sign-in/with/", include("allauth.socialaccount.urls")),
    path("you/confirm/", sign_in.confirm, name="account_reauthenticate"),
    path("you/confirm/with/", sign_in.confirm_provider, name="confirm-provider"),
    path("you/password/", sign_in.password, name="account_change_password"),
    path("you/two-factor/", include("allauth.mfa.urls")),
]
admin_pages = []
if settings.DJANGO_ADMIN:
    from runners_app.admin import site

    admin_pages = [path("django-admin/", site.urls)]
reload_pages = []
if settings.DEV:
    reload_pages = [path("__reload__/", include("django_browser_reload.urls"))]
with_proof(sign_in_pages, FACTORS)
with_proof(sign_in_pages, PROVIDERS, when=connects)
with_proof(sign_in_pages, CONNECTIONS, when=is_post)
urlpatterns = [
    *sign_in_pages,
    *admin_pages,
    *reload_pages,
    *with_retries(pages.urlpatterns),
]
handler400 = "runners_app.web.errors.bad_request"
handler500 = "runners_app.web.errors.server_error"
