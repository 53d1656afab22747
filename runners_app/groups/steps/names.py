"""Look up ids of organizations that were given by name for an enterprise's group."""

from runners_app.github import NotFound, Owner, Refused
from runners_app.groups.requests import UNKNOWN, str_pairs
from runners_app.models import Operation
from runners_app.operations.send import STOPS, UNREACHED, Work, retry_start
from runners_app.operations.steps import give_up_unsent, remain


def ids_are_known(operation: Operation, work: Work) -> bool:
    """Look up and store missing ids (GitHub: orgs/get). Return False if that failed.

    A failure is recorded on the operation, which is retried or given up.
    """
    lines = dict(str_pairs(operation.wanted.get("add")))
    for key in [key for key in lines if key.startswith(UNKNOWN)]:
        name = lines.pop(key)
        try:
            found = work.client.get_organization(Owner("organization", name)).data
        except STOPS:
            raise
        except NotFound:
            note = f"GitHub knows no organization {name}. Nothing was sent."
            give_up_unsent(operation, work, note)
            return False
        except UNREACHED as error:
            retry_start(
                operation, work, f"Not sent yet: {name} could not be looked up first. {error}"
            )
            return False
        except Refused as error:
            give_up_unsent(
                operation, work, f"GitHub did not show {name}, so nothing was sent. {error.message}"
            )
            return False
        lines[str(found.id)] = found.login or name
        wanted = {**operation.wanted, "add": {**lines}}
        remain(operation, work, seconds=0, wanted=wanted)
    return True
