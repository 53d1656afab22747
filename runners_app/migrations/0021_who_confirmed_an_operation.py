import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("runners_app", "0020_read_jobs"),
    ]

    operations = [
        migrations.AddField(
            "operation",
            "confirmed_by",
            models.ForeignKey(
                help_text="Who confirmed it since, and answers for it instead of the actor.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
