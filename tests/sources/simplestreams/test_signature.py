"""Signed trees: only what a key of the keyring signed is read.

A key is made for the tests and thrown away with them. `gpg` signs, `gpgv` checks.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from goldenrod.sources.declarations import SimpleStreams
from goldenrod.sources.files.document import Unreadable
from goldenrod.sources.found import Listed, Look
from goldenrod.sources.name_rules import NameRules
from goldenrod.sources.simplestreams import SimpleStreamsSource, signature
from tests.sources.simplestreams.trees import INCUS, index, written
from tests.support.processes.programs import program

Sign = Callable[[bytes], bytes]


class Key:
    """A throw-away key, and a keyring with it."""

    def __init__(self, home: Path) -> None:
        self._gpg = [program("gpg"), "--homedir", str(home), "--batch", "--quiet", "--no-tty"]
        program("gpgv")
        self._run("--passphrase", "", "--quick-gen-key", "mirror@example.org", "ed25519", "sign")
        self.keyring = home / "mirror.gpg"
        self.keyring.write_bytes(self._run("--export"))

    def _run(self, *words: str, given: bytes = b"") -> bytes:
        return subprocess.run(
            [*self._gpg, *words], input=given, capture_output=True, check=True
        ).stdout

    def sign(self, text: bytes) -> bytes:
        """The text, clear-signed."""
        return self._run("--clear-sign", given=text)

    def pack(self, text: bytes) -> bytes:
        """The text, signed and compressed."""
        return self._run("--armor", "--sign", given=text)

    def armored(self) -> bytes:
        """The keyring as text."""
        return self._run("--armor", "--export")


@pytest.fixture(scope="module")
def keys() -> Iterator[tuple[Key, Key]]:
    """The mirror's key and another one. The paths are short: gpg's agent listens on a socket there."""
    homes = [Path(tempfile.mkdtemp(prefix="gpg")) for _ in range(2)]
    try:
        yield Key(homes[0]), Key(homes[1])
    finally:
        for home in homes:
            if agent := shutil.which("gpgconf"):
                subprocess.run([agent, "--homedir", str(home), "--kill", "all"], check=False)
            shutil.rmtree(home, ignore_errors=True)


def signed_tree(sign: Sign, base: Path, **changes: bytes) -> Path:
    files: dict[str, Any] = {
        "streams/v1/index.sjson": sign(dumped(index({"images": "streams/v1/images.sjson"}))),
        "streams/v1/images.sjson": sign(dumped(INCUS)),
    }
    return written(base, files | changes)


def dumped(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def look(base: Path, keyring: Path | None) -> Look:
    declared = SimpleStreams(
        name="mirror", base=str(base), keyring=str(keyring) if keyring else None
    )
    source = SimpleStreamsSource(declared, NameRules([]), base)
    scopes, failed = source.scopes()
    return source.look(scopes[0]) if scopes else failed[0]


def test_a_signed_tree_is_verified_with_the_keyring(keys: tuple[Key, Key], tmp_path: Path) -> None:
    mirror, stranger = keys
    tree = signed_tree(mirror.sign, tmp_path)
    verified = look(tree, mirror.keyring)
    assert verified.failed is None and verified.notes == ()
    assert any(isinstance(row, Listed) for row in verified.rows)
    unverified = look(tree, None)
    assert unverified.rows == verified.rows
    assert unverified.notes == ("not verified: no keyring is declared",)
    assert "a key that is not in the keyring" in (look(tree, stranger.keyring).failed or "")
    written(tmp_path, {"text.asc": mirror.armored()})
    assert "gpg --dearmor" in (look(tree, tmp_path / "text.asc").failed or "")
    assert "keyring cannot be read" in (look(tree, tmp_path / "missing.gpg").failed or "")


def test_text_around_the_signed_part_is_not_read(keys: tuple[Key, Key], tmp_path: Path) -> None:
    mirror, stranger = keys
    forged = dumped(index({"forged": "streams/v1/images.sjson"}))
    honest = dumped(index({"images": "streams/v1/images.sjson"}))
    for around in (
        forged + b"\n" + mirror.sign(honest),
        mirror.sign(honest) + forged,
        b"Hash: SHA256\n\n" + forged + b"\n" + mirror.sign(honest) + forged,
    ):
        tree = signed_tree(mirror.sign, tmp_path, **{"streams/v1/index.sjson": around})
        assert look(tree, mirror.keyring).scope == "images"
        assert look(tree, mirror.keyring).failed is None
        assert look(tree, None).scope == "images"
    both = stranger.sign(forged) + mirror.sign(honest)
    tree = signed_tree(mirror.sign, tmp_path, **{"streams/v1/index.sjson": both})
    assert look(tree, mirror.keyring).failed


def test_a_file_that_is_changed_unsigned_or_cut_fails_the_look(
    keys: tuple[Key, Key], tmp_path: Path
) -> None:
    mirror, _ = keys
    text = dumped(INCUS)
    signed = mirror.sign(text)
    for changed, reason in [
        (signed.replace(b"disk.qcow2", b"evil.qcow2"), "does not match its text"),
        (text, "it is not signed, but a keyring is declared"),
        (signed[:-40], "gpgv does not accept"),
        (signed[: signed.index(b"-----BEGIN PGP SIGNATURE")], "gpgv does not accept"),
        (mirror.pack(text), "it is not signed"),
        (b"-----BEGIN PGP SIGNED MESSAGE-----\n\n{}\n", "gpgv does not accept"),
    ]:
        tree = signed_tree(mirror.sign, tmp_path, **{"streams/v1/images.sjson": changed})
        failed = look(tree, mirror.keyring).failed or ""
        assert failed.startswith("streams/v1/images.sjson: ") and reason in failed, failed
    (tree / "streams/v1/index.sjson").rename(tree / "streams/v1/index.json")
    assert "with a keyring, only signed files count" in (look(tree, mirror.keyring).failed or "")
    # A signed index may name the unsigned file: its signed sibling is read.
    json_path = mirror.sign(dumped(index({"images": "streams/v1/images.json"})))
    signed_tree(mirror.sign, tmp_path, **{"streams/v1/index.sjson": json_path})
    assert look(tmp_path, mirror.keyring).failed is None


def test_what_gpgv_writes_is_limited(
    keys: tuple[Key, Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, _ = keys
    # Text that makes the file look clear-signed does not help a message that unpacks to more.
    packed = b"-----BEGIN PGP SIGNED MESSAGE-----\n" + mirror.pack(b" " * 200_000)
    monkeypatch.setattr(signature, "MOST_BYTES", 1_000)
    for raw in (packed, mirror.sign(b"x" * 5_000)):
        with pytest.raises(Unreadable):
            signature.verified(raw, mirror.keyring)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(Unreadable, match="apt install gpgv"):
        signature.verified(mirror.sign(b"x"), mirror.keyring)


def test_dashes_are_unescaped_without_a_keyring_too(keys: tuple[Key, Key]) -> None:
    mirror, _ = keys
    text = b'["\n- a",\n-----BEGIN PGP SIGNATURE-----\n--]'
    signed = mirror.sign(text)
    assert signature.signed_part(signed).rstrip(b"\n") == text
    assert signature.verified(signed, mirror.keyring).rstrip(b"\n") == text
    with pytest.raises(Unreadable, match="cut off"):
        signature.signed_part(signed[:-40])
