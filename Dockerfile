# The portal as gunicorn serves it. Not tied to any host: all settings come from the environment at the start.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
COPY requirements.txt /build/
RUN python -m venv /venv && /venv/bin/pip install --require-hashes --only-binary :all: -r /build/requirements.txt
WORKDIR /app
COPY manage.py gunicorn.conf.py ./
COPY portal portal
COPY keys keys
COPY templates templates
COPY static static
# Stand-ins for this one command: collecting files reads the settings, and uses none of these.
RUN ALLOWED_HOSTS=build.invalid SECRET_KEY=$(head -c 60 /dev/urandom | base64 -w 0) \
    DATABASE_URL=sqlite:////nowhere/portal.sqlite3 EMAIL_URL=dummymail:// \
    ZUPLO_ACCOUNT=none ZUPLO_BUCKET=none ZUPLO_API_KEY=none \
    /venv/bin/python manage.py collectstatic --noinput \
    && /venv/bin/python -m compileall -q portal keys

FROM python:${PYTHON}-slim
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
