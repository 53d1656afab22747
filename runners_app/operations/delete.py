"""Deleting something: done only when two views of GitHub agree that it is gone.

GitHub takes its time: a runner stays readable as Deleting. It is gone when asking for it answers
404 and a complete list lacks it; a 404 alone may also mean that the credential lost its right to
see it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runners_app.github import Answer, NotFound, Refused
from runners_app.models import Operation, Reading
from runners_app.operations.listing import read_now
from runners_app.operations.send import (
    STOPS,
    UNREACHED,
    Work,
    absent,
    retry_probe,
    retry_start,
    send,
)
from runners_app.operations.steps import (
    Steps,
    begin_observing,
    confirm,
    give_up_unsent,
    keep_observing,
    step,
)

GONE = "gone"


@dataclass(frozen=True)
class Deletion:
    """How one kind of thing is deleted, asked for and listed; its methods are the steps of such an
    operation.

    `status` answers GitHub's word for it and raises NotFound. `name` answers the name our row has
    now, for things whose name a person typed to confirm. `on_gone` runs in the transaction that
    confirms.
    """

    resource: str
    delete: Callable[[Operation, Work], Answer[Any]]
    status: Callable[[Operation, Work], str]
    is_listed: Callable[[Operation], bool]
    name: Callable[[Operation], str | None] | None = None
    on_gone: Callable[[Operation], None] = lambda operation: None

    @property
    def steps(self) -> Steps:
        return Steps(self.start, self.probe, self.observe)

    def start(self, operation: Operation, work: Work) -> None:
        """While nothing was applied: check that it still is what was to be deleted, then send the
        request.

        A 404 is left to the request.
        """
        try:
            self._status_or_gone(operation, work)
        except STOPS:
            raise
        except UNREACHED as error:
            retry_start(operation, work, f"Not sent yet: GitHub could not be asked first. {error}")
            return
        except Refused as error:
            note = f"GitHub did not show it, so nothing was sent. {error.message}"
            give_up_unsent(operation, work, note)
            return

        name = self.name(operation) if self.name else None
        if name is not None and name != operation.target_name:
            note = (
                "Somebody gave it another name since its deletion was asked for. Nothing was sent."
            )
            conflict = {"name": [name, operation.target_name, "Delete it"]}
            give_up_unsent(operation, work, note, conflict=conflict)
            return
        self._send(operation, work)

    def probe(self, operation: Operation, work: Work) -> None:
        """From `unknown`: is it on its way out?"""
        try:
            status = self._status_or_gone(operation, work)
        except STOPS:
            raise
        except (*UNREACHED, Refused) as error:
            note = f"The answer was lost, and GitHub could not be asked. {error}"
            retry_probe(operation, work, note, error)
            return
        if status == GONE:
            begin_observing(operation, work, "The answer was lost, but it is gone.")
        elif status == "Deleting":
            begin_observing(
                operation, work, "The answer was lost, but GitHub shows it as Deleting."
            )
        else:
            absent(operation, work, again=lambda: self._send(operation, work))

    def observe(self, operation: Operation, work: Work) -> None:
        """From `observing`: 404 and a complete list without it."""
        try:
            status = self._status_or_gone(operation, work)
        except STOPS:
            raise
        except Refused as error:
            note = f"GitHub accepted the deletion, and then did not answer about it. {error}"
            retry_probe(operation, work, note, error)
            return
        except UNREACHED as error:
            keep_observing(operation, work, f"GitHub could not be asked since. {error}")
            return
        if status != GONE:
            keep_observing(operation, work, f"GitHub still shows it as {status}.")
        else:
            self._compare_with_list(operation, work)

    def _send(self, operation: Operation, work: Work) -> None:
        def call() -> Answer[Any] | NotFound:
            try:
                return self.delete(operation, work)
            except NotFound as absent_already:
                return absent_already  # counts as done once the complete list agrees

        answer = send(operation, work, call)
        if answer is None:
            return
        is_gone = isinstance(answer, NotFound)
        note = (
            "GitHub answers that it is not there." if is_gone else "GitHub accepted the deletion."
        )
        begin_observing(operation, work, note, answer.meta.request_id or "")

    def _compare_with_list(self, operation: Operation, work: Work) -> None:
        result = read_now(operation, self.resource, work)
        if isinstance(result.error, Refused):
            note = f"It answers 404, which may also mean that the token may no longer see it. {result.failure_message}"
            retry_probe(operation, work, note, result.error)
        elif result.failure is not None:
            note = f"It answers 404; the list could not be read. {result.failure_message}"
            keep_observing(operation, work, note)
        elif self.is_listed(operation):
            keep_observing(operation, work, "It answers 404, but the list still shows it.")
            # A version is listed while its image is, so the list of images may be what is old.
            Reading.objects.schedule_now(operation.account, Reading.Resource.CUSTOM_IMAGES)
        else:
            with step(work):
                note = "It is gone: asking for it answers 404, and the complete list is without it."
                confirm(operation, work, note)
                self.on_gone(operation)

    def _status_or_gone(self, operation: Operation, work: Work) -> str:
        """GitHub's word for it now, or GONE when it answers 404. Raises other errors of GitHub."""
        try:
            return self.status(operation, work)
        except NotFound:
            return GONE
