# Two stages: the first has what building takes, the second only what runs.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv /app/.venv
COPY requirements.txt .
RUN /app/.venv/bin/pip install --require-hashes -r requirements.txt
COPY manage.py pyproject.toml ./
COPY dashboard dashboard
COPY runners_app runners_app
COPY templates templates
COPY static static
# Static files are collected now, so that the file system may be read-only later. The keys made for it stay behind.
RUN TRACKSIDE_DATA_DIR=/tmp/build STATIC_ROOT=/app/collected .venv/bin/python manage.py collectstatic --noinput \
    && .venv/bin/python -m compileall -q -j 0 dashboard runners_app manage.py \
    && chmod -R a+rX /app

FROM python:3.11-slim-bookworm
# The folders exist with their owner, so that volumes mounted on them get that owner too.
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin trackside \
    && install -d -o trackside -g trackside -m 0700 /run/keys /data \
    && install -d -o trackside -g trackside -m 0755 /run/passwords
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STATIC_ROOT=/app/collected \
    TRACKSIDE_DATA_DIR=/tmp/trackside
WORKDIR /app
USER trackside
EXPOSE 8000
CMD ["gunicorn", "dashboard.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
