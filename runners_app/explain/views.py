"""Pages of "Why can't my repository use this runner?", answered from our tables."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from runners_app.explain import gather as explaining
from runners_app.explain.chain import NOT_CHECKED, Remedy, Step, Verdict
from runners_app.explain.forms import REPOSITORY, ExplainForm
from runners_app.explain.gather import Explained, Known
from runners_app.models import AccessCheck, Account, Reading, Runner, RunnerGroup
from runners_app.readings.schedule import may_read_again
from runners_app.web.lists import budget_words
from runners_app.web.pages import (
    Request,
    id_or_404,
    is_unchanged,
    query_without,
    render_page,
    version_of,
    visible_or_404,
)
from runners_app.web.paging import Order, page_by_key

R = Reading.Resource
ROWS_SHOWN, NAMES_OFFERED = 50, 20


@require_safe
def groups_explain(request: Request) -> HttpResponse:
    """Answer for one repository and every runner, or for one runner and every repository."""
    accounts = list(Account.objects.visible_to(request.user).select_related("credential"))
    organizations = [account for account in accounts if account.kind == Account.Kind.ORGANIZATION]
    is_submitted = "repository" in request.GET
    named = request.GET.get("organization", "")
    if named and named not in {str(account.pk) for account in organizations}:
        raise Http404
    first = {"organization": named or None}
    form = ExplainForm(
        request.GET if is_submitted else None, initial=first, organizations=organizations
    )
    context: dict[str, Any] = {
        "form": form,
        "organizations": organizations,
        "not_checked": NOT_CHECKED,
    }
    if not is_submitted and "runner" in request.GET:
        context |= _repositories(request, accounts, organizations)
    if not is_submitted or not form.is_valid():
        return render_page(
            request, "explain/explain.html", context, status=422 if form.errors else 200
        )
    organization, name = form.cleaned_data["organization"], form.cleaned_data["repository"]
    check = AccessCheck.objects.filter(account=organization, repository=name.lower()).first()
    version = version_of(
        accounts, query_without(request, "version"), check and (check.asked_at, check.answered_at)
    )
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    row = explaining.repository_of(organization, name)
    known = explaining.look_up(organization, accounts, name)
    facts = explaining.repository_facts(organization, name, row)
    explained = explaining.explain_all(known, facts, form.cleaned_data["workflow"])
    context |= {
        "organization": organization,
        "repository": row,
        "name": facts.name,
        "check": check,
        "version": version,
        **_unread(known),
        **_page(request, known, explained, check, facts.name),
    }
    return render_page(request, "explain/explain.html", context, fragment="answers")


def _repositories(
    request: Request, accounts: list[Account], organizations: list[Account]
) -> dict[str, Any]:
    """For one runner: which repositories of the chosen organization may use it."""
    runner = visible_or_404(
        Runner.objects.present(), request, id_or_404(request.GET["runner"].removeprefix("r"))
    )
    runner.account = next(account for account in accounts if account.pk == runner.account_id)
    near = [account for account in organizations if account.api_url == runner.account.api_url]
    if runner.account.kind == Account.Kind.ORGANIZATION:
        near = [runner.account]
    chosen = request.GET.get("organization", "")
    matching = [account for account in near if len(near) == 1 or str(account.pk) == chosen]
    organization = matching[0] if matching else None
    if organization is None:
        return {"runner": runner, "near": near}
    rows = explaining.repositories_of(organization)
    if words := request.GET.get("q", "").replace("\0", "").strip():
        rows = rows.filter(name__icontains=words)
    page = page_by_key(rows, Order("name"), request.GET)
    known = explaining.look_up(organization, accounts, "")
    answers = explaining.explain_repositories(known, runner, page.rows)
    return {
        "runner": runner,
        "organization": organization,
        "near": near,
        "answers_of": answers,
        "page": page,
    }


@dataclass(frozen=True)
class Shown:
    """A row of the page: a runner with its answer, each step with the address of its remedy.

    `allowed_by_github` is GitHub's own answer about the group, None if not asked.
    """

    row: Explained
    allowed_by_github: bool | None
    steps: list[tuple[Step, str]]

    @property
    def disagrees(self) -> bool:
        """Whether GitHub's own answer contradicts the steps about group and repository."""
        verdicts = self.row.answer.group_verdicts
        if self.allowed_by_github is None:
            return False
        if self.allowed_by_github:
            return Verdict.NO in verdicts
        return not verdicts & {Verdict.NO, Verdict.UNKNOWN}


def _page(
    request: Request,
    known: Known,
    explained: list[Explained],
    check: AccessCheck | None,
    repository: str,
) -> dict[str, Any]:
    """One page of rows with the chosen verdict, and how many there are of each verdict."""
    counts = Counter(one.answer.verdict for one in explained)
    wanted = request.GET.get("answer", "")
    matching = [one for one in explained if _matches(one, wanted, request.GET.get("runner", ""))]
    keys = [one.key for one in matching]
    start = keys.index(request.GET["after"]) + 1 if request.GET.get("after") in keys else 0
    page = matching[start : start + ROWS_SHOWN]
    return {
        "rows": [_shown(known, one, check, repository) for one in page],
        "counts": [
            (verdict, counts[verdict]) for verdict in (Verdict.YES, Verdict.NO, Verdict.UNKNOWN)
        ],
        "total": len(explained),
        "allowed": _allowed(known, check),
        "matching": len(matching),
        "answer": wanted,
        "after": page[-1].key if start + ROWS_SHOWN < len(matching) else "",
        "back": keys[start - ROWS_SHOWN - 1] if start > ROWS_SHOWN else "",
        "is_first": start == 0,
    }


def _unread(known: Known) -> dict[str, Any]:
    """Failing readings that the answers are based on, and whether the server has larger runners."""
    used = {R.RUNNERS, R.GROUPS, R.GROUP_ACCESS, R.REPOSITORIES, R.SELF_HOSTED_RUNNERS}
    own = [
        reading
        for (account, _), reading in known.readings.items()
        if account == known.organization.pk
    ]
    for reading in own:
        reading.account = known.organization
    return {
        "failing": [
            each
            for each in own
            if each.resource in used and each.error and not each.is_missing_at_server
        ],
        "no_larger_runners": any(
            each.resource == R.RUNNERS and each.is_missing_at_server for each in own
        ),
    }


def _matches(one: Explained, answer: str, runner: str) -> bool:
    if runner and runner not in (one.key, one.name):
        return False
    return not answer or one.answer.verdict == answer


def _allowed(known: Known, check: AccessCheck | None) -> int:
    """How many groups visible to the user GitHub lets the repository use."""
    own = {
        group.github_id
        for group in known.groups.values()
        if group.account == known.organization and group.is_seen
    }
    return len(own & set(check.group_ids)) if check else 0


def _shown(known: Known, one: Explained, check: AccessCheck | None, repository: str) -> Shown:
    answered = (
        check is not None
        and check.answered_at is not None
        and not check.refusal
        and one.group is not None
    )
    allowed = one.group.github_id in check.group_ids if answered and check and one.group else None
    steps = [(step, _address(known, one, step, repository)) for step in one.answer.steps]
    return Shown(one, allowed, steps)


def _address(known: Known, one: Explained, step: Step, repository: str) -> str:
    """The page where the user can apply the remedy; empty if they may not."""
    match step.remedy:
        case Remedy.SEE_RUNNER:
            return reverse("runner", args=[one.pk]) if one.pk else ""
        case Remedy.NAME_WORKFLOW:
            return "#id_workflow"
        case Remedy.ADD_REPOSITORY if one.group and known.organization.may_be_changed:
            return f"{reverse('group-access', args=[one.group.pk])}?q={repository}"
        case Remedy.SHARE_GROUP if one.theirs and one.theirs.account.may_be_changed:
            return f"{reverse('group-access', args=[one.theirs.pk])}?q={known.organization.slug}"
        case Remedy.EDIT_GROUP:
            group = _managed_at(known, one)
            return (
                reverse("group-edit", args=[group.pk])
                if group and group.account.may_be_changed
                else ""
            )
    return ""


def _managed_at(known: Known, one: Explained) -> RunnerGroup | None:
    """The row whose settings decide: of an inherited group the enterprise's, if visible."""
    if one.group is None or not one.group.inherited:
        return one.group
    enterprises = {account.pk for account in known.enterprises}
    same = (
        group
        for group in known.groups.values()
        if group.name == one.group.name and group.account_id in enterprises
    )
    return one.theirs or next(same, None)


@require_safe
def groups_explain_repositories(request: Request) -> HttpResponse:
    """Suggest repositories while the user types."""
    organization = _organization_or_404(request, request.GET.get("organization", ""))
    typed = request.GET.get("repository", "").rpartition("/")[2].replace("\0", "")[:100]
    rows = explaining.repositories_of(organization).filter(name__icontains=typed)
    return render(
        request,
        "explain/repository_options.html",
        {"rows": rows.order_by("name", "pk")[:NAMES_OFFERED]},
    )


@require_POST
def groups_explain_ask(request: Request) -> HttpResponse:
    """Have a worker ask GitHub. Open to all who see the organization: it changes nothing."""
    organization = _organization_or_404(request, request.POST.get("organization", ""))
    name = request.POST.get("repository", "")
    if not REPOSITORY.fullmatch(name):
        raise Http404
    if organization.paused:
        messages.error(request, f"{organization} is paused, so GitHub is not asked.")
    elif not may_read_again(organization, timezone.now()):
        messages.warning(request, budget_words([str(organization)]))
    else:
        explaining.ask_github(organization, name, by=request.user)
    query = request.POST.get("query", "")[:2000]
    return redirect(f"{reverse('groups-explain')}?{query}")


def _organization_or_404(request: Request, key: str) -> Account:
    rows = (
        Account.objects.visible_to(request.user)
        .filter(kind=Account.Kind.ORGANIZATION)
        .select_related("credential")
    )
    found = rows.filter(pk=id_or_404(key)).first()
    if found is None:
        raise Http404
    return found
