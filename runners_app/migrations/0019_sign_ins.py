"""Sessions under hashes of their keys, failed sign-ins, and counters of second factors."""

import django.db.models.deletion
from django.conf import settings
from django.core import signing
from django.db import migrations, models
from django.utils import timezone


def move_sessions(apps, schema_editor):
    """Keep people signed in, and leave nothing of a key behind."""
    from runners_app.people.sessions import SessionStore, stored_key

    connection = schema_editor.connection
    if "django_session" not in connection.introspection.table_names():
        return
    Session = apps.get_model("runners_app", "Session")
    users = set(apps.get_model("auth", "User").objects.values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT session_key, session_data, expire_date FROM django_session "
            "WHERE expire_date > %s",
            [timezone.now()],
        )
        rows = cursor.fetchall()
    for key, data, expire_date in rows:
        try:
            values = signing.loads(
                data,
                salt="django.contrib.sessions.SessionStore",
                serializer=signing.JSONSerializer,
            )
        except signing.BadSignature:
            continue
        user_id = int(values.get("_auth_user_id") or 0)
        if timezone.is_naive(expire_date):
            expire_date = timezone.make_aware(expire_date)
        if user_id in users:
            Session.objects.create(
                session_key=stored_key(key),
                session_data=SessionStore().encode(values),
                expire_date=expire_date,
                user_id=user_id,
            )
    schema_editor.execute("DROP TABLE django_session")


def drop_tables_of_axes(apps, schema_editor):
    names = schema_editor.connection.introspection.table_names()
    for table in ("axes_accessattemptexpiration", "axes_accessattempt", "axes_accesslog", "axes_accessfailurelog"):
        if table in names:
            schema_editor.execute(f"DROP TABLE {table}")


def bind_second_factors(apps, schema_editor):
    """Seal those that exist: from now on only rows that are created here are accepted."""
    from runners_app.people.factors import BOUND, seal_of
    from runners_app.security.secrets import SecretUnreadable

    for row in apps.get_model("mfa", "Authenticator").objects.all():
        try:
            row.data = {**row.data, BOUND: seal_of(row)}
        except SecretUnreadable:
            continue
        row.save(update_fields=["data"])


class Migration(migrations.Migration):
    dependencies = [
        ("mfa", "0003_authenticator_type_uniq"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("runners_app", "0018_proof_identity_and_holds"),
    ]

    operations = [
        migrations.CreateModel(
            "FailedSignIn",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False, auto_created=True, verbose_name="ID")),
                ("at", models.DateTimeField(db_index=True)),
                ("name", models.CharField(max_length=16)),
                ("network", models.CharField(max_length=45)),
                ("browser", models.CharField(max_length=32, blank=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["name", "browser", "at"], name="failed_sign_in_by_name"),
                    models.Index(fields=["network", "at"], name="failed_sign_in_by_network"),
                ]
            },
        ),
        migrations.CreateModel(
            "SignInCount",
            [
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("value", models.JSONField()),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            "Session",
            [
                ("session_key", models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name="session key")),
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                ("address", models.CharField(blank=True, max_length=45)),
                ("browser", models.CharField(blank=True, help_text="The User-Agent header.", max_length=200)),
                ("began_at", models.DateTimeField(null=True)),
                ("seen_at", models.DateTimeField(null=True)),
                ("user", models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={"verbose_name": "session", "verbose_name_plural": "sessions", "abstract": False},
        ),
        migrations.RunPython(move_sessions, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(bind_second_factors, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(drop_tables_of_axes, migrations.RunPython.noop, elidable=True),
    ]
