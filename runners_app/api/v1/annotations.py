"""Owner, tags and note of runners and groups: kept in Trackside, never sent to GitHub."""

from collections import Counter

from django.db.models import QuerySet
from django.http import Http404
from ninja import Router

from runners_app.api.core import READ, WRITE
from runners_app.api.schemas import (
    AnnotatedRunners,
    AnnotationChange,
    Annotations,
    BulkAnnotation,
    OwnerList,
    OwnerOut,
    TagList,
    TagOut,
)
from runners_app.api.writes import invalid
from runners_app.models import Account, Runner, RunnerGroup
from runners_app.web.annotations import (
    AnnotationForm,
    BulkAnnotationForm,
    annotate,
    annotate_or_403,
)
from runners_app.web.pages import Request, visible_account_or_404, visible_or_404

router = Router(tags=["owners and tags"])


@router.get("/owners", response=OwnerList, auth=READ)
def list_owners(request: Request) -> OwnerList:
    """The owners of runners and groups, with how many of each they have."""
    runners, groups = (
        Counter(rows.exclude(owner="").values_list("owner", flat=True))
        for rows in _present(request)
    )
    rows = [
        OwnerOut(owner=name, runners=runners[name], groups=groups[name])
        for name in sorted({*runners, *groups}, key=str.lower)
    ]
    return OwnerList(rows=rows)


@router.get("/tags", response=TagList, auth=READ)
def list_tags(request: Request) -> TagList:
    """The tags of runners and groups, with how many of each have them."""
    runners, groups = (
        Counter(
            tag
            for text in rows.exclude(tags="").values_list("tags", flat=True)
            for tag in text.split()
        )
        for rows in _present(request)
    )
    rows = [
        TagOut(tag=tag, runners=runners[tag], groups=groups[tag])
        for tag in sorted({*runners, *groups})
    ]
    return TagList(rows=rows)


def _present(request: Request) -> tuple[QuerySet[Runner], QuerySet[RunnerGroup]]:
    user = request.user
    return Runner.objects.visible_to(user).present(), RunnerGroup.objects.visible_to(user).present()


@router.get("/runners/{int:pk}/annotations", response=Annotations, auth=READ)
def get_runner_annotations(request: Request, pk: int) -> Annotations:
    """Owner, tags and note of a runner."""
    return _out(visible_or_404(Runner.objects.all(), request, pk))


@router.patch("/runners/{int:pk}/annotations", response=Annotations, auth=WRITE)
def update_runner_annotations(request: Request, pk: int, body: AnnotationChange) -> Annotations:
    """Change owner, tags or note of a runner at once; nothing is sent to GitHub."""
    return _change(request, visible_or_404(Runner.objects.all(), request, pk), body)


@router.get("/groups/{int:pk}/annotations", response=Annotations, auth=READ)
def get_group_annotations(request: Request, pk: int) -> Annotations:
    """Owner, tags and note of a runner group."""
    return _out(visible_or_404(RunnerGroup.objects.all(), request, pk))


@router.patch("/groups/{int:pk}/annotations", response=Annotations, auth=WRITE)
def update_group_annotations(request: Request, pk: int, body: AnnotationChange) -> Annotations:
    """Change owner, tags or note of a runner group at once; nothing is sent to GitHub."""
    return _change(request, visible_or_404(RunnerGroup.objects.all(), request, pk), body)


@router.post("/runners/annotations", response=AnnotatedRunners, auth=WRITE)
def annotate_runners(request: Request, body: BulkAnnotation) -> AnnotatedRunners:
    """Set the owner of many runners, and add and remove tags: of all of them or of none."""
    wanted = set(body.runners)
    rows = list(Runner.objects.visible_to(request.user).filter(pk__in=wanted))
    if len(rows) != len(wanted):
        raise Http404
    accounts = Account.objects.visible_to(request.user).in_bulk({row.account_id for row in rows})
    for account in accounts.values():
        annotate_or_403(account)

    form = BulkAnnotationForm(
        {
            "owner": body.owner,
            "add_tags": " ".join(body.add_tags),
            "remove_tags": " ".join(body.remove_tags),
        }
    )
    if not form.is_valid():
        raise invalid(form.errors, {"__all__": ""})
    return AnnotatedRunners(
        changed=annotate([(row, form.values_for(row)) for row in rows], by=request.user)
    )


def _out(row: Runner | RunnerGroup) -> Annotations:
    return Annotations(owner=row.owner or None, tags=row.tag_list, note=row.note)


def _change(request: Request, row: Runner | RunnerGroup, body: AnnotationChange) -> Annotations:
    annotate_or_403(visible_account_or_404(request, row.account_id))
    tags = row.tag_list if body.tags is None else body.tags
    data = {
        "owner": row.owner if body.owner is None else body.owner,
        "tags": " ".join(tags),
        "note": row.note if body.note is None else body.note,
    }
    form = AnnotationForm(data)
    if not form.is_valid():
        raise invalid(form.errors, {})
    annotate([(row, form.cleaned_data)], by=request.user)
    return _out(row)
