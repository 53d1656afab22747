"""Deleting: done only when a direct GET answers 404 and a complete list lacks the item.

GitHub deletes slowly: a runner stays readable as Deleting for a while. A 404 alone may also mean
that the credential lost its right to see the item.
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
    need_attention,
    step,
)

GONE = "gone"


@dataclass(frozen=True)
class Deletion:
    """How one kind of item is deleted, read and listed; its methods are the steps of an operation.

    `delete` and `status` call GitHub and raise GitHubError; `status` returns GitHub's word for the
    state. `is_listed` and `name` read our tables: whether the latest list shows the item, and its
    present name, where a person typed the name to confirm. `on_gone` runs in the transaction that
    confirms the deletion.
    """

    resource: str
    delete: Callable[[Operation, Work], Answer[Any]]
    status: Callable[[Operation, Work], str]
    is_listed: Callable[[Operation], bool]
    name: Callable[[Operation], str | None] | None = None
    on_gone: Callable[[Operation], None] = lambda operation: None

    @property
    def steps(self) -> Steps:
        return Steps(self.start, self.probe, self.observe, self.resolve, self.resource)

    def start(self, operation: Operation, work: Work) -> None:
        """While nothing was applied: check that it is still the same item, then send the DELETE.

        A 404 is left to the DELETE.
        """
        try:
            self._status_or_gone(operation, work)
        except STOPS:
            raise
        except UNREACHED as error:
            retry_start(operation, work, f"Not sent yet: it could not be read first. {error}")
            return
        except Refused as error:
            note = f"GitHub did not show it, so nothing was sent. {error.message}"
            give_up_unsent(operation, work, note)
            return

        if conflict := self._renamed(operation):
            note = "It was renamed after its deletion was requested. Nothing was sent."
            give_up_unsent(operation, work, note, conflict=conflict)
            return
        self._send(operation, work)

    def probe(self, operation: Operation, work: Work) -> None:
        """In state `unknown`: find out whether the lost DELETE was applied."""
        try:
            status = self._status_or_gone(operation, work)
        except STOPS:
            raise
        except (*UNREACHED, Refused) as error:
            note = f"The answer was lost, and it could not be read. {error}"
            retry_probe(operation, work, note)
            return
        if status == GONE:
            begin_observing(operation, work, "The answer was lost, but it is gone.")
        elif status == "Deleting":
            note = "The answer was lost, but GitHub shows it as Deleting."
            begin_observing(operation, work, note)
        elif conflict := self._renamed(operation):
            note = "The answer was lost, and it was renamed since. Nothing more was sent."
            need_attention(operation, work, note, conflict=conflict)
        else:
            absent(operation, work, again=lambda: self._send(operation, work))

    def observe(self, operation: Operation, work: Work) -> None:
        """In state `observing`: wait for a 404 and a complete list without it."""
        try:
            status = self._status_or_gone(operation, work)
        except STOPS:
            raise
        except (*UNREACHED, Refused) as error:
            keep_observing(operation, work, f"It could not be read since. {error}")
            return
        if status != GONE:
            keep_observing(operation, work, f"GitHub still shows it as {status}.")
        else:
            self._compare_with_list(operation, work)

    def resolve(self, operation: Operation, work: Work) -> None:
        """In state `needs_attention`: confirm if the list that was just read proves it gone."""
        if operation.sends and not self.is_listed(operation):
            with step(work):
                confirm(operation, work, "A later reading shows that it is gone.")
                self.on_gone(operation)

    def _renamed(self, operation: Operation) -> dict[str, list[object]]:
        """The conflict if it has another name than the person saw; empty if not."""
        name = self.name(operation) if self.name else None
        if name is None or name == operation.target_name:
            return {}
        return {"name": [name, operation.target_name, "Delete it"]}

    def _send(self, operation: Operation, work: Work) -> None:
        def call() -> Answer[Any] | NotFound:
            try:
                return self.delete(operation, work)
            except NotFound as error:
                return error  # deleted already, if the complete list agrees

        answer = send(operation, work, call)
        if answer is None:
            return
        note = "GitHub accepted the deletion."
        if isinstance(answer, NotFound):
            note = "GitHub answered 404: it is not there."
        begin_observing(operation, work, note, answer.meta.request_id or "")

    def _compare_with_list(self, operation: Operation, work: Work) -> None:
        result = read_now(operation, self.resource, work)
        if isinstance(result.error, Refused):
            note = (
                "GitHub answers 404, which may also mean that the token can no longer see it. "
                f"{result.failure_message}"
            )
            keep_observing(operation, work, note)
        elif result.failure is not None:
            note = f"GitHub answers 404; the list could not be read. {result.failure_message}"
            keep_observing(operation, work, note)
        elif self.is_listed(operation):
            keep_observing(operation, work, "GitHub answers 404, but the list still shows it.")
            # Versions count as listed while their image is: the list of images may be outdated.
            Reading.objects.schedule_now(operation.account, Reading.Resource.CUSTOM_IMAGES)
        else:
            with step(work):
                note = "It is gone: GitHub answers 404, and the complete list lacks it."
                confirm(operation, work, note)
                self.on_gone(operation)

    def _status_or_gone(self, operation: Operation, work: Work) -> str:
        """GitHub's word for its state, or GONE for a 404. Raises other GitHubErrors."""
        try:
            return self.status(operation, work)
        except NotFound:
            return GONE
