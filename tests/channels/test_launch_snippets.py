"""Snippets for a machine: right for its provider, and safe whatever the texts in them are."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml as pyyaml

from goldenrod.web.pages.launch import quoting
from goldenrod.web.pages.launch.snippet_parts import Launch, Snippet, aws_region
from goldenrod.web.pages.launch.snippets import launch_snippets

BASE = "https://images.example.org"
STUBS = ("aws", "openstack", "az", "gcloud", "curl", "goldenrod")
HOSTILE = (
    "ami-0c1d2a7ff51b90ae7",
    "it's",
    '"; rm -rf / #',
    "'; touch /tmp/owned; '",
    "$(touch /tmp/owned)",
    "`touch /tmp/owned`",
    "${HOME} $HOME !! !$",
    '${file("/etc/passwd")} %{ if true }x%{ endif }',
    "$${x} $$${x} %%{x} $",
    "\\",
    "\\\\' \\n \\u0041",
    "-rf",
    "--user-data=x",
    "a b\tc",
    "line one\nline two\r\n",
    "\x1b[31mred\x07 \x7f\x9b",
    "\u202egnorw\u2066 \u200b\u2028\ufeff",
    "日本語 é 💾",
    "#cloud-config",
    "*anchor &x !tag %yaml @at `t` | > - ? : {a} [b]",
    "a: b # c",
    " leading and trailing ",
    "~",
    "",
    "yes",
    "x" * 256,
)


def lines(launch: Launch, scripts: Any = ()) -> dict[str, Snippet]:
    found = launch_snippets(launch, scripts)
    by_key = {it.key: it for it in found}
    assert len(by_key) == len(found)
    return by_key


def machine(identifier: str = "ami-0c1d2a7ff51b90ae7", **more: Any) -> Launch:
    facts = {
        "architecture": "x86_64",
        "provider": "aws-eu-central-1",
        "provider_type": "aws",
        "image": "al2023",
        "version": "2023.0.1",
        "base": BASE,
        "region": "eu-central-1",
    } | more
    return Launch(identifier, **facts)


def called(text: str, **variables: str) -> list[list[str]]:
    """The commands that a text runs in bash, with their arguments; nothing else is run."""
    bash = shutil.which("bash")
    assert bash, "bash is needed to see what a line does"
    stubs = "".join(f"{it}() {{ printf '%s\\0' {it} \"$@\"; printf '\\1\\0'; }}\n" for it in STUBS)
    done = subprocess.run(
        [bash, "--norc", "-c", f"PATH=\n{stubs}{text}"],
        env={"HOME": "/nowhere", "LC_ALL": "C.UTF-8", **variables},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    parts = done.stdout.decode("utf-8", "surrogatepass").split("\1\0")
    return [part.split("\0")[:-1] for part in parts if part]


def unquoted_hcl(text: str) -> str:
    """What a quoted HCL string says; fails where a template would begin in it."""
    match = re.fullmatch(r'"((?:[^"\\\n\r]|\\(?:["\\nrt]|u[0-9a-f]{4}|U[0-9a-f]{8}))*)"', text)
    assert match, text
    assert not re.search(r"[$%]\{", match[1]), text
    letters = {"n": "\n", "r": "\r", "t": "\t"}

    def said(it: re.Match[str]) -> str:
        return chr(int(it[1][1:], 16)) if it[1][0] in "uU" else letters.get(it[1], it[1])

    return re.sub(r"\\(u[0-9a-f]{4}|U[0-9a-f]{8}|.)", said, match[1])


# ── a text stays a text ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", HOSTILE)
def test_quoted_texts_are_read_back_unchanged(text: str) -> None:
    assert called(f"curl {quoting.shell(text)}") == [["curl", text]]
    assert unquoted_hcl(quoting.hcl(text)) == text
    assert pyyaml.safe_load(f"key: {quoting.yaml(text)}") == {"key": text}
    block = f"- key: {quoting.yaml_block(text, '    ')}\n  after: 1\n"
    assert pyyaml.safe_load(block) == [{"key": text, "after": 1}]
    for quoted in (quoting.shell(text), quoting.hcl(text), quoting.yaml(text)):
        assert quoting.is_plain(quoted)


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "a\nb\n",
        "a\nb\n\n\n",
        "\na\nb",
        " a\nb",
        "a\n\n  b\n",
        "a\tb\n\tc\n",
        "a\n \n",
        "\n",
    ],
)
def test_lines_of_a_block(text: str) -> None:
    found = pyyaml.safe_load(f"- key: {quoting.yaml_block(text, '    ')}\n- 2\n")
    assert found == [{"key": text}, 2]


def test_plain_texts_are_as_they_are() -> None:
    assert quoting.shell("ami-0c1d2a7ff51b90ae7") == "ami-0c1d2a7ff51b90ae7"
    assert quoting.hcl("ami-1") == '"ami-1"'
    assert quoting.hcl("50% of $5") == '"50% of $5"'
    assert quoting.hcl("${x}") == '"\\u0024{x}"'


def facts_of(cloud_init: str) -> str:
    loaded = pyyaml.safe_load(cloud_init)
    assert list(loaded) == ["write_files"]
    return str(loaded["write_files"][0]["content"])


@pytest.mark.parametrize("kind", ["aws", "openstack", "azure", "gcp", "other"])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_identifiers_stay_texts(kind: str, text: str) -> None:
    found = lines(machine(text, provider_type=kind, provider="somewhere", region=""))
    variables = {"FLAVOR": "f 1", "NETWORK": "n", "NAME": "me", "GROUP": "g"}
    for line in found.values():
        assert quoting.is_plain(line.text.replace("\n", "")), line.text
        if line.language == "shell":
            [arguments] = called(line.text, **variables)
            flat = [part for it in arguments for part in (it, it.partition("=")[2])]
            if line.key == "curl":
                assert arguments[:2] == ["curl", "-fsS"] and len(arguments) == 3
                assert arguments[2].startswith(f"{BASE}/lookup?identifier=")
            else:
                assert text in flat
                # Nothing of it is an option of its own.
                assert not text.startswith("-") or text not in arguments or "--" in arguments
    if kind != "other":
        strings = re.findall(r'(?:ami|image_id|image) += (".*)', found["terraform"].text)
        assert [unquoted_hcl(it) for it in strings] == [text]
    told = facts_of(found["cloud-init"].text)
    assert called(f'{told}goldenrod "$GOLDENROD_MACHINE"') == [["goldenrod", text]]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_scripts_stay_texts(text: str) -> None:
    scripts = [
        {
            "title": text,
            "type": "Raw Text",
            "text": f"#!/bin/sh\n{text}\n",
            "run_every_deploy": True,
        },
        {"title": "t", "type": "Raw Text", "text": text, "run_every_deploy": False},
        {"title": "t", "type": "URL", "text": f"https://x/{text}", "run_every_deploy": False},
    ]
    loaded = pyyaml.safe_load(lines(machine(), scripts)["cloud-init"].text)
    [_, first, second, third] = loaded["write_files"]
    assert first["content"] == f"#!/bin/sh\n{text}\n"
    assert second["content"] == text
    fetch = next(line for line in third["content"].split("\n\n") if "curl" in line)
    command = fetch[fetch.index("curl") : fetch.index("\nchmod")]
    assert called(f"fetched=here\n{command}") == [
        ["curl", "-fsSL", "-o", "here", "--", f"https://x/{text}"]
    ]
    assert [it["path"] for it in loaded["write_files"][1:]] == [
        "/var/lib/cloud/scripts/per-boot/01-goldenrod",
        "/var/lib/cloud/scripts/per-instance/02-goldenrod",
        "/var/lib/cloud/scripts/per-instance/03-goldenrod",
    ]
    assert {it["permissions"] for it in loaded["write_files"][1:]} == {"0755"}


# ── what they say ──────────────────────────────────────────────────────────────────────────


def test_a_machine_on_aws() -> None:
    found = lines(machine())
    assert list(found) == ["terraform", "aws", "packer", "cloud-init", "curl", "goldenrod"]
    assert called(found["aws"].text) == [
        [
            *("aws", "ec2", "run-instances", "--region", "eu-central-1"),
            *("--image-id", "ami-0c1d2a7ff51b90ae7", "--instance-type", "m7i.large"),
        ]
    ]
    assert '  ami           = "ami-0c1d2a7ff51b90ae7"' in found["terraform"].text
    assert '  source_ami    = "ami-0c1d2a7ff51b90ae7"' in found["packer"].text
    assert '  region        = "eu-central-1"' in found["packer"].text
    assert called(found["curl"].text) == [
        [
            *("curl", "-fsS"),
            f"{BASE}/lookup?identifier=ami-0c1d2a7ff51b90ae7&provider=aws-eu-central-1",
        ]
    ]
    assert called(found["goldenrod"].text) == [
        ["goldenrod", "whatis", "--provider", "aws-eu-central-1", "ami-0c1d2a7ff51b90ae7"]
    ]
    arm = lines(machine(architecture="arm64", region=""))
    assert called(arm["aws"].text)[0][-1] == "m7g.large"
    assert "region" not in arm["aws"].text + arm["packer"].text


def test_snippets_for_a_channel_resolve_it() -> None:
    found = lines(machine(channel="stable"))
    address = f"{BASE}/resolve/al2023/stable/aws-eu-central-1?architecture=x86_64"
    assert called(found["curl"].text) == [["curl", "-fsS", "-H", "Accept: text/plain", address]]
    terraform = found["terraform"].text
    assert f'url             = "{address}"' in terraform
    assert "ami           = trimspace(data.http.image.response_body)" in terraform
    # What refuses is not taken for an id.
    assert "condition     = self.status_code == 200" in terraform
    assert "ami-0c1d2a7ff51b90ae7" not in terraform
    assert called(found["goldenrod"].text) == [
        [
            *("goldenrod", "resolve", "al2023", "stable", "aws-eu-central-1"),
            *("--architecture", "x86_64"),
        ]
    ]
    told = facts_of(found["cloud-init"].text)
    assert told == (
        "GOLDENROD_IMAGE=al2023\nGOLDENROD_CHANNEL=stable\nGOLDENROD_PROVIDER=aws-eu-central-1\n"
    )
    bare = lines(machine(channel="stable", architecture=""))
    assert "architecture" not in "".join(it.text for it in bare.values())


def test_a_channel_is_also_a_terraform_module() -> None:
    found = lines(machine(channel="stable"))
    assert list(found)[:2] == ["terraform", "module"]
    text = found["module"].text
    assert '  source = "images.example.org/al2023/stable/channel"' in text
    assert 'ami           = module.image.machines["aws-eu-central-1"]["x86_64"]' in text
    assert "token" not in text
    private = lines(machine(channel="stable", needs_token=True))["module"].text
    assert private.startswith("# ") and 'credentials "images.example.org"' in private
    port = lines(machine(channel="stable", base="https://images.example.org:8443"))["module"].text
    assert '"images.example.org:8443/al2023/stable/channel"' in port
    # Terraform asks by HTTPS, a host with a dot; names of modules have no dots.
    for no in (
        {"base": ""},
        {"base": "http://images.example.org"},
        {"base": "https://localhost:8443"},
        {"base": "https://images.example.org/below"},
        {"channel": "rhel9.4"},
        {"channel": None},
        {"provider_type": "vmware"},
    ):
        assert "module" not in lines(machine(**{"channel": "stable", **no}))


def test_long_boot_scripts_are_fetched_as_user_data() -> None:
    launch = machine(version_id="0190-7", channel="stable")
    snippet = {it.key: it for it in launch_snippets(launch, None)}["cloud-init"]
    assert called(snippet.text.replace("> user-data", "")) == [
        ["curl", "-fsS", f"{BASE}/image_versions/0190-7/user-data"]
    ]
    assert snippet.text.endswith(" > user-data")


def test_snippets_without_a_public_url_use_a_variable() -> None:
    found = lines(machine(channel="stable", base=""))
    assert called(found["curl"].text, GOLDENROD_URL="http://here") == [
        [
            *("curl", "-fsS", "-H", "Accept: text/plain"),
            "http://here/resolve/al2023/stable/aws-eu-central-1?architecture=x86_64",
        ]
    ]
    assert found["terraform"].text.startswith('variable "goldenrod_url" {')
    assert (
        'url             = "${var.goldenrod_url}/resolve/al2023/stable' in found["terraform"].text
    )
    assert "variable" not in lines(machine(base=""))["terraform"].text


def test_other_clouds() -> None:
    stack = lines(machine("6a1c", provider_type="OpenStack", provider="campus", region=""))
    assert list(stack) == ["terraform", "openstack", "packer", "cloud-init", "curl", "goldenrod"]
    assert called(stack["openstack"].text, FLAVOR="f", NETWORK="n", NAME="x") == [
        [
            *("openstack", "server", "create", "--image", "6a1c"),
            *("--flavor", "f", "--network", "n", "x"),
        ]
    ]
    assert 'image_id    = "6a1c"' in stack["terraform"].text
    assert 'source_image = "6a1c"' in stack["packer"].text
    keys = ["cloud-init", "curl", "goldenrod"]
    assert list(lines(machine(provider_type="azure"))) == ["terraform", "azure", *keys]
    assert list(lines(machine(provider_type="gcp"))) == ["terraform", "gcloud", *keys]
    assert list(lines(machine(provider_type="vmware"))) == keys


@pytest.mark.parametrize(
    ("names", "region"),
    [
        (("us-east-1",), "us-east-1"),
        (("aws-eu-central-1",), "eu-central-1"),
        (("lab", "AWS us-gov-west-1 (ours)"), "us-gov-west-1"),
        (("ap-southeast-2",), "ap-southeast-2"),
        (("my-us-east-1-copy",), "us-east-1"),
        (("us-east-12",), ""),
        (("campus", "east"), ""),
        (("plus-east-1",), ""),
        ((), ""),
    ],
)
def test_regions(names: tuple[str, ...], region: str) -> None:
    assert aws_region(*names) == region


def test_lines_for_what_only_some_may_see_send_the_token_of_the_environment() -> None:
    for channel in (None, "stable"):
        found = lines(machine(channel=channel, needs_token=True))
        [curl] = called(found["curl"].text, GOLDENROD_TOKEN="gr_1")
        assert curl[-3:-1] == ["-H", "Authorization: Token gr_1"]
        [command] = called(found["goldenrod"].text, GOLDENROD_TOKEN="gr_1")
        assert command[0] == "goldenrod"
        assert ("var.goldenrod_token" in found["terraform"].text) == (channel is not None)
    assert "GOLDENROD_TOKEN" not in lines(machine(channel="stable"))["curl"].text
