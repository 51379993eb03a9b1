# Goldenrod as a container: `docker build -t goldenrod .`
#
# It runs as user 10001, which owns nothing but /var/lib/goldenrod, so the root file system may be
# read-only: `docker run --read-only --tmpfs /tmp -v goldenrod:/var/lib/goldenrod -p 8000:8000 goldenrod`.
# Settings are environment variables; pass secrets as files, never while building.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY docs docs
COPY src src
RUN python -m venv /opt/goldenrod
RUN /opt/goldenrod/bin/python -m pip wheel --no-deps --wheel-dir dist .
RUN /opt/goldenrod/bin/python -m pip install --no-cache-dir "$(echo dist/goldenrod-*.whl)[clouds]"
RUN /opt/goldenrod/bin/python -m compileall -q /opt/goldenrod/lib

FROM python:3.13-slim
COPY --from=build /opt/goldenrod /opt/goldenrod
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/goldenrod
ENV PATH=/opt/goldenrod/bin:$PATH \
    HOME=/var/lib/goldenrod \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
# Without settings, the catalogue is the file goldenrod.db here.
WORKDIR /var/lib/goldenrod
VOLUME /var/lib/goldenrod
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["goldenrod", "serve", "--host", "0.0.0.0", "--port", "8000", "--log", "json"]
