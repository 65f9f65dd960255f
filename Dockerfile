# The portal as gunicorn serves it. Not tied to any host: all settings come from the environment at the start.
# docs/deployment.md says how it is built, migrated and run. `.ci/dockerfile` carries its lines out without Docker.
ARG PYTHON=3.13.9-slim-trixie

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
COPY requirements.txt /build/
# --without-pip: what nobody needs to run the portal stays out of it.
RUN python -m venv --without-pip /venv \
    && python -m pip --python /venv/bin/python install --require-hashes --only-binary :all: -r /build/requirements.txt
WORKDIR /app
COPY manage.py gunicorn.conf.py ./
COPY portal portal
COPY keys keys
COPY plans plans
COPY templates templates
COPY locale locale
COPY static static
# Stand-ins for this one command: collecting files reads the settings, and uses none of these.
RUN ALLOWED_HOSTS=build.invalid \
    SECRET_KEY=$(python -c "import secrets; print(secrets.token_urlsafe(50))") \
    DATABASE_URL=postgres://build.invalid/none EMAIL_URL=dummymail:// \
    ZUPLO_ACCOUNT=none ZUPLO_BUCKET=none ZUPLO_API_KEY=none \
    /venv/bin/python manage.py collectstatic --noinput \
    && /venv/bin/python -m compileall -q portal keys plans

FROM python:${PYTHON}
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin portal
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\") or 8000}/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["gunicorn", "--config", "gunicorn.conf.py"]
