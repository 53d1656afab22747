"""Pages for what went wrong. Django finds the templates 403 and 404 by itself."""

import sys

from django.core.exceptions import BadRequest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """With the words of whoever refused it, where that was one of our views."""
    words = str(exception) if type(exception) is BadRequest else ""
    return HttpResponse(render_to_string("400.html", {"words": words}), status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Called while the error is handled. Neither template may ask the database, which may be what is down."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": "10"})
    return HttpResponse(render_to_string("500.html"), status=500)
