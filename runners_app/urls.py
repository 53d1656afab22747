"""Every address of Trackside. One noun, one view module, one template folder, one test file of that name."""

from django.urls import path

from runners_app.views import accounts, groups, health, images, operations, overview, runners, sign_in, static_ips

urlpatterns = [
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("", overview.overview, name="overview"),
    path("accounts/", accounts.accounts, name="accounts"),
    path("accounts/new/", accounts.account_new, name="account-new"),
    path("accounts/remove-demo/", accounts.demo_remove, name="demo-remove"),
    path("accounts/<int:pk>/", accounts.account, name="account"),
    path("accounts/<int:pk>/refresh/", accounts.account_refresh, name="account-refresh"),
    path("accounts/<int:pk>/token/", accounts.account_token, name="account-token"),
    path("accounts/<int:pk>/observe/", accounts.account_observe, name="account-observe"),
    path("accounts/<int:pk>/pause/", accounts.account_pause, name="account-pause"),
    path("accounts/<int:pk>/disconnect/", accounts.account_disconnect, name="account-disconnect"),
    path("runners/", runners.runners, name="runners"),
    path("runners/refresh/", runners.runners_refresh, name="runners-refresh"),
    path("runners/name/", runners.runner_name, name="runner-name"),
    path("runners/new/", runners.runner_new, name="runner-new"),
    path("runners/<int:pk>/", runners.runner, name="runner"),
    path("runners/<int:pk>/edit/", runners.runner_edit, name="runner-edit"),
    path("runners/<int:pk>/delete/", runners.runner_delete, name="runner-delete"),
    path("operations/", operations.operations, name="operations"),
    path("operations/<int:pk>/", operations.operation, name="operation"),
    path("operations/<int:pk>/cancel/", operations.operation_cancel, name="operation-cancel"),
    path("operations/<int:pk>/agree/", operations.operation_agree, name="operation-agree"),
    path("operations/<int:pk>/settle/", operations.operation_settle, name="operation-settle"),
    path("images/", images.images, name="images"),
    path("images/refresh/", images.images_refresh, name="images-refresh"),
    path("images/sizes/", images.machine_sizes, name="machine-sizes"),
    path("images/<int:pk>/", images.image, name="image"),
    path("images/<int:pk>/delete/", images.image_delete, name="image-delete"),
    path(
        "images/<int:pk>/versions/<int:version_id>/delete/", images.image_version_delete, name="image-version-delete"
    ),
    path("groups/", groups.groups, name="groups"),
    path("groups/refresh/", groups.groups_refresh, name="groups-refresh"),
    path("groups/<int:pk>/", groups.group, name="group"),
    path("static-ips/", static_ips.static_ips, name="static-ips"),
    path("static-ips/refresh/", static_ips.static_ips_refresh, name="static-ips-refresh"),
    path("static-ips/ranges.txt", static_ips.static_ip_ranges, name="static-ip-ranges"),
]
