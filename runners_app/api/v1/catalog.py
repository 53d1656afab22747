"""Images with their versions, and machine sizes."""

from django.http import HttpResponse, QueryDict
from ninja import Query, Router
from pydantic import Field

from runners_app.api.core import (
    READ,
    WRITE,
    Paged,
    account_or_404,
    found_by,
    list_page,
    reference_of,
    url_to,
)
from runners_app.api.problems import ApiError
from runners_app.api.schemas import (
    Change,
    ImageOut,
    ImagePage,
    ImageVersionOut,
    SizeOut,
    SizePage,
)
from runners_app.api.writes import (
    WRITE_RESPONSES,
    Answer,
    Options,
    Write,
    answer_write,
    check_manageable,
    replayed,
)
from runners_app.images.filters import ImageFilter
from runners_app.images.requests import request_delete_image, request_delete_image_version
from runners_app.models import Image, ImageVersion, MachineSize
from runners_app.web.pages import Request, visible_or_404
from runners_app.web.paging import Order

router = Router(tags=["images and sizes"])


class ImageQuery(Paged):
    q: str = Field("", description="As in the search box: words, platform:…, state:gone.")
    account: str = Field("", description="Primary key, or as organization:acme.")
    source: str = Field("", description="github, partner or custom.")
    platform: str = ""
    state: str = ""


class AccountQuery(Paged):
    account: str = Field("", description="Primary key, or as organization:acme.")


ImageFilters = Query[ImageQuery]
AccountFilters = Query[AccountQuery]


def image_out(request: Request, row: Image) -> ImageOut:
    return ImageOut.of(row, reference_of(row.account), url_to(request, f"images/{row.pk}"))


@router.get("/images", response=ImagePage, auth=READ)
def list_images(request: Request, response: HttpResponse, query: ImageFilters) -> ImagePage:
    """Images of GitHub, of partners, and custom ones, by name."""
    rows = Image.objects.visible_to(request.user).select_related("account")
    data: QueryDict = request.GET.copy()
    data.pop("account", None)
    if query.account:
        rows = rows.filter(account=account_or_404(request, query.account))
    if query.source:
        rows = rows.filter(source=query.source)
    listed = ImageFilter(data, queryset=rows)
    found = found_by(listed)
    if not listed.shows_gone:
        found = found.filter(gone_at=None)
    page, after = list_page(request, response, found, Order("name"), query)
    return ImagePage(rows=[image_out(request, row) for row in page], next=after)


@router.get("/images/{int:pk}", response=ImageOut, auth=READ)
def get_image(request: Request, pk: int) -> ImageOut:
    """One image, also one that is gone."""
    return image_out(request, visible_or_404(Image.objects.select_related("account"), request, pk))


@router.get("/images/{int:pk}/versions", response=list[ImageVersionOut], auth=READ)
def list_image_versions(request: Request, pk: int) -> list[ImageVersionOut]:
    """The versions of a custom image, newest first."""
    row = visible_or_404(Image.objects.all(), request, pk)
    versions = ImageVersion.objects.visible_to(request.user).filter(image=row)
    return [ImageVersionOut.of(version) for version in versions.order_by("-created_on", "-pk")]


@router.delete("/images/{int:pk}", response=WRITE_RESPONSES, auth=WRITE)
def delete_image(request: Request, response: HttpResponse, pk: int, options: Options) -> Answer:
    """Request the deletion of a custom image with all its versions."""
    if (earlier := replayed(request, response, options)) is not None:
        return earlier
    row = visible_or_404(Image.objects.present().select_related("account"), request, pk)
    check_manageable(request, row.account)
    _check_custom(row)
    write = Write(
        [Change(field="name", before=row.name, after=None)],
        lambda nonce: request_delete_image(row, by=request.user, nonce=nonce),
    )
    return answer_write(request, response, options, write)


@router.delete("/images/{int:pk}/versions/{version}", response=WRITE_RESPONSES, auth=WRITE)
def delete_image_version(
    request: Request,
    response: HttpResponse,
    pk: int,
    version: str,
    options: Options,
) -> Answer:
    """Request the deletion of one version of a custom image."""
    if (earlier := replayed(request, response, options)) is not None:
        return earlier
    row = visible_or_404(Image.objects.present().select_related("account"), request, pk)
    check_manageable(request, row.account)
    _check_custom(row)
    versions = ImageVersion.objects.present().select_related("image__account")
    found = versions.filter(image=row, version=version).first()
    if found is None:
        raise ApiError(404, f"{row.name} has no version {version}.")
    write = Write(
        [Change(field="version", before=version, after=None)],
        lambda nonce: request_delete_image_version(found, by=request.user, nonce=nonce),
    )
    return answer_write(request, response, options, write)


def _check_custom(row: Image) -> None:
    if row.source != Image.Source.CUSTOM:
        raise ApiError(409, "Only custom images can be deleted. Nothing was sent.")


@router.get("/sizes", response=SizePage, auth=READ)
def list_sizes(request: Request, response: HttpResponse, query: AccountFilters) -> SizePage:
    """The machine sizes that accounts are offered."""
    rows = MachineSize.objects.visible_to(request.user).present().select_related("account")
    if query.account:
        rows = rows.filter(account=account_or_404(request, query.account))
    page, after = list_page(request, response, rows, Order("id"), query)
    return SizePage(rows=[SizeOut.of(row, reference_of(row.account)) for row in page], next=after)
