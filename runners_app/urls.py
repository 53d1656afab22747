"""All URLs. Each noun has a package with its views, and folders of templates and tests."""

from django.urls import path

from runners_app.accounts import export as accounts_export
from runners_app.accounts import four_eyes_views as four_eyes
from runners_app.accounts import github_app_views as apps
from runners_app.accounts import views as accounts
from runners_app.activity import approval_views as approvals
from runners_app.activity import audit_views as audit
from runners_app.activity import batch_views as batches
from runners_app.activity import export as activity_export
from runners_app.activity import undo_views as undo
from runners_app.activity import views as operations
from runners_app.api import token_views as tokens
from runners_app.api.v1 import api as v1
from runners_app.explain import views as explain
from runners_app.groups import annotation_views as group_annotations
from runners_app.groups import export as groups_export
from runners_app.groups import form_views as group_forms
from runners_app.groups import views as groups
from runners_app.images import export as images_export
from runners_app.images import views as images
from runners_app.insight import slo_views
from runners_app.insight import views as insight
from runners_app.monitoring import health_views as health
from runners_app.monitoring import metrics_views as metrics
from runners_app.notices import views as notices
from runners_app.overview import history_views as history
from runners_app.overview import organization_views as organization
from runners_app.overview import views as overview
from runners_app.palette import views as palette
from runners_app.people import preference_views as preferences
from runners_app.people import sign_in_views as sign_in
from runners_app.people import views as people
from runners_app.runners import annotation_views as annotations
from runners_app.runners import bulk_views as bulk
from runners_app.runners import export as runners_export
from runners_app.runners import form_views as runner_forms
from runners_app.runners import list_views as runner_list
from runners_app.runners import menu_views as runner_menus
from runners_app.runners import views as runners
from runners_app.static_ips import views as static_ips

urlpatterns = [
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("setup/", sign_in.setup, name="setup"),
    path("you/", sign_in.you, name="you"),
    path("you/preferences/", preferences.preferences, name="preferences"),
    path("you/sessions/end/", sign_in.sessions_end, name="sessions-end"),
    path("you/sessions/<str:key>/end/", sign_in.session_end, name="session-end"),
    path("", overview.overview, name="overview"),
    path("history/", history.history, name="history"),
    path("accounts/", accounts.accounts, name="accounts"),
    path("accounts/export.<str:file_format>", accounts_export.accounts, name="accounts-export"),
    path("accounts/new/", accounts.account_new, name="account-new"),
    path("accounts/apps/new/", apps.app_new, name="app-new"),
    path("accounts/apps/<int:pk>/", apps.app, name="app"),
    path("accounts/apps/<int:pk>/job-events/", apps.app_hook, name="app-hook"),
    path("accounts/apps/<int:pk>/refresh/", apps.app_refresh, name="app-refresh"),
    path("accounts/remove-demo/", accounts.demo_remove, name="demo-remove"),
    path("accounts/<int:pk>/", accounts.account, name="account"),
    path("accounts/<int:pk>/overview/", organization.account_overview, name="account-overview"),
    path("accounts/<int:pk>/refresh/", accounts.account_refresh, name="account-refresh"),
    path("accounts/<int:pk>/token/", accounts.account_token, name="account-token"),
    path("accounts/<int:pk>/observe/", accounts.account_observe, name="account-observe"),
    path("accounts/<int:pk>/four-eyes/", four_eyes.four_eyes, name="account-four-eyes"),
    path("accounts/<int:pk>/pause/", accounts.account_pause, name="account-pause"),
    path("accounts/<int:pk>/disconnect/", accounts.account_disconnect, name="account-disconnect"),
    path("people/", people.people, name="people"),
    path("people/new/", people.person_new, name="person-new"),
    path("people/<int:pk>/", people.person, name="person"),
    path(
        "people/<int:pk>/administrator/", people.person_administrator, name="person-administrator"
    ),
    path("people/<int:pk>/active/", people.person_active, name="person-active"),
    path("people/<int:pk>/email/", people.person_email, name="person-email"),
    path("people/<int:pk>/password/", people.person_password, name="person-password"),
    path(
        "people/<int:pk>/second-factor/", people.person_second_factor, name="person-second-factor"
    ),
    path("people/<int:pk>/give/", people.person_give, name="person-give"),
    path("people/<int:pk>/take/<int:account_id>/", people.person_take, name="person-take"),
    path("people/<int:pk>/groups/<int:account_id>/", people.person_groups, name="person-groups"),
    path("notices/", notices.notices, name="notices"),
    path("notices/snooze/", notices.notices_snooze, name="notices-snooze"),
    path("notices/new/", notices.channel_new, name="channel-new"),
    path("notices/<int:pk>/", notices.channel, name="channel"),
    path("notices/<int:pk>/test/", notices.channel_test, name="channel-test"),
    path("notices/<int:pk>/delete/", notices.channel_delete, name="channel-delete"),
    path("you/notices/", notices.your_notices, name="your-notices"),
    path("you/notices/test/", notices.your_notices_test, name="your-notices-test"),
    path("insight/", insight.queue, name="insight"),
    path("insight/waits/", insight.waits, name="insight-waits"),
    path("insight/capacity/", insight.capacity, name="insight-capacity"),
    path("insight/usage/", insight.usage, name="insight-usage"),
    path("insight/coverage/", insight.coverage, name="insight-coverage"),
    path("insight/pools/<int:pk>/usage/", insight.pool_usage, name="pool-usage"),
    path("insight/pools/<int:pk>/slo/", slo_views.pool_slo, name="pool-slo"),
    path("insight/jobs/", insight.jobs, name="insight-jobs"),
    path(
        "insight/<str:table>/export.<str:file_format>",
        insight.insight_export,
        name="insight-export",
    ),
    path("accounts/<int:pk>/job-events/", insight.job_events, name="job-events"),
    path("api/v1/docs", v1.docs, name="api-docs"),
    path("api/v1/", v1.urls),
    path("you/tokens/", tokens.your_tokens, name="your-tokens"),
    path("you/tokens/<int:pk>/revoke/", tokens.your_token_revoke, name="your-token-revoke"),
    path("people/tokens/", tokens.tokens, name="tokens"),
    path("people/tokens/<int:pk>/revoke/", tokens.token_revoke, name="token-revoke"),
    path("go/", palette.go, name="go"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export.<str:file_format>", audit.audit_export, name="audit-export"),
    path("runners/", runner_list.runners, name="runners"),
    path("runners/filters/", runner_menus.runners_filters, name="runners-filters"),
    path("runners/view/", runner_menus.runners_view, name="runners-view"),
    path("runners/refresh/", runners.runners_refresh, name="runners-refresh"),
    path("runners/export.<str:file_format>", runners_export.runners, name="runners-export"),
    path("runners/name/", runner_forms.runner_name, name="runner-name"),
    path("runners/cost/", runner_forms.runner_cost, name="runner-cost"),
    path("runners/new/", runner_forms.runner_new, name="runner-new"),
    path("runners/bulk/new/", bulk.runners_new, name="runners-new"),
    path("runners/bulk/edit/", bulk.runners_edit, name="runners-edit"),
    path("runners/bulk/annotate/", annotations.runners_annotate, name="runners-annotate"),
    path("runners/bulk/recreate/", bulk.runners_recreate, name="runners-recreate"),
    path("runners/bulk/delete/", bulk.runners_delete, name="runners-delete"),
    path("runners/<int:pk>/", runners.runner, name="runner"),
    path("runners/<int:pk>/annotate/", annotations.runner_annotate, name="runner-annotate"),
    path("runners/<int:pk>/edit/", runner_forms.runner_edit, name="runner-edit"),
    path("runners/<int:pk>/delete/", runner_forms.runner_delete, name="runner-delete"),
    path("operations/", operations.operations, name="operations"),
    path("operations/batches/<uuid:batch>/", batches.batch, name="batch"),
    path(
        "operations/export.<str:file_format>", activity_export.operations, name="operations-export"
    ),
    path("operations/batches/<uuid:batch>/go-on/", batches.batch_go_on, name="batch-go-on"),
    path("operations/batches/<uuid:batch>/stop/", batches.batch_stop, name="batch-stop"),
    path("operations/batches/<uuid:batch>/retry/", batches.batch_retry, name="batch-retry"),
    path("operations/approvals/<int:pk>/", approvals.approval, name="approval"),
    path("operations/<int:pk>/", operations.operation, name="operation"),
    path("operations/<int:pk>/cancel/", operations.operation_cancel, name="operation-cancel"),
    path("operations/<int:pk>/agree/", operations.operation_confirm, name="operation-agree"),
    path("operations/<int:pk>/again/", operations.operation_again, name="operation-again"),
    path("operations/<int:pk>/undo/", undo.operation_undo, name="operation-undo"),
    path("operations/batches/<uuid:batch>/undo/", undo.batch_undo, name="batch-undo"),
    path("operations/<int:pk>/settle/", operations.operation_settle, name="operation-settle"),
    path("images/", images.images, name="images"),
    path("images/refresh/", images.images_refresh, name="images-refresh"),
    path("images/export.<str:file_format>", images_export.images, name="images-export"),
    path("images/sizes/", images.machine_sizes, name="machine-sizes"),
    path("images/<int:pk>/", images.image, name="image"),
    path("images/<int:pk>/delete/", images.image_delete, name="image-delete"),
    path(
        "images/<int:pk>/versions/<int:version_id>/delete/",
        images.image_version_delete,
        name="image-version-delete",
    ),
    path("groups/", groups.groups, name="groups"),
    path("groups/refresh/", groups.groups_refresh, name="groups-refresh"),
    path("groups/export.<str:file_format>", groups_export.groups, name="groups-export"),
    path("groups/new/", group_forms.group_new, name="group-new"),
    path("groups/explain/", explain.groups_explain, name="groups-explain"),
    path(
        "groups/explain/repositories/",
        explain.groups_explain_repositories,
        name="groups-explain-repositories",
    ),
    path("groups/explain/ask/", explain.groups_explain_ask, name="groups-explain-ask"),
    path("groups/<int:pk>/", groups.group, name="group"),
    path("groups/<int:pk>/annotate/", group_annotations.group_annotate, name="group-annotate"),
    path("groups/<int:pk>/edit/", group_forms.group_edit, name="group-edit"),
    path("groups/<int:pk>/delete/", group_forms.group_delete, name="group-delete"),
    path("groups/<int:pk>/add-runners/", groups.group_add_runners, name="group-add-runners"),
    path("groups/<int:pk>/access/", group_forms.group_access, name="group-access"),
    path("groups/<int:pk>/self-hosted/", group_forms.group_self_hosted, name="group-self-hosted"),
    path(
        "groups/self-hosted/<int:pk>/delete/",
        group_forms.self_hosted_delete,
        name="self-hosted-delete",
    ),
    path("static-ips/", static_ips.static_ips, name="static-ips"),
    path("static-ips/refresh/", static_ips.static_ips_refresh, name="static-ips-refresh"),
    path(
        "static-ips/ranges.<str:file_format>", static_ips.static_ip_ranges, name="static-ip-ranges"
    ),
    path(
        "static-ips/changes.<str:file_format>",
        static_ips.static_ip_changes,
        name="static-ip-changes",
    ),
]
