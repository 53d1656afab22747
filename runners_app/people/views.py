"""Pages of people, for administrators: users, their roles and their access to accounts."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from runners_app.models import Account, AuditEntry, Membership, RunnerGroup
from runners_app.operations.authority import waiting_operations
from runners_app.people import people as changing
from runners_app.people.adapters import has_second_factor
from runners_app.people.forms import EmailForm, GiveForm, LimitForm, PasswordForm, PersonForm
from runners_app.people.handover import handover_of
from runners_app.people.people import CannotChange
from runners_app.web.pages import Request, administrator_or_403, only_administrators
from runners_app.web.proof import changes_trust
from runners_app.web.references import named_rows_or_404


@require_safe
def people(request: Request) -> HttpResponse:
    """List all users."""
    administrator_or_403(request)
    rows = User.objects.annotate(accounts=Count("memberships")).order_by("-is_active", "username")
    return render(request, "people/list.html", {"people": rows})


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@only_administrators
@changes_trust
def person_new(request: Request) -> HttpResponse:
    """Add a user."""
    form = PersonForm(request.POST or None)
    if form.is_valid():
        data = form.cleaned_data
        person = changing.add_person(
            data["username"],
            email=data["email"],
            password=data["password1"],
            administrator=data["administrator"],
            by=request.user,
        )
        messages.success(
            request, f"{person} can sign in now. Give them access to the accounts they look after."
        )
        return redirect("person", person.pk)
    return render(request, "people/new.html", {"form": form}, status=422 if form.is_bound else 200)


@require_safe
def person(request: Request, pk: int) -> HttpResponse:
    """Show one user."""
    administrator_or_403(request)
    row = get_object_or_404(User, pk=pk)
    return _page(request, row)


def _page(
    request: Request,
    row: User,
    *,
    give: GiveForm | None = None,
    password: PasswordForm | None = None,
    email: EmailForm | None = None,
) -> HttpResponse:
    """The page of a user; a form that is given has errors, and the status is then 422."""
    context = {
        "person": row,
        "memberships": row.memberships.select_related("account")
        .prefetch_related("groups")
        .order_by("account__slug"),
        "give": give or GiveForm(),
        "password": password or PasswordForm(row),
        "email": email or EmailForm(person=row),
        "entries": _entries(row),
        "is_self": row.pk == request.user.pk,
        "has_second_factor": has_second_factor(row),
        "handover": handover_of(row),
        "waiting": waiting_operations(row).count(),
    }
    status = 422 if give or password or email else 200
    return render(request, "people/detail.html", context, status=status)


def _entries(row: User) -> list[tuple[str, AuditEntry]]:
    entries = AuditEntry.objects.filter(actor_id=row.pk).order_by("-at", "-pk")[:10]
    return [(entry.action_label, entry) for entry in entries]


def _tell_held(request: Request, person: User, held: int) -> None:
    if held:
        operations = "1 operation is" if held == 1 else f"{held} operations are"
        messages.warning(
            request,
            f"{operations} held, which {person} requested. "
            "A manager of the account confirms or cancels each on its page.",
        )


def _tell_handover(request: Request, person: User) -> None:
    if handover_of(person):
        messages.info(request, f"What {person} leaves to others is listed under “To hand over”.")


@require_POST
@only_administrators
@changes_trust
def person_administrator(request: Request, pk: int) -> HttpResponse:
    """Make a user an administrator or a member."""
    row = get_object_or_404(User, pk=pk)
    try:
        held = changing.set_administrator(row, request.POST.get("on") == "yes", by=request.user)
        _tell_held(request, row, held)
    except CannotChange as error:
        messages.error(request, str(error))
    return redirect("person", row.pk)


@require_POST
@only_administrators
@changes_trust
def person_active(request: Request, pk: int) -> HttpResponse:
    """Enable or disable a user."""
    row = get_object_or_404(User, pk=pk)
    try:
        held = changing.set_active(row, request.POST.get("on") == "yes", by=request.user)
        _tell_held(request, row, held)
        if not row.is_active:
            _tell_handover(request, row)
    except CannotChange as error:
        messages.error(request, str(error))
    return redirect("person", row.pk)


@sensitive_post_parameters()
@require_POST
@only_administrators
@changes_trust
def person_password(request: Request, pk: int) -> HttpResponse:
    """Set a user's password."""
    row = get_object_or_404(User, pk=pk)
    form = PasswordForm(row, request.POST)
    if not form.is_valid():
        return _page(request, row, password=form)
    changing.set_password(row, form.cleaned_data["new_password1"], by=request.user)
    messages.success(request, f"{row} signs in with the new password from now on.")
    return redirect("person", row.pk)


@require_POST
@only_administrators
@changes_trust
def person_email(request: Request, pk: int) -> HttpResponse:
    """Change a user's e-mail address."""
    row = get_object_or_404(User, pk=pk)
    form = EmailForm(request.POST, person=row)
    if not form.is_valid():
        return _page(request, row, email=form)
    email = form.cleaned_data["email"]
    changing.set_email(row, email, by=request.user)
    messages.success(request, f"The e-mail address of {row} is now {email or 'empty'}.")
    return redirect("person", row.pk)


@require_POST
@only_administrators
@changes_trust
def person_second_factor(request: Request, pk: int) -> HttpResponse:
    """Remove the second factors of a user who lost them."""
    row = get_object_or_404(User, pk=pk)
    try:
        changing.remove_second_factors(row, by=request.user)
        messages.success(
            request,
            f"{row} signs in with the password alone until they set up a new second factor.",
        )
    except CannotChange as error:
        messages.error(request, str(error))
    return redirect("person", row.pk)


@require_POST
@only_administrators
@changes_trust
def person_give(request: Request, pk: int) -> HttpResponse:
    """Give access to accounts, or change the role in them."""
    row = get_object_or_404(User, pk=pk)
    form = GiveForm(request.POST)
    named_rows_or_404(Account.objects.all(), filter(None, request.POST.getlist("account")))
    if not form.is_valid():
        return _page(request, row, give=form)
    accounts, role = list(form.cleaned_data["account"]), form.cleaned_data["role"]
    held = changing.give_accounts(row, accounts, role, by=request.user)
    names = ", ".join(map(str, accounts))
    messages.success(request, f"{row} is now a {role} of {names}.")
    _tell_held(request, row, held)
    return redirect("person", row.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@only_administrators
@changes_trust
def person_groups(request: Request, pk: int, account_id: int) -> HttpResponse:
    """Limit a viewer to some runner groups of an account."""
    viewers = Membership.objects.filter(role=Membership.Role.VIEWER).select_related(
        "user", "account"
    )
    membership = get_object_or_404(viewers, user=pk, account=account_id)
    own = RunnerGroup.objects.filter(account=account_id)
    named_rows_or_404(own, request.POST.getlist("groups"))
    form = LimitForm(request.POST or None, membership=membership)
    if form.is_valid():
        changing.limit_to_groups(membership.user, membership.account, form.chosen, by=request.user)
        seen = "the whole account"
        if form.chosen is not None:
            seen = f"only {', '.join(group.name for group in form.chosen)}"
        messages.success(request, f"{membership.user} now sees {seen} in {membership.account}.")
        return redirect("person", pk)
    context = {"form": form, "person": membership.user, "account": membership.account}
    return render(request, "people/groups.html", context, status=422 if form.is_bound else 200)


@require_POST
@only_administrators
@changes_trust
def person_take(request: Request, pk: int, account_id: int) -> HttpResponse:
    """Remove access to an account."""
    row = get_object_or_404(User, pk=pk)
    account = get_object_or_404(Account, pk=account_id)
    held = changing.take_account(row, account, by=request.user)
    messages.success(request, f"{row} no longer has access to {account}.")
    _tell_held(request, row, held)
    _tell_handover(request, row)
    return redirect("person", row.pk)
