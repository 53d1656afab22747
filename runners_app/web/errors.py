"""Error pages 400, 500 and 503. Django finds the templates of 403 and 404 by itself."""

import sys

from django.core.exceptions import BadRequest
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, with the message of a `BadRequest` that one of our views raised.

    Messages of its subclasses come from Django, and may repeat what the client sent.
    """
    words = str(exception) if type(exception) is BadRequest else ""
    return HttpResponse(render_to_string("400.html", {"words": words}), status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """503 if the database is down, else 500. Django calls this while it handles the error.

    Neither template uses the database, because that may be what is down.
    """
    if _is_database_down(sys.exc_info()[1]):
        return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": "10"})
    return HttpResponse(render_to_string("500.html"), status=500)


def _is_database_down(error: BaseException | None) -> bool:
    """Also true of a read-only PostgreSQL standby, which reports writes as an internal error."""
    is_read_only = isinstance(error, InternalError) and "read-only" in str(error)
    return is_read_only or isinstance(error, OperationalError | InterfaceError)
