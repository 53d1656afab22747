"""What the tests of jobs have as well."""

from tests.jobs.conftest import sender

__all__ = ["sender"]
