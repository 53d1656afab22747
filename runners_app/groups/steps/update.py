"""Carrying out a change to a runner group: one operation of up to two steps, which survives being
cut between them.

`operation.steps` says what is done: [{"do": "settings", "done": true}, {"do": "access", "done":
false}]. A step that GitHub refuses after another was applied has that one taken back, so that
nothing stays half done.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

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


class Part(NamedTuple):
    """How one step is sent, taken back, and seen."""

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
    """While the step at hand was not applied: the group as it is now decides whether the change
    still fits.
    """
    now = (
        read_before_sending(GROUP, operation, work, _rest(operation))
        if ids_are_known(operation, work)
        else None
    )
    if now is None:
        return
    if not operation.steps:
        operation.steps = _plan(operation, now)
    if _taking_back(operation):
        _take_back(operation, work, now)
        return
    left = _left(operation, now)
    if not left and not operation.begun:
        give_up_unsent(operation, work, "The group already is as asked for. Nothing was sent.")
    elif not left:
        _confirm(operation, work, "The group has the new values.")
    elif not operation.begun and (conflict := _conflict(operation, now)):
        note = "Somebody changed the group at GitHub since the form was opened. Nothing was sent."
        give_up_unsent(operation, work, note, conflict=conflict)
    else:
        _send_next(operation, work, now)


def _rest(operation: Operation) -> str:
    return (
        "The first step was applied, the rest was not sent."
        if operation.begun
        else "Nothing was sent."
    )


def _plan(operation: Operation, now: GroupNow) -> list[dict[str, Any]]:
    """The settings first, because only a group for selected ones takes a list. When public
    repositories are to be kept out from now on, they must leave the list before.
    """
    parts = []
    if GroupSettings.names_in(operation.changed_fields):
        parts.append(SETTINGS)
    if calls.changes_access(operation):
        closes = operation.changed_fields.get("allows_public_repositories") is False
        parts.insert(0 if closes and now.row.has_access_list else len(parts), ACCESS)
    return [{"do": part, "done": False} for part in parts]


def _left(operation: Operation, now: GroupNow) -> list[str]:
    """Steps that are neither noted as done nor to be seen at GitHub."""
    waiting = [each["do"] for each in operation.steps if not each["done"] and each["do"] in PARTS]
    return [part for part in waiting if not PARTS[part].shown(operation, now)]


def _taking_back(operation: Operation) -> bool:
    return any(each["do"] == TAKE_BACK for each in operation.steps)


def _conflict(operation: Operation, now: GroupNow) -> dict[str, list[object]]:
    wanted = GroupSettings.from_stored(operation.wanted)
    return wanted.conflicts_with(now.settings, base=GroupSettings.from_stored(operation.base))


def _done(operation: Operation, *parts: str) -> list[dict[str, Any]]:
    return [{**each, "done": each["done"] or each["do"] in parts} for each in operation.steps]


def _send_next(operation: Operation, work: Work, now: GroupNow) -> None:
    """Send the first step that is left, then the next one, then look."""
    left = _left(operation, now)
    part = left[0]
    shown = [
        each["do"] for each in operation.steps if each["do"] in PARTS and each["do"] not in left
    ]
    steps = _done(operation, *shown)
    call = PARTS[part].send(operation, work, now)
    again = f"Sent {PARTS[part].name} to GitHub."
    answer = send(
        operation,
        work,
        lambda: _kept(call) if operation.begun else call(),
        again=again,
        steps=steps,
    )
    if isinstance(answer, Refused):
        _begin_to_take_back(operation, work, now, answer)
    elif answer is not None and len(left) > 1:
        with step(work):
            note = f"GitHub took {PARTS[part].name}. The next step follows."
            steps = _done(operation, part)
            stay(
                operation,
                seconds=0,
                note=note,
                steps=steps,
                begun=True,
                known_not_applied=True,
                sends=1,
            )
        start(operation, work)
    elif answer is not None:
        _look_after_last(operation, work, _done(operation, part), answer.meta.request_id or "")


def _kept(call: Callable[[], Any]) -> Any:
    """A refusal comes back as an answer: what was applied before it must be taken back first."""
    try:
        return call()
    except (BadCredentials, RateLimited):
        raise
    except Refused as error:
        return error


def _look_after_last(
    operation: Operation, work: Work, steps: list[dict[str, Any]], request_id: str
) -> None:
    with step(work):
        stay(operation, seconds=0, steps=steps)
        begin_observing(operation, work, "GitHub accepted it.", request_id)
    observe(operation, work)


def _confirm(operation: Operation, work: Work, note: str) -> None:
    with step(work):
        confirm(operation, work, note, steps=_done(operation, *PARTS))
        calls.attribute_to(operation)


def probe(operation: Operation, work: Work) -> None:
    """From `unknown`: the group and its list tell which step was applied."""
    now = read_after_loss(GROUP, operation, work)
    if now is None:
        return
    if _taking_back(operation):
        _look_at_taking_back(operation, work, now)
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
        _send_next(operation, work, now)
    elif PARTS[left[0]].untouched(operation, now):
        absent(operation, work, again=lambda: _send_next(operation, work, now))
    else:
        note = "The answer was lost, and the group has yet other values."
        need_attention(operation, work, note, conflict=_conflict(operation, now) or None)


def observe(operation: Operation, work: Work) -> None:
    """From `observing`: until group and list show all that was asked for."""
    now = read_for_effect(GROUP, operation, work)
    if now is None:
        return
    if all(PARTS[each["do"]].shown(operation, now) for each in operation.steps):
        _confirm(operation, work, "The group has the new values.")
    else:
        keep_observing(operation, work, "GitHub does not show all of it yet.")


# --- Taking back


def _begin_to_take_back(operation: Operation, work: Work, now: GroupNow, error: Refused) -> None:
    with step(work):
        note = (
            f"GitHub refused the second step: {error.message} Trackside takes the first one back."
        )
        steps = [*operation.steps, {"do": TAKE_BACK, "done": False}]
        stay(
            operation,
            seconds=0,
            note=note,
            steps=steps,
            refusal=words_of(error),
            known_not_applied=True,
        )
    start(operation, work)


def _applied(operation: Operation) -> Part:
    return PARTS[next(each["do"] for each in operation.steps if each["done"])]


def _take_back(operation: Operation, work: Work, now: GroupNow) -> None:
    part = _applied(operation)
    if part.untouched(operation, now):
        _reject_undone(operation, work)
        return
    call = part.take_back(operation, work, now)
    answer = send(operation, work, lambda: _kept(call))
    if isinstance(answer, Refused):
        with step(work):
            move(operation, S.UNKNOWN, note=f"GitHub refused to take it back: {answer.message}")
            move(operation, S.NEEDS_ATTENTION, note=_half_done(part))
    elif answer is not None:
        _reject_undone(operation, work)


def _look_at_taking_back(operation: Operation, work: Work, now: GroupNow) -> None:
    part = _applied(operation)
    if part.untouched(operation, now):
        _reject_undone(operation, work)
    elif part.shown(operation, now):
        absent(operation, work, again=lambda: _take_back(operation, work, now))
    else:
        need_attention(operation, work, _half_done(part))


def _reject_undone(operation: Operation, work: Work) -> None:
    words = (operation.refusal or {}).get("message", "")
    note = f"GitHub refused: {words} What was applied before was taken back, so nothing is changed."
    with step(work):
        if operation.state == S.UNKNOWN:
            move(operation, S.NEEDS_ATTENTION, note="Taken back, as GitHub shows.")
        reject(operation, work, note)
    Reading.objects.schedule_now(operation.account, R.GROUPS, R.GROUP_ACCESS)


def _half_done(part: Part) -> str:
    return f"Half of it is done: GitHub took {part.name} and refused the rest, and did not take the first back."
