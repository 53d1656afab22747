"""Reads accounts now, in this process, without a worker."""

from argparse import ArgumentParser
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from runners_app.models import Account
from runners_app.readings.run import RunResult
from runners_app.worker.work import CredentialBusy, read_accounts

CREDENTIALS_AT_ONCE = 16


class Command(BaseCommand):
    help = (
        "Read all resources of the given accounts, or of all accounts. "
        "Prints a line for each; exits with 1 if any failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG")
        parser.add_argument(
            "--resource", action="append", dest="resources", help="Only these; may be repeated."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = Account.objects.select_related("credential")
        if options["slugs"]:
            accounts = accounts.filter(slug__in=options["slugs"])
        if missing := set(options["slugs"]) - {account.slug for account in accounts}:
            raise CommandError(f"Not connected: {', '.join(sorted(missing))}.")
        by_credential: dict[int, list[Account]] = {}
        for account in accounts:
            by_credential.setdefault(account.credential_id, []).append(account)
        batches: SimpleQueue[list[Account]] = SimpleQueue()
        for batch in by_credential.values():
            batches.put(batch)
        with ThreadPoolExecutor(CREDENTIALS_AT_ONCE) as pool:
            threads = [
                pool.submit(self._sync_all, batches, options["resources"])
                for _ in range(min(CREDENTIALS_AT_ONCE, len(by_credential)))
            ]
        if not all(thread.result() for thread in threads):
            raise SystemExit(1)

    def _sync_all(self, batches: "SimpleQueue[list[Account]]", resources: list[str] | None) -> bool:
        """Read batches until none is left, on this thread's database connection."""
        succeeded = True
        try:
            while True:
                succeeded = self._sync(batches.get_nowait(), resources) and succeeded
        except Empty:
            return succeeded
        finally:
            connection.close()

    def _sync(self, accounts: list[Account], resources: list[str] | None) -> bool:
        succeeded = True
        try:
            for result in read_accounts(accounts, resources, holder="sync"):
                self.stdout.write(_line(result))
                succeeded = succeeded and result.failure is None
        except CredentialBusy as error:
            self.stdout.write(f"{', '.join(account.slug for account in accounts)}: {error}")
            succeeded = False
        return succeeded


def _line(result: RunResult) -> str:
    start = f"{result.reading.account.slug} {result.reading.resource}:"
    if result.failure is not None:
        return f"{start} failed after {result.seconds:.2f} s: {result.failure.message}"
    counts = result.counts
    return (
        f"{start} {result.requests} requests, {result.not_modified} not modified, "
        f"{counts.added} added, {counts.changed} changed, {counts.removed} removed, "
        f"{result.seconds:.2f} s"
    )
