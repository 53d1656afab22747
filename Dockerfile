# Two stages: the first has what building takes, the second only what runs.
#
# The base image has no digest here, because no registry could be asked for it where this was written. To pin it:
# PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:… (docs/operating.md, "Pinning images").
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv --without-pip /app/.venv
COPY requirements.txt .
# For a private index or a proxy that inspects TLS. Secrets of the build are in no layer of the image.
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=build_ca,target=/run/build_ca.pem \
    if grep -qs "BEGIN CERTIFICATE" /run/build_ca.pem; then export PIP_CERT=/run/build_ca.pem; fi \
    && python -m pip --python /app/.venv install --require-hashes -r requirements.txt
COPY manage.py pyproject.toml ./
COPY dashboard dashboard
COPY runners_app runners_app
COPY templates templates
COPY static static
# Static files are collected now, so that the file system may be read-only later. The keys made for it stay behind.
RUN TRACKSIDE_DATA_DIR=/tmp/build STATIC_ROOT=/app/collected .venv/bin/python manage.py collectstatic --noinput \
    && .venv/bin/python -m compileall -q -j 0 dashboard runners_app manage.py \
    && chmod -R a+rX /app

FROM ${PYTHON_IMAGE}
# The folders exist with their owner, so that volumes mounted on them get that owner too. The standard library comes
# without its compiled files, and could not write them later: each start of Python would compile it again.
RUN groupadd --system --gid 10001 trackside \
    && useradd --system --uid 10001 --gid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin trackside \
    && install -d -o trackside -g trackside -m 0700 /run/keys /run/owner /data \
    && install -d -o trackside -g trackside -m 0755 /run/passwords \
    && library="$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && python -m pip uninstall --yes --root-user-action ignore pip \
    && rm -rf "$library/ensurepip" "$library"/site-packages/* \
    && python -m compileall -q -j 0 "$library"
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STATIC_ROOT=/app/collected \
    TRACKSIDE_DATA_DIR=/tmp/trackside
WORKDIR /app
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8000 8001
CMD ["gunicorn", "--config", "python:dashboard.web_server", "dashboard.wsgi"]
