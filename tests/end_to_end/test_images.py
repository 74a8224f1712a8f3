"""Every service of docker-compose.yaml, started as its container would start it."""

import datetime
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.proof.compose import compose
from tests.proof.containers import Containers

pytestmark = pytest.mark.proof


@dataclass(frozen=True)
class Door:
    """What a caller outside sees.

    Attributes:
        environment: Which file of ``env/``.
        services: What runs behind it.
        url: nginx.
        ca: Certificate to trust, or False with plain http.
    """

    environment: str
    services: Containers
    url: str
    ca: str | bool

    def get(self, path: str, **more: object) -> requests.Response:
        return self._send("GET", path, **more)

    def post(self, path: str, **more: object) -> requests.Response:
        return self._send("POST", path, **more)

    def _send(self, method: str, path: str, **more: object) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            url = f"{self.url}{path}"
            return session.request(
                method,
                url,
                verify=self.ca,
                timeout=60,
                **more,  # type: ignore[arg-type]
            )


def certificate(folder: Path) -> Path:
    """A self-signed certificate for localhost, where nginx expects it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture(scope="module", params=["dev", "prod"])
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    assert shutil.which("nginx", path="/usr/sbin:/usr/bin"), (
        "this proof needs nginx: apt-get install nginx-light"
    )
    environment = request.param
    folder = Path(tempfile.mkdtemp(prefix="crm-images-"))
    folder.chmod(0o755)
    services = Containers(folder, environment)
    ca = certificate(services.secrets / "tls")
    try:
        services.up()
        if environment == "dev":
            yield Door(environment, services, services.url("8088"), False)
        else:
            yield Door(environment, services, services.url("8443", "https"), str(ca))
    finally:
        services.stop()
        shutil.rmtree(folder)


def token(door: Door, user: str, password: str) -> requests.Response:
    return door.post("/auth/token", json={"username": user, "password": password})


def sign_in(door: Door, user: str, password: str) -> dict[str, str]:
    """Headers of a person who has signed in through nginx."""
    answer = token(door, user, password)
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_every_service_is_healthy_behind_nginx(door: Door) -> None:
    named = compose(door.environment)["services"]
    running = [name for name, each in named.items() if "healthcheck" in each]
    assert len(running) == 8

    assert {name: door.services.healthy(name) for name in running} == dict.fromkeys(
        running, True
    )
    report = door.get("/api/v2/monitor/health").json()
    assert {name: each["status"] for name, each in report.items()} == dict.fromkeys(
        ("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy"
    )


def test_nginx_leads_to_the_receiver_and_shows_no_more_of_it(door: Door) -> None:
    answer = door.post("/api/v1/webhooks/hubspot/", data=b"[]")
    # No connection of HubSpot is set: the source is asked to come again.
    assert answer.status_code == 503
    assert answer.headers["Server"] == "nginx"
    assert "X-Request-Id" in answer.headers
    too_large = door.post(
        "/api/v1/webhooks/hubspot/", data=b"x" * (2 * 1024 * 1024 + 1)
    )
    assert too_large.status_code == 413

    # Airflow's pages answer these, so the receiver's own are not to be had outside.
    for path in ("/metrics", "/readyz", "/execution/health"):
        assert "X-Request-Id" not in door.get(path).headers, path


def test_migrations_and_pools_are_done(door: Door) -> None:
    password = (door.services.secrets / "warehouse_password").read_text("utf-8")
    port = door.services.postgres.port
    with psycopg.connect(
        host="127.0.0.1",
        port=port,
        dbname="warehouse",
        user="crm_warehouse",
        password=password,
    ) as session:
        row = session.execute("SELECT to_regclass('ops.sync_jobs') IS NOT NULL")
        assert row.fetchone() == (True,)
        durable = session.execute("SHOW fsync").fetchone()
    assert durable == ("on",)

    out = door.services.run("scheduler", ["airflow", "pools", "list", "-o", "json"])
    pools = json.loads(out[out.index("[{") :])
    assert {each["pool"] for each in pools} >= {"default_pool", "genius_api"}


def test_people_sign_in_through_nginx(door: Door) -> None:
    if door.environment == "dev":
        path = door.services.secrets / "airflow_passwords.json"
        password = json.loads(path.read_text("utf-8"))["admin"]
    else:
        password = "correct horse battery"
        command = "airflow users create --username admin --role Admin --email"
        person = ["admin@example.com", "--firstname", "Ada", "--lastname", "Example"]
        out = door.services.run(
            "api-core", [*command.split(), *person], f"{password}\n{password}\n"
        )
        assert 'User "admin" created with role "Admin"' in out

    assert door.get("/api/v2/dags").status_code == 401
    assert token(door, "admin", "wrong").status_code == 401
    headers = sign_in(door, "admin", password)
    dags = door.get("/api/v2/dags", headers=headers)
    assert dags.status_code == 200
    assert "genius__prospects" in {each["dag_id"] for each in dags.json()["dags"]}
    assert "<html" in door.get("/", headers=headers).text


def test_the_images_write_nothing_beside_their_volumes(door: Door) -> None:
    """Their root file systems are read-only."""
    for name in ("airflow", "receiver"):
        assert door.services.written(name) == []
