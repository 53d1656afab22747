"""How the worker changes a runner group: an operation of up to two steps, resumable between them.

`operation.steps` records progress: [{"do": "settings", "done": true}, {"do": "access", "done":
false}]. If GitHub refuses the second step, the first is taken back, so that no change is half done.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

from runners_app.github import BadCredentials, RateLimited, Refused
from runners_app.groups.settings import GroupSettings
from runners_app.groups.steps import calls
from runners_app.groups.steps.calls import GroupNow, group_now
from runners_app.groups.steps.names import ids_are_known
from runners_app.models import Operation, Reading
from runners_app.operations.observe import (
    Target,
    read_after_loss,
    read_before_sending,
    read_for_effect,
)
from runners_app.operations.send import Work, absent, send, words_of
from runners_app.operations.steps import (
    begin_observing,
    confirm,
    give_up_unsent,
    keep_observing,
    need_attention,
    reject,
    step,
)
from runners_app.operations.transitions import move, stay

R, S = Reading.Resource, Operation.State
GROUP = Target("group", R.GROUPS, group_now)
SETTINGS, ACCESS, TAKE_BACK = "settings", "access", "take_back"
Call = Callable[[Operation, Work, GroupNow], Callable[[], Any]]


class Step(TypedDict):
    """An entry of `operation.steps`; `do` is a key of PARTS, or TAKE_BACK."""

    do: str
    done: bool


class Part(NamedTuple):
    """How a step is sent, taken back and recognized; `name` is for notes."""

    send: Call
    take_back: Call
    shown: Callable[[Operation, GroupNow], bool]
    untouched: Callable[[Operation, GroupNow], bool]
    name: str


PARTS = {
    SETTINGS: Part(
        calls.send_settings,
        calls.take_back_settings,
        calls.settings_shown,
        calls.settings_untouched,
        "the settings",
    ),
    ACCESS: Part(
        calls.send_access,
        calls.take_back_access,
        calls.access_shown,
        calls.access_untouched,
        "the list",
    ),
}


def start(operation: Operation, work: Work) -> None:
    """From `requested`, and between the steps: send what is left, if the change still fits."""
    while _advance(operation, work):
        pass


def _advance(operation: Operation, work: Work) -> bool:
    """Take the next step. Return whether another one can follow at once."""
    if not ids_are_known(operation, work):
        return False
    now = read_before_sending(GROUP, operation, work, _rest(operation))
    if now is None:
        return False
    if not operation.steps:
        operation.steps = _plan(operation, now)

    left = _left(operation, now)
    if _taking_back(operation):
        _take_back(operation, work, now)
    elif not left and not operation.begun:
        note = "The group already has the requested values. Nothing was sent."
        give_up_unsent(operation, work, note)
    elif not left:
        _confirm(operation, work, "The group has the new values.")
    elif not operation.begun and (conflict := _conflict(operation, now)):
        note = "The group was changed at GitHub since the form was opened. Nothing was sent."
        give_up_unsent(operation, work, note, conflict=conflict)
    else:
        return _send_next(operation, work, now)
    return False


def _rest(operation: Operation) -> str:
    if operation.begun:
        return "The first step was applied, the rest was not sent."
    return "Nothing was sent."


def _plan(operation: Operation, now: GroupNow) -> list[Step]:
    """Settings first, because only a group with visibility `selected` has an access list.

    But a group that is closed to public repositories must first lose those on its list.
    """
    parts = []
    if GroupSettings.names_in(operation.changed_fields):
        parts.append(SETTINGS)
    if calls.changes_access(operation):
        closes = operation.changed_fields.get("allows_public_repositories") is False
        parts.insert(0 if closes and now.row.has_access_list else len(parts), ACCESS)
    return [Step(do=part, done=False) for part in parts]


def _left(operation: Operation, now: GroupNow) -> list[str]:
    """Parts that are neither recorded as done nor visible at GitHub."""
    waiting = [each["do"] for each in operation.steps if not each["done"] and each["do"] in PARTS]
    return [part for part in waiting if not PARTS[part].shown(operation, now)]


def _taking_back(operation: Operation) -> bool:
    return any(each["do"] == TAKE_BACK for each in operation.steps)


def _conflict(operation: Operation, now: GroupNow) -> dict[str, list[object]]:
    wanted = GroupSettings.from_stored(operation.wanted)
    return wanted.conflicts_with(now.settings, base=GroupSettings.from_stored(operation.base))


def _done(operation: Operation, *parts: str) -> list[Step]:
    """The operation's steps, with these parts marked as done."""
    return [
        Step(do=each["do"], done=each["done"] or each["do"] in parts) for each in operation.steps
    ]


def _send_next(operation: Operation, work: Work, now: GroupNow) -> bool:
    """Send the first part that is left. Return whether another step can follow at once."""
    left = _left(operation, now)
    part = left[0]
    shown = [
        each["do"] for each in operation.steps if each["do"] in PARTS and each["do"] not in left
    ]
    call = PARTS[part].send(operation, work, now)
    if operation.begun:
        call = _keeping_refusal(call)
    note = f"Sent {PARTS[part].name} to GitHub."
    answer = send(operation, work, call, again=note, steps=_done(operation, *shown))
    if answer is None:
        return False

    if isinstance(answer, Refused):
        _begin_to_take_back(operation, work, answer)
        return True
    if len(left) > 1:
        note = f"GitHub took {PARTS[part].name}. The next step follows."
        _record(operation, work, note, _done(operation, part), begun=True, sends=1)
        return True

    with step(work):
        stay(operation, seconds=0, steps=_done(operation, part))
        begin_observing(operation, work, "GitHub accepted it.", answer.meta.request_id or "")
    observe(operation, work)
    return False


def _keeping_refusal(call: Callable[[], Any]) -> Callable[[], Any]:
    """Return a refusal instead of raising it: the part applied before must be taken back."""

    def call_github() -> Any:
        try:
            return call()
        except (BadCredentials, RateLimited):
            raise
        except Refused as error:
            return error

    return call_github


def _record(operation: Operation, work: Work, note: str, steps: list[Step], **fields: Any) -> None:
    with step(work):
        stay(operation, seconds=0, note=note, steps=steps, known_not_applied=True, **fields)


def _confirm(operation: Operation, work: Work, note: str) -> None:
    with step(work):
        confirm(operation, work, note, steps=_done(operation, *PARTS))
        calls.attribute_to(operation)


def probe(operation: Operation, work: Work) -> None:
    """From `unknown`: the group and its list show which part was applied."""
    now = read_after_loss(GROUP, operation, work)
    if now is None:
        return
    if _taking_back(operation):
        _probe_taking_back(operation, work, now)
        return

    left = _left(operation, now)
    waiting = [each["do"] for each in operation.steps if not each["done"]]
    if not left:
        _confirm(operation, work, "The answer was lost, but the group has the new values.")
    elif left[0] != waiting[0]:
        with step(work):
            note = f"The answer was lost, but {PARTS[waiting[0]].name} took effect."
            steps = _done(operation, waiting[0])
            stay(
                operation, seconds=0, note=note, steps=steps, begun=True, sends=0, absent_since=None
            )
        _send_rest(operation, work, now)
    elif PARTS[left[0]].untouched(operation, now):
        absent(operation, work, again=lambda: _send_rest(operation, work, now))
    else:
        note = "The answer was lost, and the group has neither the old nor the new values."
        need_attention(operation, work, note, conflict=_conflict(operation, now) or None)


def _send_rest(operation: Operation, work: Work, now: GroupNow) -> None:
    if _send_next(operation, work, now):
        start(operation, work)


def observe(operation: Operation, work: Work) -> None:
    """From `observing`: confirm once group and list show every requested change."""
    now = read_for_effect(GROUP, operation, work)
    if now is None:
        return
    if all(PARTS[each["do"]].shown(operation, now) for each in operation.steps):
        _confirm(operation, work, "The group has the new values.")
    else:
        keep_observing(operation, work, "GitHub does not show all of it yet.")


# --- Taking back


def _begin_to_take_back(operation: Operation, work: Work, error: Refused) -> None:
    note = f"GitHub refused the second step: {error.message} Trackside takes the first one back."
    steps = [*_done(operation), Step(do=TAKE_BACK, done=False)]
    _record(operation, work, note, steps, refusal=words_of(error))


def _applied(operation: Operation) -> Part:
    return PARTS[next(each["do"] for each in operation.steps if each["done"])]


def _take_back(operation: Operation, work: Work, now: GroupNow) -> None:
    part = _applied(operation)
    if part.untouched(operation, now):
        _reject_undone(operation, work)
        return
    call = _keeping_refusal(part.take_back(operation, work, now))
    answer = send(operation, work, call)
    if isinstance(answer, Refused):
        with step(work):
            move(operation, S.UNKNOWN, note=f"GitHub refused to take it back: {answer.message}")
            move(operation, S.NEEDS_ATTENTION, note=_half_done(part))
    elif answer is not None:
        _reject_undone(operation, work)


def _probe_taking_back(operation: Operation, work: Work, now: GroupNow) -> None:
    part = _applied(operation)
    if part.untouched(operation, now):
        _reject_undone(operation, work)
    elif part.shown(operation, now):
        absent(operation, work, again=lambda: _take_back(operation, work, now))
    else:
        need_attention(operation, work, _half_done(part))


def _reject_undone(operation: Operation, work: Work) -> None:
    words = (operation.refusal or {}).get("message", "")
    note = f"GitHub refused: {words} What was applied before was taken back, so nothing changed."
    with step(work):
        if operation.state == S.UNKNOWN:
            move(operation, S.NEEDS_ATTENTION, note="Taken back, as GitHub shows.")
        reject(operation, work, note)
    Reading.objects.schedule_now(operation.account, R.GROUPS, R.GROUP_ACCESS)


def _half_done(part: Part) -> str:
    return (
        f"The change is half done: GitHub took {part.name}, refused the rest, "
        "and did not take the first part back."
    )
