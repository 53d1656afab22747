"""Trackside's tables. The terms are defined in `docs/design.md`."""

from runners_app.models.access import (
    AccessCheck,
    GroupAccess,
    Repository,
    SelfHostedRunner,
    SharedRunner,
)
from runners_app.models.accounts import Account, Membership
from runners_app.models.approvals import Approval
from runners_app.models.audit import AuditEntry, AuditLink
from runners_app.models.credentials import App, Credential
from runners_app.models.groups import RunnerGroup
from runners_app.models.history import FieldChange
from runners_app.models.images import Image, ImageVersion, MachineSize, Platform
from runners_app.models.incidents import Incident
from runners_app.models.instance import Instance
from runners_app.models.jobs import (
    Delivery,
    Hook,
    Job,
    JobRepository,
    JobsVersion,
    JobWorkflow,
    PoolLevels,
    PoolSlo,
    PoolSums,
    StaleHour,
    WorkflowSums,
)
from runners_app.models.limits import Limits
from runners_app.models.notices import Channel, Event, Notice, Snooze
from runners_app.models.operations import Operation, OperationEvent
from runners_app.models.preferences import Preferences, SavedView, Selection
from runners_app.models.readings import CachedResponse, Reading, ReadingRun
from runners_app.models.runners import Runner
from runners_app.models.sign_ins import FailedSignIn, ProviderAdministrator, Session, SignInCount
from runners_app.models.tokens import ApiToken, ApiTokenAccess, IdempotencyKey

__all__ = [
    "AccessCheck",
    "Account",
    "ApiToken",
    "ApiTokenAccess",
    "App",
    "Approval",
    "AuditEntry",
    "AuditLink",
    "CachedResponse",
    "Channel",
    "Credential",
    "Delivery",
    "Event",
    "FailedSignIn",
    "FieldChange",
    "GroupAccess",
    "Hook",
    "IdempotencyKey",
    "Image",
    "ImageVersion",
    "Incident",
    "Instance",
    "Job",
    "JobRepository",
    "JobWorkflow",
    "JobsVersion",
    "Limits",
    "MachineSize",
    "Membership",
    "Notice",
    "Operation",
    "OperationEvent",
    "Platform",
    "PoolLevels",
    "PoolSlo",
    "PoolSums",
    "Preferences",
    "ProviderAdministrator",
    "Reading",
    "ReadingRun",
    "Repository",
    "Runner",
    "RunnerGroup",
    "SavedView",
    "Selection",
    "SelfHostedRunner",
    "Session",
    "SharedRunner",
    "SignInCount",
    "Snooze",
    "StaleHour",
    "WorkflowSums",
]
