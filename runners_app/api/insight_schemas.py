"""What the API answers about jobs. Seconds are numbers, as fine as milliseconds."""

from datetime import datetime

from pydantic import BaseModel, Field

from runners_app.jobs.live import Cause


class CoverageRow(BaseModel):
    """How much Trackside knows about the jobs of one organization."""

    account: str
    mode: str = Field(description="Webhooks, or REST only.")
    last_event_at: datetime | None
    jobs: int = Field(description="Jobs of the last 7 days.")
    known: float | None = Field(description="Share from 0 to 1 of these jobs whose pool is known.")
    estimated: int = Field(description="Jobs of these with an estimated queue time.")
    lost: int = Field(description="Jobs that GitHub no longer knows.")
    received: int = Field(description="Webhook deliveries of the last 3 days.")
    repaired: int = Field(description="Deliveries of these that came by a repair.")
    history_since: datetime | None = Field(description="Since when runs were read over REST.")
    problems: list[str]


class CoverageList(BaseModel):
    """Only accounts that the user sees in full: totals would tell of other groups' jobs."""

    rows: list[CoverageRow]


class OfJobs(BaseModel):
    """The names that a row is about: those that `by` asks for; null where one is unknown."""

    account: str | None = Field(description="For example organization:acme.")
    group: str | None
    pool: str | None
    repository: str | None = Field(description="owner/name")
    workflow: str | None
    jobs: int


class WaitsRow(OfJobs):
    """Queue seconds, without time spent waiting for an approval or a concurrency group."""

    p50: float | None
    p90: float | None
    p95: float | None
    max: float | None
    over_slo: float = Field(description="Share from 0 to 1 of jobs that waited over their SLO.")
    slo_seconds: int | None = Field(description="Of a pool; null in other rows.")
    estimated: int = Field(description="Jobs with an estimated queue time.")
    approval_seconds: float


class UsageRow(OfJobs):
    run_seconds: float
    billable_minutes: int
    estimated_usd: float | None = Field(description="At list prices; null without a known price.")
    last_job_at: datetime | None


class CapacityRow(BaseModel):
    """One pool while its maximum stayed the same: a change of the maximum splits the window."""

    account: str
    pool: str
    since: datetime
    until: datetime
    maximum: int | None
    peak: int = Field(description="The most jobs that ran at once.")
    p99: int = Field(description="Jobs that ran at once, weighted by time.")
    seconds_at_maximum: float
    peak_demand: int = Field(description="The most jobs that ran or waited at once.")
    running_seconds: float


class QueueRowOut(BaseModel):
    """One pool now, or the jobs of an account that ask for labels of no known pool."""

    account: str
    pool: str | None
    running: int
    waiting: int
    oldest_wait_seconds: float | None
    maximum: int | None
    cause: Cause | None = Field(description="Why the job waits that has waited for longest.")
    asks_for: str | None = Field(description="Labels or group, where the pool is unknown.")


class Window(BaseModel):
    since: datetime
    until: datetime
    as_of: datetime | None = Field(description="When GitHub last told of a job.")
    coverage: list[CoverageRow]


class WaitsList(Window):
    rows: list[WaitsRow]


class UsageList(Window):
    rows: list[UsageRow]


class CapacityList(Window):
    rows: list[CapacityRow]


class QueueList(BaseModel):
    as_of: datetime | None = Field(description="When GitHub last told of a job.")
    rows: list[QueueRowOut]
