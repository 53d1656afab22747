"""Headers every page carries."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

GetResponse = Callable[[HttpRequest], HttpResponse]


def page_headers(get_response: GetResponse) -> GetResponse:
    """One address answers a whole page or a fragment of it, so caches must tell the two apart."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Not on errors of the server: the database that knows the person may be what failed.
        if response.status_code < 500 and response.headers.get("Content-Type", "").startswith("text/html"):
            patch_vary_headers(response, ["HX-Request"])
            if request.user.is_authenticated:
                response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware
