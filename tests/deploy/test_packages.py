"""The wheel and the sdist: what they contain, that they build the same twice, and that they serve."""

import re
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support.processes.installing import PACKED, ROOT, build, checkout, install, run
from tests.support.processes.server import environment, running

PACKAGE = ROOT / "src" / "goldenrod"
CACHES = re.compile(r"__pycache__|\.pyc$|/out/|\.db(-\w+)?$")


def files_of(folder: Path) -> set[str]:
    """The files below a folder by their paths in it, caches left out."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not CACHES.search(f"/{path.relative_to(folder).as_posix()}")
    }


@pytest.mark.long
def test_the_wheel_and_the_sdist_have_all_of_the_package_and_build_the_same_bytes_twice(
    tmp_path: Path,
) -> None:
    first, second = (checkout(tmp_path / name) for name in ("one", "another/deep"))
    # An sdist, and the wheel of that sdist, in one folder; the wheel of the checkout in the other.
    wheel, sdist = sorted(build(first), key=lambda path: path.suffix != ".whl")
    (direct,) = build(second, "--wheel")
    assert wheel.read_bytes() == direct.read_bytes()
    direct.unlink()
    (again,) = build(second, "--sdist")
    assert sdist.read_bytes() == again.read_bytes()

    package = files_of(PACKAGE) - {f"web/documents/{name}" for name in files_of(ROOT / "docs")}
    documents = {f"web/documents/{name}" for name in files_of(ROOT / "docs")}
    assert {"demo/amis.jsonl.gz", "sources/rules.toml", "store/migrations/script.py.mako"} < package
    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if ".dist-info/" not in name}
        assert names == {f"goldenrod/{name}" for name in package | documents}
        about = {name.partition("/")[2] for name in packed.namelist()} - {
            name.partition("/")[2] for name in names
        }
        assert about == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
        assert {info.date_time[0] for info in packed.infolist()} == {2026}
    with tarfile.open(sdist) as source:
        parts = {name.split("/")[1] for name in source.getnames() if "/" in name}
        unpacked = {name.partition("/")[2] for name in source.getnames()}
    assert parts == {*PACKED, "PKG-INFO"}
    assert {f"docs/{name}" for name in files_of(ROOT / "docs")} < unpacked
    assert not any(CACHES.search(f"/{name}") for name in unpacked)


@pytest.mark.long
def test_the_wheel_serves_in_a_new_environment(tmp_path: Path) -> None:
    (wheel,) = build(checkout(tmp_path / "checkout"), "--wheel")
    bin_ = install(wheel, tmp_path / "environment")
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    env = environment(url)
    env.pop("PYTHONPATH", None)
    where = [str(bin_ / "python"), "-c", "import goldenrod; print(goldenrod.__file__)"]
    assert run(where, tmp_path, env).startswith(str(tmp_path / "environment"))
    goldenrod = str(bin_ / "goldenrod")
    run([goldenrod, "user", "create", "ada", "--staff", "--no-password"], tmp_path, env)
    assert "No problems" in run([goldenrod, "check"], tmp_path, env)
    with (
        running(url, tmp_path / "log", program=goldenrod, PYTHONPATH="") as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        assert http.get("/healthz").text == "ok\n"
        home = http.get("/").text
        for linked in re.findall(r'(?:href|src)="(/static/[^"]+)"', home):
            assert http.get(linked).status_code == 200
        operating = http.get("/help/operating")
        assert "Operating Goldenrod" in operating.text
        assert http.get("/openapi.json").json()["info"]["title"]
        assert http.get("/image_versions").json()["count"] == 0
