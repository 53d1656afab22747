"""Verifies the hash chain over the audit log."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from runners_app.models import AuditLink
from runners_app.security.audit_chain import link_entries, verify


class Command(BaseCommand):
    help = (
        "Verify the hash chain over the audit log. Names the first broken link; then exits with 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--digest",
            metavar="DIGEST",
            help="a digest from the log (audit_chain_digest) that must be in the chain",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        while link_entries():
            pass
        result = verify()
        if result.problem:
            raise CommandError(
                f"The audit log is broken. {result.problem} The {result.links:,} links before are "
                "right. Compare with a backup and with the log of audit_chain_digest."
            )
        digest = options["digest"]
        if digest and not AuditLink.objects.filter(digest=digest).exists():
            raise CommandError(
                f"No link has the digest {digest}: the chain was computed again since it was "
                "logged, or links older than the retention are pruned."
            )
        self.stdout.write(f"Verified {result.links:,} links. Newest digest: {result.head}")
