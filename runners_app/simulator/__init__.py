"""GitHub's API for larger runners over HTTP, for the demo and the tests; imports nothing from the
rest of Trackside.

``app`` answers requests, ``routes`` says which function does, ``state`` is the world, ``seed``
makes it, ``lifecycle`` moves it with time, ``controls`` are the doors GitHub does not have.
"""
