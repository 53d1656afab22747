"""Pages for what went wrong. Django finds the templates 403 and 404 by itself."""

import sys

from django.core.exceptions import BadRequest
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """With the words of whoever refused it, where that was one of our views."""
    words = str(exception) if type(exception) is BadRequest else ""
    return HttpResponse(render_to_string("400.html", {"words": words}), status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Called while the error is handled. Neither template may ask the database, which may be what
    is down.
    """
    if _is_of_database(sys.exc_info()[1]):
        return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": "10"})
    return HttpResponse(render_to_string("500.html"), status=500)


def _is_of_database(error: BaseException | None) -> bool:
    """It is down, or takes no changes: a standby of PostgreSQL calls that an internal error."""
    is_read_only = isinstance(error, InternalError) and "read-only" in str(error)
    return is_read_only or isinstance(error, OperationalError | InterfaceError)
