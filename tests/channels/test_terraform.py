"""What Terraform reads: a state with outputs, and modules; by the protocols, and by the program."""

import base64
import io
import json
import os
import re
import ssl
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from goldenrod.web.api.terraform import number_of
from tests.conftest import Clock
from tests.support.actions import publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import API, assign, release, restore, revoke
from tests.support.processes.programs import program

STATE = f"{API}/images/open-image/channels/stable/tfstate"
MODULES = f"{API}/terraform"


def machine(identifier: str, architecture: str = "x86_64", provider: str = "east") -> Any:
    return {"provider": provider, "identifier": identifier, "architecture": architecture}


def outputs(api: ApiClient, address: str = STATE, who: str | None = None) -> dict[str, Any]:
    answer = api.get(address, who)
    assert answer.status_code == 200, answer.text
    return {name: it["value"] for name, it in answer.json["outputs"].items()}


def archive(api: ApiClient, path: str, who: str | None = None, **more: Any) -> str:
    """The text of a module, by the steps that Terraform takes."""
    modules = api.get("/.well-known/terraform.json").json["modules.v1"]
    listed = api.get(f"{modules}{path}/versions", who)
    [[version, *_]] = [it["versions"] for it in listed.json["modules"]]
    where = api.get(f"{modules}{path}/{version['version']}/download", who)
    assert where.headers["x-terraform-get"] == where.json["location"] == "./machines.zip"
    answer = api.get(f"{modules}{path}/{version['version']}/machines.zip", who, **more)
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.namelist() == ["main.tf"]
        return packed.read("main.tf").decode()


# ── a state ────────────────────────────────────────────────────────────────────────────────


def test_a_state_has_the_machines_that_resolving_answers(
    api: ApiClient, world: World, clock: Clock
) -> None:
    old = publish(
        api,
        "1.9",
        machines=[machine("old-big", "amd64"), machine("old-small", "arm64")],
        deprecation={"reason": "out of support"},
    )
    publish(api, "2", machines=[machine("big"), machine("far", "x86_64", "west")])
    for pinned, channel in ((old, "stable"), (None, "latest")):
        if pinned:
            assign(api, pinned)
        address = f"{API}/images/open-image/channels/{channel}/tfstate"
        for who in (None, "alice"):
            found = outputs(api, address, who)
            assert (found["image"], found["channel"]) == ("open-image", channel)
            for provider, kinds in found["machines"].items():
                for architecture, identifier in kinds.items():
                    asked = f"/resolve/open-image/{channel}/{provider}?architecture={architecture}"
                    resolved = api.get(asked, who).json
                    assert resolved["machine"]["identifier"] == identifier
                    named = found["versions"][provider][architecture]
                    assert resolved["version"]["name"] == named
    assert outputs(api)["machines"] == {"east": {"arm64": "old-small", "x86_64": "old-big"}}
    assert outputs(api)["warnings"] == ["open-image/1.9 is deprecated: out of support"]
    latest = f"{API}/images/open-image/channels/latest/tfstate"
    # `latest` by architecture skips the deprecated version; west is for whoever has an identity there.
    assert outputs(api, latest)["machines"] == {"east": {"x86_64": "big"}}
    assert outputs(api, latest, "alice")["machines"]["west"] == {"x86_64": "far"}
    assert outputs(api, latest)["warnings"] == []


def test_a_state_is_what_the_format_says_and_is_refused_like_a_channel(
    api: ApiClient, world: World
) -> None:
    assert code(api.get(STATE)) == "404 channel_not_found"
    assign(api, world.versions["open"])
    answer = api.get(STATE)
    image = api.get(f"{API}/images/open-image").json
    assert answer.json | {"outputs": None} == {
        "version": 4,
        "terraform_version": "1.0.0",
        "serial": 1,
        "lineage": image["uuid"],
        "outputs": None,
        "resources": [],
        "check_results": None,
    }
    kind = ["map", ["map", "string"]]
    assert answer.json["outputs"]["machines"] == {
        "value": {"east": {"x86_64": "open-east"}},
        "type": kind,
    }
    unchanged = {"If-None-Match": answer.headers["etag"]}
    assert api.get(STATE, headers=unchanged).status_code == 304
    assert api.get(f"{API}/images/{image['id']}/channels/stable/tfstate").json == answer.json
    for method in ("POST", "PUT", "DELETE", "LOCK", "UNLOCK"):
        assert code(api.ask(method, STATE, "alice", {})) == "405 method_not_allowed"
    assert code(api.get(f"{STATE}?x=1")) == "400 parameter_unknown"
    version = release(api, "2")
    assign(api, version)
    revoke(api, version, roll_back_channels=False)
    modules = f"{MODULES}/open-image/stable/channel"
    for address in (STATE, f"{modules}/versions", f"{modules}/2.0.0/download"):
        assert code(api.get(address)) == "409 version_revoked"
    restore(api, version)
    assign(api, None)
    assert code(api.get(STATE)) == "404 machine_not_found"
    hidden = f"{API}/images/closed-image/channels/latest/tfstate"
    assert code(api.get(hidden)) == "404 not_found"
    assert outputs(api, hidden, "alice")["machines"]["east"] == {"x86_64": "closed-east"}


def test_a_token_may_come_as_a_password_where_terraform_sends_nothing_else(
    api: ApiClient, world: World
) -> None:
    def basic(given: str) -> dict[str, str]:
        return {"Authorization": f"Basic {base64.b64encode(given.encode()).decode()}"}

    secret = world.secrets["alice"]
    closed = "closed-image/latest/channel"
    [number] = api.get(f"{MODULES}/{closed}/versions", "alice").json["modules"][0]["versions"]
    zipped = f"{MODULES}/{closed}/{number['version']}/machines.zip"
    state = f"{API}/images/closed-image/channels/latest/tfstate"
    for address in (state, zipped):
        for username in ("", "alice", "anything"):
            assert api.get(address, headers=basic(f"{username}:{secret}")).status_code == 200
        for wrong in ("alice:wrong", secret, f"{secret}:", "", ":", "\x00:\x00"):
            assert code(api.get(address, headers=basic(wrong))) == "401 token_invalid", wrong
        for header in ("Basic", "Basic é", "Basic ====", f"Basic {secret}"):
            refused = api.get(address, headers={"Authorization": header})
            assert code(refused) == "401 token_invalid", header
    # Nowhere else, also not after it was accepted there.
    for address in (f"{API}/images", f"{MODULES}/{closed}/versions", "/lookup?identifier=x"):
        assert code(api.get(address, headers=basic(f":{secret}"))) == "401 token_invalid"


# ── modules ────────────────────────────────────────────────────────────────────────────────


def test_names_of_versions_as_terraforms_numbers() -> None:
    for name, number in {
        "1": "1.0.0",
        "1.2": "1.2.0",
        "v1.2.3": "1.2.3",
        "1.2.3.4": "1.2.3.4",
        "2026-04-11": "2026.4.11",
        "20240523-2": "20240523.2.0",
        "20260923-2610": "20260923.2610.0",
        "007.0": "7.0.0",
        "1.0.0-rc1": "1.0.0-rc1",
        "9.4-20240805-beta.2": "9.4.0-20240805-beta.2",
        "open-1.0": None,
        "1.0 ": None,
        "1.": None,
        "": None,
        "٣": None,
        "1" * 19: None,
        "1.0+build": None,
        "1/2": None,
    }.items():
        assert number_of(name) == number, name


def test_the_modules_of_an_image(api: ApiClient, world: World) -> None:
    for name in ("1.0", "v1", "2.0.0-rc1", "latest thing"):
        publish(api, name, machines=[machine(f"of {name}")])
    gone = release(api, "3")
    revoke(api, gone)
    listed = api.get(f"{MODULES}/images/open-image/version/versions")
    numbers = [it["version"] for it in listed.json["modules"][0]["versions"]]
    # 1.0 was there before v1, so 1.0.0 stays what it was; no revoked one, no names without a number.
    assert sorted(numbers) == ["1.0.0", "2.0.0-rc1"]
    zipped = f"{MODULES}/images/open-image/version/1.0.0/machines.zip"
    assert b'"of 1.0"' in api.get(zipped).content
    same = {"If-None-Match": api.get(zipped).headers["etag"]}
    assert api.get(zipped, headers=same).status_code == 304
    # A channel has one version: what it offers. A pre-release would be passed over, so it has a date.
    assign(api, gone)
    for name, number in (("1.0", "1.0.0"), ("2.0.0-rc1", r"0\.\d{8}\.\d+"), ("v1", "1.0.0")):
        [version] = api.get(f"/image_versions?image_id=open-image&name={name}").json["results"]
        assign(api, version)
        [found] = api.get(f"{MODULES}/open-image/stable/channel/versions").json["modules"]
        [it] = found["versions"]
        assert re.fullmatch(number, it["version"])
        assert f'"of {name}"' in archive(api, "open-image/stable/channel")
    for nothing in (
        "open-image/stable/channel/9.9.9/download",
        "images/open-image/version/9.9.9/download",
        "images/open-image/version/3.0.0/machines.zip",
        "images/nowhere/version/versions",
        "other/open-image/version/versions",
        "images/open-image/machines/versions",
        "open-image/nowhere/channel/versions",
        "images/closed-image/version/versions",
        "closed-image/latest/channel/versions",
        "images/0/version/versions",
    ):
        assert api.get(f"{MODULES}/{nothing}").status_code == 404, nothing
    assert archive(api, "closed-image/latest/channel", "alice").count("closed-east") == 1


def test_discovery(api: ApiClient, world: World) -> None:
    answer = api.get("/.well-known/terraform.json")
    assert answer.json == {"modules.v1": f"{MODULES}/"}
    assert answer.headers["content-type"] == "application/json"
    same = {"If-None-Match": answer.headers["etag"]}
    assert api.get("/.well-known/terraform.json", headers=same).status_code == 304
    assert (
        code(api.ask("POST", "/.well-known/terraform.json", None, {})) == "405 method_not_allowed"
    )


# ── the program ────────────────────────────────────────────────────────────────────────────


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def certificates(folder: Path) -> tuple[Path, Path]:
    """The certificate of a throw-away authority, and the key and certificate of a server that it
    signed."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    host = x509.IPAddress(ip_address("127.0.0.1"))

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])

    def signed(name: str, key: Any, by: Any, is_authority: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([host]), critical=False)
            .sign(by, hashes.SHA256())
        )

    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pem = serialization.Encoding.PEM
    ca, server = folder / "ca.pem", folder / "server.pem"
    ca.write_bytes(signed("authority", authority, authority, True).public_bytes(pem))
    private = own.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server.write_bytes(private + signed("server", own, authority, False).public_bytes(pem))
    return ca, server


@pytest.fixture
def https(api: ApiClient, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The application at https://127.0.0.1:PORT: host and port, and the authority's certificate.

    Terraform takes the host of a module only with a dot in it.
    """
    ca, server = certificates(tmp_path)
    with make_server("127.0.0.1", 0, api.client.app, WSGIServer, Quiet) as serving:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server)
        serving.socket = context.wrap_socket(serving.socket, server_side=True)
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"127.0.0.1:{serving.server_port}", ca
        serving.shutdown()
        thread.join()


Terraform = Callable[..., dict[str, Any]]


@pytest.fixture
def terraform(https: tuple[str, Path], tmp_path: Path) -> Terraform:
    """Runs terraform in a new folder: the values of its outputs, or `error`."""
    found, (host, ca) = program("terraform"), https

    def run(text: str, *, secret: str = "", netrc: str = "", **more: str) -> dict[str, Any]:
        folder = tmp_path / f"run{len(list(tmp_path.glob('run*')))}"
        folder.mkdir()
        settings = folder / "settings.tfrc"
        given = f'credentials "{host}" {{\n  token = "{secret}"\n}}\n' if secret else ""
        settings.write_text("disable_checkpoint = true\n" + given)
        (folder / "netrc").write_text(netrc)
        (folder / "main.tf").write_text(text.replace("HOST", host))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SSL_CERT_FILE": str(ca),
            "TF_CLI_CONFIG_FILE": str(settings),
            "NETRC": str(folder / "netrc"),
            "NO_COLOR": "1",
            **more,
        }
        for command in ("init", "apply -auto-approve", "output -json"):
            done = subprocess.run(
                [found, *command.split(), *([] if "output" in command else ["-input=false"])],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            if done.returncode:
                return {"error": " ".join((done.stdout + done.stderr).split())}
        values: dict[str, Any] = json.loads(done.stdout)
        return {name: it["value"] for name, it in values.items()}

    return run


STATE_TF = """
data "terraform_remote_state" "base" {
  backend = "http"
  config = {
    address = "https://HOST/api/v2/images/%s/channels/%s/tfstate"
    %s
  }
}
output "machines" { value = data.terraform_remote_state.base.outputs.machines }
output "id" { value = data.terraform_remote_state.base.outputs.machines["east"]["x86_64"] }
"""
MODULE_TF = """
module "base" {
  source = "HOST/%s"
  %s
}
output "machines" { value = module.base.machines }
output "versions" { value = module.base.versions }
output "warnings" { value = module.base.warnings }
output "id" { value = module.base.machines["east"]["x86_64"] }
"""
HOSTILE = 'a"b\\c ${file("/etc/passwd")} %{ if true }x%{ endif } $${y} \u65e5\u672c'


@pytest.mark.long
def test_terraform_reads_the_state(api: ApiClient, world: World, terraform: Terraform) -> None:
    assign(api, publish(api, "2", machines=[machine("small", "arm64"), machine(HOSTILE)]))
    found = terraform(STATE_TF % ("open-image", "stable", ""))
    assert found["id"] == HOSTILE
    assert found["machines"] == {"east": {"arm64": "small", "x86_64": HOSTILE}}
    private = STATE_TF % ("closed-image", "latest", "")
    assert "closed-east" not in str(terraform(private))
    secret = world.secrets["alice"]
    by_environment = {"TF_HTTP_USERNAME": "token", "TF_HTTP_PASSWORD": secret}
    assert terraform(private, **by_environment)["id"] == "closed-east"
    written = f'username = "token"\n    password = "{secret}"'
    assert terraform(STATE_TF % ("closed-image", "latest", written))["id"] == "closed-east"
    wrong = terraform(private, TF_HTTP_USERNAME="token", TF_HTTP_PASSWORD="wrong")
    assert "auth" in wrong["error"]
    assert "error" in terraform(STATE_TF % ("open-image", "nowhere", ""))


@pytest.mark.long
def test_terraform_installs_the_modules(
    api: ApiClient, world: World, terraform: Terraform, https: tuple[str, Path]
) -> None:
    old = publish(api, "1.2", machines=[machine(HOSTILE), machine("small", "arm64")])
    new = publish(api, "1.10", machines=[machine("newer")], deprecation={"reason": 'of "${x}"'})
    assign(api, old)
    channel = MODULE_TF % ("open-image/stable/channel", "")
    found = terraform(channel)
    assert "error" not in found, found
    assert found["machines"] == {"east": {"arm64": "small", "x86_64": HOSTILE}}
    assert found["versions"]["east"] == {"arm64": "1.2", "x86_64": "1.2"}
    assign(api, new)
    found = terraform(channel)
    assert found["warnings"] == ['open-image/1.10 is deprecated: of "${x}"']
    pinned = "images/open-image/version"
    for constraint, identifier in (("1.2", HOSTILE), ("~> 1.2", "newer"), ("1.10.0", "newer")):
        text = MODULE_TF % (pinned, f'version = "{constraint}"')
        assert terraform(text)["id"] == identifier
    assert "error" in terraform(MODULE_TF % (pinned, 'version = "9.9"'))
    revoke(api, new, roll_back_channels=False)
    assert "409" in terraform(channel)["error"]
    # A private image: its token for the registry, and in the netrc file for the archive.
    private, secret = MODULE_TF % ("closed-image/latest/channel", ""), world.secrets["alice"]
    netrc = f"machine {https[0]} login token password {secret}\n"
    assert "error" in terraform(private)
    assert "error" in terraform(private, secret=secret)
    found = terraform(private, secret=secret, netrc=netrc)
    assert found.get("id") == "closed-east", found
