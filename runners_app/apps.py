from django.apps import AppConfig


class RunnersAppConfig(AppConfig):
    name = "runners_app"
    verbose_name = "Trackside"
