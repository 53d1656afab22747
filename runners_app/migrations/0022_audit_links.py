from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runners_app", "0021_who_confirmed_an_operation")]

    operations = [
        migrations.CreateModel(
            "AuditLink",
            [
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("entry_id", models.BigIntegerField(unique=True)),
                ("digest", models.CharField(max_length=64)),
            ],
            options={"ordering": ("position",)},
        ),
    ]
