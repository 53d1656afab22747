"""What an event is about becomes columns of its own; until now its key alone said it."""

from django.db import migrations, models

KINDS = [
    ("token_expiring", "A token expires in 14, 7 or 1 days"),
    ("credential_refused", "A credential is disabled"),
    ("reading_stale", "An account could not be read for an hour"),
    ("runner_stuck", "A runner is Stuck, or Provisioning for 30 minutes"),
    ("operation_waits", "An operation needs a decision"),
    ("static_ips", "Static IPs are 80 % used, or all"),
]
STAGED = ("token_expiring", "runner_stuck", "static_ips")


def fill_columns(apps, schema_editor):
    """Keys were `refused:credential:account`, `expires:credential:account:date:days`,
    `stale:account`, `static-ips:account:stage`, `runner:pk:status` and `operation:pk`.
    """
    Event = apps.get_model("runners_app", "Event")
    models_of = {
        "runner": apps.get_model("runners_app", "Runner"),
        "operation": apps.get_model("runners_app", "Operation"),
    }
    for event in Event.objects.all():
        word, *ids = event.key.split(":")
        event.topic = event.key.rpartition(":")[0] if event.kind in STAGED else event.key
        if word in models_of:
            event.item, event.item_pk = word, int(ids[0])
            row = models_of[word].objects.filter(pk=event.item_pk).first()
            event.account_pk = row.account_id if row else 0
        else:
            event.account_pk = int(ids[1] if word in ("refused", "expires") else ids[0])
        event.save()


class Migration(migrations.Migration):
    dependencies = [("runners_app", "0016_help_texts")]

    operations = [
        migrations.AddField("event", "topic", models.CharField(db_default="", help_text="The key without the stage.", max_length=200)),
        migrations.AddField("event", "account_pk", models.BigIntegerField(db_default=0)),
        migrations.AddField("event", "item", models.CharField(blank=True, db_default="", help_text="Model of the row it is about.", max_length=20)),
        migrations.AddField("event", "item_pk", models.BigIntegerField(db_default=0, default=0)),
        migrations.AlterField("event", "kind", models.CharField(choices=KINDS, max_length=30)),
        migrations.RunPython(fill_columns, migrations.RunPython.noop, elidable=True),
    ]
