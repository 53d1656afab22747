"""Celery tasks, of which each calls one function. Messages carry ids and nothing else."""

from celery import Task, shared_task
from django.utils import timezone

from runners_app.accounts import github_apps as apps
from runners_app.credentials.check import ask_nightly_checks
from runners_app.credentials.wake import wake, wake_app
from runners_app.jobs.ingest import normalise_waiting
from runners_app.jobs.sums import sum_stale
from runners_app.models import App, Credential
from runners_app.models.clock import database_now
from runners_app.monitoring import incidents
from runners_app.notices.notices import send_due, watch_and_send
from runners_app.operations.holds import hold_overdue
from runners_app.operations.restored import hold_if_restored
from runners_app.security.audit_chain import link_entries, log_head
from runners_app.worker.cut_times import cut_now_and_then
from runners_app.worker.pruning import prune
from runners_app.worker.work import work_credential as do_work


@shared_task(expires=5)
def wake_due_credentials() -> None:
    """Find due work in the tables, so that losing every message is harmless."""
    now = database_now()
    cut_now_and_then(now)
    hold_if_restored()
    hold_overdue(now)
    for credential_id in Credential.objects.due(now):
        wake(credential_id)
    for app_id in App.objects.unanswered(now).values_list("pk", flat=True):
        wake_app(app_id)


@shared_task(bind=True)
def work_credential(self: "Task[[int], None]", credential_id: int) -> None:
    do_work(credential_id, holder=self.request.id or "")


@shared_task
def list_installations(app_id: int) -> None:
    apps.list_installations(app_id)


@shared_task(expires=50)
def send_notices() -> None:
    watch_and_send(timezone.now())


@shared_task(expires=60)
def send_due_notices() -> None:
    send_due(timezone.now())


@shared_task(expires=50)
def read_status_pages() -> None:
    incidents.read_status_pages()


@shared_task(expires=3600)
def check_credentials() -> None:
    ask_nightly_checks()


@shared_task(expires=3600)
def prune_history() -> None:
    prune(timezone.now())


@shared_task(expires=5)
def link_audit_entries() -> None:
    link_entries()


@shared_task(expires=60)
def log_audit_head() -> None:
    log_head()


@shared_task(expires=5)
def normalise_deliveries() -> None:
    normalise_waiting()


@shared_task(expires=50)
def sum_jobs() -> None:
    sum_stale(timezone.now())
