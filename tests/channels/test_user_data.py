"""A version's boot scripts as one MIME multipart, read back as cloud-init reads it."""

import email
import random
from typing import Any

from goldenrod.web.api.user_data import MOST_USER_DATA, user_data
from tests.support.actions import made, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code

TYPES = {
    "#!/bin/sh\necho hello\n": "text/x-shellscript",
    " \n#!/usr/bin/python3\n": "text/x-shellscript",
    "#cloud-config\npackages: [git]\n": "text/cloud-config",
    "#CLOUD-CONFIG\n": "text/cloud-config",
    "#cloud-config-archive\n- {}\n": "text/cloud-config-archive",
    "#cloud-config-jsonp\n[]": "text/cloud-config-jsonp",
    "#cloud-boothook\n": "text/cloud-boothook",
    "#include\nhttps://example.org/x\n": "text/x-include-url",
    "#include-once\nhttps://example.org/x\n": "text/x-include-once-url",
    "#part-handler\n": "text/part-handler",
    "## template: jinja\n#cloud-config\n": "text/jinja2",
    "echo nobody runs this": "text/plain",
    "#!": "text/x-shellscript",
}


def script(text: str, title: str = "It", **more: Any) -> dict[str, Any]:
    return {"title": title, "type": "Raw Text", "text": text, "run_every_deploy": False} | more


def parts(text: str) -> list[tuple[str, str]]:
    """Type and text of each part, as cloud-init's code has them: `message_from_string`, `walk`, and the
    decoded payload."""
    whole = email.message_from_string(text)
    assert whole.is_multipart() and not whole.defects
    found = []
    for part in whole.walk():
        if not part.is_multipart():
            assert not part.defects
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found.append((part.get_content_type(), payload.decode("utf-8")))
    return found


def test_each_type_is_found_by_how_the_text_begins() -> None:
    assert parts(user_data([script(text) for text in TYPES])) == [
        (kind, text) for text, kind in TYPES.items()
    ]
    [(kind, _)] = parts(user_data([script("#!/bin/sh\n", run_every_deploy=True)]))
    assert kind == "text/x-shellscript-per-boot"
    url = script("https://example.org/setup.sh", type="URL")
    assert parts(user_data([url])) == [
        ("text/x-include-url", "#include\nhttps://example.org/setup.sh\n")
    ]
    assert parts(user_data([])) == [("text/cloud-config", "#cloud-config\n{}\n")]


def test_any_texts_are_read_back_as_they_are_and_in_order() -> None:
    chance = random.Random(18)
    pieces = [
        *(
            "\n",
            "\r\n",
            "\r",
            "\t",
            "--",
            "==",
            "From ",
            ".",
            "é",
            "💾",
            "\x00",
            "\x0c",
            " ",
            "\u2028",
        ),
        *("Content-Type: text/x\n\n", "MIME-Version: 1.0\n", "#!", "a" * 1200, "=20", "\x1f"),
    ]
    for _ in range(300):
        scripts = [
            script("".join(chance.choices(pieces, k=chance.randrange(12))), chance.choice(pieces))
            for _ in range(chance.randrange(1, 6))
        ]
        text = user_data(scripts)
        assert text.isascii() and text == user_data(scripts)
        assert [found for _, found in parts(text)] == [it["text"] for it in scripts]
        # A text that quotes the whole multipart, with its boundary, ends no part early.
        again = [*scripts, script(text)]
        assert [found for _, found in parts(user_data(again))] == [it["text"] for it in again]
    names = [part.get_filename() for part in email.message_from_string(text).walk()][1:]
    assert names == sorted(names, key=str) and len(set(names)) == len(names)


def test_user_data_of_a_version(api: ApiClient, world: World) -> None:
    ids = []
    for title, text, kind in (
        ("First", "#!/bin/sh\ntouch /1\n", "Raw Text"),
        ("Zweitens ü", "#cloud-config\nruncmd: [[echo, é]]\n", "Raw Text"),
        ("Third", "https://example.org/3", "URL"),
    ):
        body = {"title": title, "text": text, "type": kind}
        ids.append(made(api, "/api/v2/boot_scripts", "alice", **body)["id"])
    version = publish(api, "2", scripts=ids)
    address = f"/image_versions/{version['id']}/user-data"
    answer = api.get(address)
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["cache-control"] == "public, no-cache"
    assert [kind for kind, _ in parts(answer.text)] == [
        "text/x-shellscript",
        "text/cloud-config",
        "text/x-include-url",
    ]
    assert "001-first" in answer.text and "002-zweitens" in answer.text
    same = {"If-None-Match": answer.headers["etag"]}
    assert api.get(f"/api/v2{address}", headers=same).status_code == 304
    assert code(api.get(f"{address}?x=1")) == "400 parameter_unknown"
    hidden = f"/image_versions/{world.versions['closed']}/user-data"
    assert code(api.get(hidden)) == "404 not_found"
    assert api.get(hidden, "alice").status_code == 200
    assert code(api.get("/image_versions/7/user-data")) == "404 not_found"


def test_more_than_any_cloud_takes_is_refused(api: ApiClient) -> None:
    """Hundreds of long scripts would cost seconds for each request, by anybody."""
    text = "#!/bin/sh\n" + "#" * (MOST_USER_DATA // 16 - 10)
    ids = [
        made(api, "/api/v2/boot_scripts", "alice", title="It", text=text, type="Raw Text")["id"]
        for _ in range(17)
    ]
    most = publish(api, "2", scripts=ids[:16])
    assert api.get(f"/image_versions/{most['id']}/user-data").status_code == 200
    more = publish(api, "3", scripts=ids)
    assert code(api.get(f"/image_versions/{more['id']}/user-data")) == "409 user_data_too_large"
