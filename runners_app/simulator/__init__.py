"""GitHub's API for larger runners over HTTP, for the demo and the tests. It imports nothing from
the rest of Trackside.

``world`` holds the simulated data, ``api`` GitHub's operations on it, ``server`` the WSGI
application, and ``controls`` the endpoints under ``/_simulator/`` that GitHub does not have.
"""
