"""Every address of Trackside. One noun, one view module, one template folder, one test file of that name."""

from django.urls import path

from runners_app.views import health, operations, overview, runners, sign_in

urlpatterns = [
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("", overview.overview, name="overview"),
    path("runners/", runners.runners, name="runners"),
    path("runners/new/", runners.runner_new, name="runner-new"),
    path("runners/<int:pk>/", runners.runner, name="runner"),
    path("runners/<int:pk>/edit/", runners.runner_edit, name="runner-edit"),
    path("runners/<int:pk>/delete/", runners.runner_delete, name="runner-delete"),
    path("operations/", operations.operations, name="operations"),
    path("operations/<int:pk>/", operations.operation, name="operation"),
    path("operations/<int:pk>/cancel/", operations.operation_cancel, name="operation-cancel"),
    path("operations/<int:pk>/agree/", operations.operation_agree, name="operation-agree"),
    path("operations/<int:pk>/settle/", operations.operation_settle, name="operation-settle"),
]
