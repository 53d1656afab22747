"""What needs a person right now."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fact:
    """One thing that needs a person. Event has the same fields, and repeats them after its end.

    `account_pk` is the account it is about. If it is about one runner or operation, `item` names
    the model and `item_pk` the row, and only users who may see that row may see the fact. `data` is
    what messages say beside the title.
    """

    kind: str
    topic: str
    title: str
    path: str
    account_pk: int
    item: str = ""
    item_pk: int = 0
    stage: str = ""
    data: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> str:
        return f"{self.topic}:{self.stage}" if self.stage else self.topic
