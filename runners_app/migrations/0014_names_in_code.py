"""Names in the code only: columns and tables stay as they are."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runners_app", "0013_one_worker_asks_an_app")]

    operations = [
        migrations.AlterField(
            "operation",
            "person_agreed_at",
            models.DateTimeField(
                db_column="person_agreed_at",
                help_text="When a person last said this should be sent.",
            ),
        ),
        migrations.RenameField("operation", "person_agreed_at", "confirmed_at"),
        migrations.AlterField(
            "operation",
            "refused_looks",
            models.PositiveSmallIntegerField(
                default=0,
                db_default=0,
                db_column="refused_looks",
                help_text="How often in a row GitHub refused to show whether it took effect.",
            ),
        ),
        migrations.RenameField("operation", "refused_looks", "refused_probes"),
        migrations.AlterModelTable("knownanswer", "runners_app_knownanswer"),
        migrations.RenameModel("KnownAnswer", "CachedResponse"),
        migrations.AlterField(
            "cachedresponse",
            "credential",
            models.ForeignKey(
                on_delete=models.deletion.CASCADE,
                related_name="cached_responses",
                to="runners_app.credential",
            ),
        ),
        migrations.AlterField(
            "cachedresponse",
            "reading",
            models.ForeignKey(
                on_delete=models.deletion.CASCADE,
                related_name="cached_responses",
                to="runners_app.reading",
            ),
        ),
    ]
