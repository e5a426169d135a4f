# Hilum in a container: not as root, configuration in /config, all that is kept in /data. See INSTALL.md.
FROM python:3.13-slim AS build
WORKDIR /hilum
COPY pyproject.toml README.md LICENSE ./
COPY doc doc
COPY src src
# EXTRAS: optional packages, such as codecs
ARG EXTRAS=
RUN python -m venv /opt/hilum && \
    /opt/hilum/bin/python -m pip install --no-cache-dir --disable-pip-version-check ".${EXTRAS:+[$EXTRAS]}"

FROM python:3.13-slim
RUN groupadd --gid 10001 hilum && \
    useradd --uid 10001 --gid hilum --no-create-home --home-dir /data --shell /usr/sbin/nologin hilum && \
    install -d -o hilum -g hilum -m 750 /config /data /data/tmp
COPY --from=build /opt/hilum /opt/hilum
COPY --chown=hilum:hilum config.toml /config/config.toml
# The container is the border: what reaches the doors is decided by the ports that are published. Logins are on.
ENV PATH=/opt/hilum/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TMPDIR=/data/tmp \
    HILUM_CONFIG=/config/config.toml \
    HILUM_SERVER__DATA=/data \
    HILUM_DIMSE__BIND=0.0.0.0 \
    HILUM_HTTP__BIND=0.0.0.0 \
    HILUM_AUTH__ENABLED=true
USER 10001:10001
WORKDIR /data
VOLUME ["/config", "/data"]
EXPOSE 8080 11112
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s --retries=3 CMD ["hilum", "ready"]
ENTRYPOINT ["hilum"]
CMD ["run"]
