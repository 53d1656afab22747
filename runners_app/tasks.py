"""Celery tasks: the beat's tick and the only task that calls GitHub. Messages carry ids and nothing else."""

from celery import Task, shared_task
from django.utils import timezone

from runners_app.services.pruning import prune
from runners_app.services.wake import wake
from runners_app.services.work import due_credentials
from runners_app.services.work import work_credential as do_work


@shared_task(expires=5)
def wake_due_credentials() -> None:
    """Find work over the tables, so that losing every message is harmless."""
    for credential_id in due_credentials(timezone.now()):
        wake(credential_id)


@shared_task(bind=True)
def work_credential(self: "Task[[int], None]", credential_id: int) -> None:
    do_work(credential_id, holder=self.request.id or "")


@shared_task(expires=3600)
def prune_history() -> None:
    prune(timezone.now())
