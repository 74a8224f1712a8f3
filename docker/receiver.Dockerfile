# The webhook receiver: small, because it faces the world. No Airflow, no engine's needs.
FROM python:3.11-slim-bookworm AS packages
COPY webhook_receiver/requirements.txt /tmp/
# Wheels only, so nothing is compiled and no compiler is needed.
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes \
        --only-binary=:all: -r /tmp/requirements.txt \
    && echo /opt/crm-warehouse/plugins \
        > /opt/venv/lib/python3.11/site-packages/crm_warehouse.pth

FROM python:3.11-slim-bookworm
RUN groupadd --gid 50000 crm \
    && useradd --uid 50000 --gid 50000 --no-create-home --home-dir /tmp \
        --shell /usr/sbin/nologin crm
COPY --from=packages /opt/venv /opt/venv
WORKDIR /opt/crm-warehouse
COPY docker/with-secrets docker/healthy.py docker/
COPY plugins/ plugins/
COPY sql/ sql/
COPY webhook_receiver/ webhook_receiver/
ENV HOME=/tmp \
    PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 50000:50000
ENTRYPOINT ["/opt/crm-warehouse/docker/with-secrets"]
CMD ["gunicorn", "-c", "webhook_receiver/gunicorn.conf.py", "webhook_receiver.wsgi:app"]
