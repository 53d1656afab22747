"""Metrics of jobs need what the pages about jobs do."""

from tests.insight.conftest import busy, org, sender

__all__ = ["busy", "org", "sender"]
