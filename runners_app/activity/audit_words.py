"""The actions of the audit log in words."""

from runners_app.models import Operation

ACTIONS: dict[str, str] = {
    "sign_in": "Signed in",
    "sign_in.failed": "Sign-in failed",
    "sign_out": "Signed out",
    "second_factor.added": "Added a second factor",
    "second_factor.removed": "Removed a second factor",
    "second_factor.renewed": "Made new recovery codes",
    "second_factor.taken": "Removed somebody's second factor",
    "provider.connected": "Connected a provider of sign-in",
    "provider.disconnected": "Disconnected a provider of sign-in",
    "sessions.ended": "Ended sessions elsewhere",
    "account.connected": "Connected an account",
    "account.token_replaced": "Replaced a token",
    "app.stored": "Stored a GitHub App",
    "channel.added": "Added a channel for notices",
    "channel.changed": "Changed a channel for notices",
    "channel.deleted": "Removed a channel for notices",
    "account.observe_only": "Switched observe only",
    "account.paused": "Switched pause",
    "account.disconnected": "Disconnected an account",
    "credential.quarantined": "Token put out of use",
    "credential.released": "Token tried again",
    "person.added": "Added a person",
    "person.administrator": "Switched administrator",
    "person.enabled": "Let a person sign in",
    "person.disabled": "Disabled a person",
    "person.password_set": "Set a password",
    "person.password_changed": "Changed the own password",
    "membership.given": "Gave an account",
    "membership.limited": "Chose the groups a viewer sees",
    "membership.taken": "Took an account away",
    **{f"operation.{kind}": f"Asked: {kind.label.lower()}" for kind in Operation.Kind},
    "operation.cancelled": "Took an operation back",
    "operation.agreed_again": "Confirmed an operation again",
    "operation.claimed": "Recognised a runner",
    "operation.settled": "Decided an operation",
    "batch.continued": "Confirmed the rest of a bulk change",
    "list.exported": "Exported a list",
}


def in_words(action: str) -> str:
    return ACTIONS.get(action, action)
