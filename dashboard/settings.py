"""All settings of Trackside. Each environment variable is read once, here.

There are two ways to run it: the embedded default (no variables at all: SQLite, a broker of files
and keys made once, all under ``TRACKSIDE_DATA_DIR``), and scaled out (``DATABASE_URL`` or
``REDIS_URL`` is set: keys must come from outside). Each variable may also be given as
``NAME_FILE``, the path of a file with its value. The exception is ``PROMETHEUS_MULTIPROC_DIR``,
which Prometheus's client reads itself.

Importing this module changes nothing: what a process does when it starts is in `dashboard.start`.
"""

import logging
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from celery.schedules import crontab
from csp.constants import SELF
from django.core.exceptions import ImproperlyConfigured

from dashboard.data_dir import Keys, make_keys, read_keys
from dashboard.environment import Environment, check_groups

if TYPE_CHECKING:
    from runners_app.github import ProxySettings

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

DATA_DIR = Path(env.str("TRACKSIDE_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL.startswith("rediss:") and "ssl_cert_reqs=" not in REDIS_URL:
    # Celery would take any certificate.
    REDIS_URL += f"{'&' if '?' in REDIS_URL else '?'}ssl_cert_reqs=required"
EMBEDDED = not DATABASE_URL and not REDIS_URL
# The simulator needs neither keys nor a database: started alone, it leaves no data folder behind.
SIMULATOR_ONLY = sys.argv[1:2] == ["simulate_github"]

SECRET_KEY = env.str("SECRET_KEY", default="")
# What workers open, of which web has the public half (`public:…`), and what web opens.
CREDENTIAL_KEYS = [key.strip() for key in env.list("CREDENTIAL_KEYS", default=[])]
WEB_KEYS = [key.strip() for key in env.list("WEB_KEYS", default=[])]
# Made in memory on the first start; `dashboard.start` writes them to the data folder.
NEW_KEYS: Keys | None = None
if SIMULATOR_ONLY:
    SECRET_KEY = SECRET_KEY or "the simulator signs nothing"
elif EMBEDDED and not (SECRET_KEY and CREDENTIAL_KEYS and WEB_KEYS):
    kept = read_keys(DATA_DIR)
    if kept is None:
        kept = NEW_KEYS = make_keys()
    SECRET_KEY = SECRET_KEY or kept.secret_key
    CREDENTIAL_KEYS = CREDENTIAL_KEYS or kept.credential_keys
    WEB_KEYS = WEB_KEYS or kept.web_keys
NEW_KEY = 'python -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
HOW_TO_MAKE = {
    "SECRET_KEY": 'python -c "import secrets; print(secrets.token_urlsafe(50))"',
    "CREDENTIAL_KEYS": NEW_KEY,
    "WEB_KEYS": NEW_KEY,
}
for name, how in HOW_TO_MAKE.items():
    if not vars()[name] and not SIMULATOR_ONLY:
        raise ImproperlyConfigured(
            f"{name} is not set. Trackside makes its own keys only in the embedded default: "
            f"set {name} or {name}_FILE. To make one: {how}"
        )

# `make dev`: pages and processes reload when a file changes. Its packages are not in production.
DEV = env.bool("DEV", default=False)
DEBUG = env.bool("DEBUG", default=DEV)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# An account's api_url must have one of these origins; `*` matches one or more labels.
GITHUB_API_ORIGINS = env.list(
    "GITHUB_API_ORIGINS", default=["https://api.github.com", "https://*.ghe.com"]
)
# A PEM file of the authorities to trust instead of the public ones, for GitHub Enterprise Server.
GITHUB_CA_FILE = env.str("GITHUB_CA_FILE", default="")
if GITHUB_CA_FILE and not SIMULATOR_ONLY:
    try:
        ssl.create_default_context(cafile=GITHUB_CA_FILE)
    except OSError as error:
        raise ImproperlyConfigured(
            f"GITHUB_CA_FILE is {GITHUB_CA_FILE}, which has no certificates that can be read "
            f"({error}). Set it to a PEM file with your authority's certificates, or unset it."
        ) from None
# `serve` sets it to the address of the simulator that it starts for the demo.
DEMO_API_ORIGINS = env.list("DEMO_API_ORIGINS", default=[])
# The way out where there is no other, and what is reached without it; the demo's simulator always.
OUTGOING_PROXY: "ProxySettings | None" = None
OUTGOING_NO_PROXY = env.list("OUTGOING_NO_PROXY", default=[])
if address := env.str("OUTGOING_PROXY", default=""):
    from runners_app.github import ProxySettings  # takes a while, which others need not wait for

    simulators = [urlsplit(origin).netloc for origin in DEMO_API_ORIGINS]
    try:
        OUTGOING_PROXY = ProxySettings(address, [*OUTGOING_NO_PROXY, *simulators])
    except ValueError as error:
        raise ImproperlyConfigured(
            f"OUTGOING_PROXY or OUTGOING_NO_PROXY cannot be used: {error}."
        ) from None

INSTALLED_APPS = [
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.openid_connect",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_filters",
    "django_htmx",
    "django_structlog",
    "heroicons",
    "ninja",
    "template_partials",
    "runners_app",
]

# Django's admin, for inspecting rows: read-only, and without sealed secrets.
DJANGO_ADMIN = env.bool("DJANGO_ADMIN", default=False)
if DJANGO_ADMIN:
    INSTALLED_APPS.append("django.contrib.admin")

MIDDLEWARE = [
    "runners_app.monitoring.middleware.page_timings",
    "runners_app.jobs.inbox.inbox",
    "django_structlog.middlewares.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # 50 rows are 6 kB instead of 60
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "runners_app.monitoring.middleware.for_watchers",
    "runners_app.api.problems.problem_documents",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "runners_app.people.middleware.session_age",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "runners_app.people.middleware.second_factor",
    "runners_app.api.authentication.token_authentication",
    "runners_app.people.middleware.SignInPages",
    "runners_app.people.middleware.BeforeViews",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "runners_app.people.middleware.page_headers",
]

if DEV:
    INSTALLED_APPS += ["django_watchfiles", "django_browser_reload"]
    # After the middleware that compresses, because it inserts a script.
    place = MIDDLEWARE.index("django.middleware.gzip.GZipMiddleware") + 1
    MIDDLEWARE.insert(place, "django_browser_reload.middleware.BrowserReloadMiddleware")

ROOT_URLCONF = "dashboard.urls"
WSGI_APPLICATION = "dashboard.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": [
                "runners_app.templatetags.pictures",
                "runners_app.templatetags.rows",
                "runners_app.templatetags.trackside",
                "runners_app.templatetags.words",
                "django_htmx.templatetags.django_htmx",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

SQLITE_OPTIONS: dict[str, Any] = {
    # Under the defaults, 20 writers lost 1 write in 20 to "database is locked"; with these none.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
}
if DATABASE_URL:
    DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url_config(DATABASE_URL)}
else:
    DATABASES = {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "trackside.sqlite3"}
    }
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
else:
    # Notice within seconds that the database is gone, even while waiting for its response.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 2,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        **DATABASES["default"].get("OPTIONS", {}),
    }
# Each thread of web and worker keeps its connection and checks it before use.
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES: dict[str, dict[str, Any]] = {
    "default": (
        {"BACKEND": "dashboard.cache.Cache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "dashboard.cache.LocalCache"}
    ),
    # Parts of pages, keyed by versions that are in the database: every process may keep its own.
    "pages": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "pages",
        "OPTIONS": {"MAX_ENTRIES": 2000},
    },
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{validator}"}
    for validator in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "sign-in"

# --- Sign-in: local people whom administrators add, and the providers set up here.
AUTHENTICATION_BACKENDS = [
    "runners_app.people.backends.Backend",
]
REQUIRE_MFA_FOR_ADMINS = env.bool("REQUIRE_MFA_FOR_ADMINS", default=False)
# Whether a new user of a provider becomes a person here, without access to any account. Otherwise
# only users whose e-mail address is known can sign in.
SIGN_IN_ADDS_PEOPLE = env.bool("SIGN_IN_ADDS_PEOPLE", default=False)
SESSION_ENGINE = "runners_app.people.sessions"
# For a provider that sends no `email_verified`: take all of its e-mail addresses as verified.
OIDC_EMAILS_ARE_VERIFIED = env.bool("OIDC_EMAILS_ARE_VERIFIED", default=False)
SESSION_IDLE_SECONDS = env.int("SESSION_IDLE_SECONDS", default=2 * 60 * 60)
SESSION_COOKIE_AGE = env.int("SESSION_AGE_SECONDS", default=12 * 60 * 60)
# How many trusted proxies stand in front: their X-Forwarded-For gives the browser's address.
PROXY_COUNT = env.int("PROXY_COUNT", default=1 if env.bool("HTTPS", default=False) else 0)

# API tokens of users without a password stop when no provider vouched for them for so long.
SSO_PROOF_DAYS = env.int("SSO_PROOF_DAYS", default=7)

# What groups of the OpenID Connect provider give: {"group": ["administrator", "viewer:KIND:NAME"]}.
OIDC_GROUPS_CLAIM = env.str("OIDC_GROUPS_CLAIM", default="groups")
OIDC_GROUPS = check_groups(env.json("OIDC_GROUPS", default={}))

OIDC_URL, GITHUB_SIGN_IN_URL = env.str("OIDC_URL", default=""), "https://github.com"
SOCIALACCOUNT_PROVIDERS: dict[str, dict[str, Any]] = {
    "github": {"APPS": []},
    "openid_connect": {"APPS": []},
}
if OIDC_URL:
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "oidc",
                "name": env.str("OIDC_NAME", default="single sign-on"),
                "client_id": env.str("OIDC_CLIENT_ID"),
                "secret": env.str("OIDC_CLIENT_SECRET"),
                "settings": {"server_url": OIDC_URL},
            }
        ],
    }
if GITHUB_CLIENT_ID := env.str("GITHUB_CLIENT_ID", default=""):
    SOCIALACCOUNT_PROVIDERS["github"] = {
        "SCOPE": ["user:email"],
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [{"client_id": GITHUB_CLIENT_ID, "secret": env.str("GITHUB_CLIENT_SECRET")}],
    }
    GITHUB_SIGN_IN_URL = env.str("GITHUB_URL", default=GITHUB_SIGN_IN_URL).rstrip("/")
    # With GITHUB_URL, allauth calls the API under /api/v3, where only Enterprise Server has it.
    if GITHUB_SIGN_IN_URL != "https://github.com":
        SOCIALACCOUNT_PROVIDERS["github"]["GITHUB_URL"] = GITHUB_SIGN_IN_URL
SIGN_IN_ORIGINS = [
    url for url, on in ((OIDC_URL, OIDC_URL), (GITHUB_SIGN_IN_URL, GITHUB_CLIENT_ID)) if on
]
SIGN_IN_ORIGINS = ["/".join(url.split("/")[:3]) for url in SIGN_IN_ORIGINS]

ACCOUNT_ADAPTER = "runners_app.people.adapters.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_FORMS = {"change_password": "runners_app.people.forms.OwnPasswordForm"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_LOGOUT_REDIRECT_URL = LOGOUT_REDIRECT_URL
ACCOUNT_RATE_LIMITS = {
    "change_password": None,
    "login": None,
    "login_failed": "10/900s/key",
}  # of codes; `people.guesses` limits passwords
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # before a way to sign in is added or removed
ACCOUNT_SESSION_REMEMBER = True
SOCIALACCOUNT_ADAPTER = "runners_app.people.adapters.SocialAccountAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_QUERY_EMAIL = True  # only this request tells which addresses GitHub has verified
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
MFA_ADAPTER = "runners_app.people.adapters.SecondFactorAdapter"
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Trackside"
MFA_TOTP_TOLERANCE = 1
# Without TLS, browsers offer passkeys on localhost alone.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not env.bool("HTTPS", default=False)

# --- Notices: the address for links, and the mail server (smtp://, smtp+tls:// or smtp+ssl://).
PUBLIC_URL = env.str("PUBLIC_URL", default="").rstrip("/")
# The only hosts that shared channels may have, with all beneath them. Behind OUTGOING_PROXY, where
# no address can be checked, they are Slack's, Teams' and Discord's if nothing is set.
NOTICE_HOSTS = env.list("NOTICE_HOSTS", default=[])
# Where GitHub posts webhooks, if not under PUBLIC_URL; on that host nothing else answers.
HOOKS_URL = env.str("HOOKS_URL", default="").rstrip("/")
# Where the simulator of the demo posts them; set by `serve`.
DEMO_HOOKS_URL = env.str("DEMO_HOOKS_URL", default="")
HOOKS_HOST = urlsplit(HOOKS_URL).netloc.lower()
MAIL_IS_SET_UP = bool(env.str("EMAIL_URL", default=""))
vars().update(env.email_url("EMAIL_URL", default="dummymail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="trackside@localhost")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
STORAGES = {"staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}}
if DEV:
    STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"

# HTTPS=on when a proxy terminates TLS in front of Trackside and sets X-Forwarded-Proto.
HTTPS = env.bool("HTTPS", default=False)
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # no third cookie
# No page needs the first group; only our own pages use passkeys and the clipboard.
PERMISSIONS_POLICY: dict[str, list[str]] = {
    **{
        name: []
        for name in (
            "accelerometer",
            "autoplay",
            "camera",
            "display-capture",
            "encrypted-media",
            "fullscreen",
            "geolocation",
            "gyroscope",
            "magnetometer",
            "microphone",
            "midi",
            "payment",
            "usb",
            "xr-spatial-tracking",
        )
    },
    "clipboard-write": ["self"],
    "publickey-credentials-create": ["self"],
    "publickey-credentials-get": ["self"],
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": [SELF, *SIGN_IN_ORIGINS],  # browsers check the end of a redirect as well
        "frame-ancestors": ["'none'"],
    }
}

# --- Celery: Redis, or files under the data folder. Messages are wake-ups; the truth is in the
# database.
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    # A web request must not wait for a dead broker: the sweeper finds work that was not announced.
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "socket_connect_timeout": 1,
        "socket_timeout": 5,
    }
else:
    CELERY_BROKER_URL = "filesystem://localhost//"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(DATA_DIR / "broker"),
        "data_folder_out": str(DATA_DIR / "broker"),
        "control_folder": str(DATA_DIR / "broker-control"),
        "polling_interval": 0.2,
    }
# Celery would close its database connection after every task; `dashboard.celery` closes only broken
# ones.
CELERY_DB_REUSE_MAX = 10**9
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "dashboard.beat:Beat"
CELERY_BEAT_SCHEDULE = {
    "send-notices": {"task": "runners_app.tasks.send_notices", "schedule": 60.0},
    "check-credentials": {
        "task": "runners_app.tasks.check_credentials",
        "schedule": crontab(minute="37", hour="2"),
    },
    "link-audit-entries": {"task": "runners_app.tasks.link_audit_entries", "schedule": 5.0},
    "log-audit-head": {"task": "runners_app.tasks.log_audit_head", "schedule": 60.0},
    "wake-due-credentials": {"task": "runners_app.tasks.wake_due_credentials", "schedule": 1.0},
    "normalise-deliveries": {"task": "runners_app.tasks.normalise_deliveries", "schedule": 1.0},
    "read-status-pages": {"task": "runners_app.tasks.read_status_pages", "schedule": 60.0},
    "sum-jobs": {"task": "runners_app.tasks.sum_jobs", "schedule": 60.0},
    "prune-history": {
        "task": "runners_app.tasks.prune_history",
        "schedule": crontab(minute="17", hour="3"),
    },
}

# --- Waiting times in seconds; tests shorten them.
GITHUB_DEADLINE = env.float("GITHUB_DEADLINE", default=15.0)
RETRY_SECONDS = env.float("RETRY_SECONDS", default=5.0)
LEASE_SECONDS = env.float("LEASE_SECONDS", default=30.0)
if LEASE_SECONDS <= GITHUB_DEADLINE:
    raise ImproperlyConfigured(
        "LEASE_SECONDS must be longer than GITHUB_DEADLINE: a lease must outlast a request."
    )
WRITE_SPACING_SECONDS = env.float("WRITE_SPACING_SECONDS", default=1.0)
# Counts the writes sent, outside the database; with Redis, it is kept there instead.
SENT_MARK = DATA_DIR / "sent-mark"
LOST_ANSWER_SPACING_SECONDS = env.float("LOST_ANSWER_SPACING_SECONDS", default=15.0)
LOST_CREATE_SECONDS = env.float("LOST_CREATE_SECONDS", default=180.0)
UNKNOWN_LIMIT_SECONDS = env.float("UNKNOWN_LIMIT_SECONDS", default=900.0)
ABSENCE_PROOF_SECONDS = env.float("ABSENCE_PROOF_SECONDS", default=60.0)
OBSERVE_INTERVAL_SECONDS = env.float("OBSERVE_INTERVAL_SECONDS", default=5.0)
OBSERVE_LIMIT_SECONDS = env.float("OBSERVE_LIMIT_SECONDS", default=900.0)
UNSENT_LIMIT_SECONDS = env.float("UNSENT_LIMIT_SECONDS", default=900.0)

# A job event GitHub sent longer ago than this, and that is not here, is asked for again.
LOST_DELIVERY_SECONDS = env.float("LOST_DELIVERY_SECONDS", default=60.0)

# --- How long history is kept, in days. Triggers, renewed by migrate, enforce the audit log's.
AUDIT_RETENTION_DAYS = env.int("AUDIT_RETENTION_DAYS", default=400)
if AUDIT_RETENTION_DAYS < 400:
    raise ImproperlyConfigured(
        f"AUDIT_RETENTION_DAYS is {AUDIT_RETENTION_DAYS}, but the audit log is kept for at least "
        "400 days. Give a larger number, or leave it out."
    )
HISTORY_RETENTION_DAYS = env.int("HISTORY_RETENTION_DAYS", default=400)
RUNS_RETENTION_DAYS = env.int("RUNS_RETENTION_DAYS", default=30)

DELIVERIES_RETENTION_DAYS = env.int("DELIVERIES_RETENTION_DAYS", default=3)
JOBS_RETENTION_DAYS = env.int("JOBS_RETENTION_DAYS", default=90)
JOB_SUMS_RETENTION_DAYS = env.int("JOB_SUMS_RETENTION_DAYS", default=400)
# How far back jobs are read over REST once an account is connected.
JOBS_BACKFILL_DAYS = env.int("JOBS_BACKFILL_DAYS", default=30)
# Summaries of status pages, read each minute without a token; empty: none.
STATUS_PAGES = env.list(
    "STATUS_PAGES", default=["https://www.githubstatus.com/api/v2/summary.json"]
)

# --- API: how many requests one token may send.
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=600)

# --- Monitoring: Prometheus with a token, and Sentry.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
SENTRY_DSN = env.str("SENTRY_DSN", default="")

# --- Logs: JSON when scaled out, plain lines for a terminal otherwise; both without secrets.
LOG_FORMAT = env.str("LOG_FORMAT", default="text" if EMBEDDED else "json")
# Whom errors are mailed to, with their traceback, masked as in the log.
ADMINS = [("", address) for address in env.list("ERROR_MAILS_TO", default=[])]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "dashboard.logs.Formatter", "as_json": LOG_FORMAT == "json"},
        "bare": {"()": "dashboard.logs.BareFormatter"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
        "audit": {"class": "logging.StreamHandler", "formatter": "bare"},
        # A person at a terminal has the audit page; the lines are for the file.
        "audit file": {
            "class": "logging.FileHandler",
            "filename": DATA_DIR / "audit.log",
            "delay": True,
            "formatter": "bare",
        },
        "mails": {"class": "dashboard.logs.MaskedMails", "formatter": "line", "level": "ERROR"},
    },
    "root": {
        "handlers": ["stderr", *(["mails"] if ADMINS else [])],
        "level": env.str("LOG_LEVEL", default="INFO"),
    },
    "loggers": {
        # Without Django's own mails, which show requests and variables.
        "django": {"handlers": [], "level": "INFO"},
        "django.request": {"level": "ERROR"},  # the lines of requests have refusals already
        "django.server": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        # Each audit entry as one line of JSON, to be kept outside of the database.
        "audit": {
            "handlers": ["audit" if LOG_FORMAT == "json" else "audit file"],
            "level": "INFO",
            "propagate": False,
        },
        "celery": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},  # its lines contain addresses
    },
}
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_STATUS_2XX_LOG_LEVEL = DJANGO_STRUCTLOG_STATUS_DEFAULT_LOG_LEVEL = (
    logging.DEBUG if EMBEDDED else logging.INFO
)
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.DEBUG if EMBEDDED else logging.INFO
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
