from django.apps import AppConfig
from django.db.models.signals import post_migrate

from dashboard.start import start


class RunnersAppConfig(AppConfig):
    name = "runners_app"
    verbose_name = "Trackside"

    def ready(self) -> None:
        start()

        from runners_app.people.provider_groups import connect_provider
        from runners_app.people.sign_ins import connect_signals
        from runners_app.security.audit_guard import install_guard

        post_migrate.connect(install_guard, sender=self, dispatch_uid="audit guard")
        connect_signals()
        connect_provider()
