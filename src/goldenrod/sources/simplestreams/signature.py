"""Clear-signed files (`.sjson`), checked by gpgv.

Where a keyring is declared, only what gpgv writes is read: a file may have text before and after what
is signed. Without a keyring the same part is taken, unverified.
"""

import shutil
import subprocess  # nosec B404 # it runs gpg with a list of arguments, without a shell
import tempfile
from pathlib import Path

from goldenrod.sources.files.document import MOST_BYTES, Unreadable, size_text

MOST_SECONDS = 60

_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_REASONS = {
    "BADSIG": "its signature does not match its text",
    "NO_PUBKEY": "it is signed by a key that is not in the keyring",
    "EXPKEYSIG": "the key that signed it has expired",
    "EXPSIG": "its signature has expired",
    "REVKEYSIG": "the key that signed it was revoked",
}
_EXPIRED = ("EXPKEYSIG", "EXPSIG", "REVKEYSIG")


def is_signed(raw: bytes) -> bool:
    """The file has a clear-signed part."""
    return raw.startswith(_BEGIN) or b"\n" + _BEGIN in raw


def signed_part(raw: bytes) -> bytes:
    """The text that is signed, unverified. Raises Unreadable where the signature is cut off."""
    lines = iter(raw.split(b"\n"))
    for line in lines:
        if line.rstrip() == _BEGIN:
            break
    for line in lines:  # The head ends with an empty line.
        if not line.strip():
            break
    text: list[bytes] = []
    for line in lines:
        if line.rstrip() == _SIGNATURE:
            if any(line.rstrip() == _END for line in lines):
                return b"\n".join(text)
            break
        text.append(line.removeprefix(b"- "))
    raise Unreadable("its signature is cut off")


def verified(raw: bytes, keyring: Path) -> bytes:
    """What gpgv writes for a file signed by a key of the keyring. Raises Unreadable for any other."""
    if not is_signed(raw):
        raise Unreadable("it is not signed, but a keyring is declared")
    gpgv = shutil.which("gpgv")
    if gpgv is None:
        raise Unreadable(
            "gpgv is not installed, which checks signatures (Debian: apt install gpgv)"
        )
    keys = _keyring(keyring)
    with tempfile.TemporaryDirectory() as folder:
        signed, status = Path(folder, "signed"), Path(folder, "status")
        signed.write_bytes(raw)
        command = [gpgv, "--homedir", folder, "--keyring", str(keys), "--status-fd", "2"]
        with status.open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603 # nosec B603 # gpg, with files of ours
                [*command, "--output", "-", str(signed)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
            assert process.stdout
            with process, process.stdout:
                text = _read(process)
        said = status.read_bytes()[:MOST_BYTES].decode("utf-8", "replace")
    words = {line.split()[1] for line in said.splitlines() if line.startswith("[GNUPG:] ")}
    if process.returncode != 0 or "VALIDSIG" not in words or words.intersection(_EXPIRED):
        reasons = [reason for word, reason in _REASONS.items() if word in words]
        raise Unreadable(reasons[0] if reasons else "gpgv does not accept its signature")
    return text


def _keyring(path: Path) -> Path:
    """The keyring as an absolute path: gpgv would look for a bare name elsewhere."""
    try:
        with path.open("rb") as file:
            armored = file.read(5) == b"-----"
    except OSError as wrong:
        raise Unreadable(f"the keyring cannot be read: {wrong.strerror}") from None
    if armored:
        raise Unreadable("the keyring is text; make it binary with `gpg --dearmor`")
    return path.resolve()


def _read(process: "subprocess.Popen[bytes]") -> bytes:
    """The output of gpgv, which is stopped if it writes too much or takes too long."""
    assert process.stdout
    text = process.stdout.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        process.kill()
        raise Unreadable(f"its signed text is larger than {size_text(MOST_BYTES)}")
    try:
        process.wait(MOST_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Unreadable(f"gpgv took longer than {MOST_SECONDS} seconds") from None
    return text
