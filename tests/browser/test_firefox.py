"""Pages in Firefox, light and dark: drawn, not wider than the window, and in the scheme's colours."""

from pathlib import Path

import pytest

from goldenrod.demo.catalogue import PASSWORD
from tests.browser.firefox import NAMES, Firefox, launched
from tests.browser.test_looks import OVERFLOW
from tests.browser.visits import Site
from tests.support.processes.programs import program

ANYBODY = (
    *("/", "/search?q=gpu", "/search?q={identifier}", "/search/versions?q=kernel"),
    *("/images/{image}", "/images/{older}", "/images/{image}/versions", "/images/{image}/lineage"),
    *("/images/{image}/versions/{version}", "/images/{older}/versions/{revoked}"),
    *("/images/{image}/channels", "/images/{image}/channels/stable"),
    *("/check", "/licenses", "/help", "/help/lifecycle", "/docs", "/docs/errors", "/keys"),
    *("/sign-in", "/no-such-page"),
)
OF_STAFF = (
    *("/", "/staff", "/staff/activity", "/staff/users", "/staff/users/1", "/staff/providers"),
    *("/images/new", "/images/{image}/edit", "/images/{image}/bulk", "/drift", "/account"),
    *("/images/{image}/versions/{version}/promote", "/images/{image}/versions/{version}/revoke"),
    *("/images/{image}/versions/new", "/account/tokens"),
)
READY = {"/docs": "document.querySelector('.opblock') && !document.querySelector('.loading')"}
"""When a page is ready that loads its contents after it was opened."""
LIGHTNESS = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
canvas.fillStyle = getComputedStyle(document.documentElement).backgroundColor;
canvas.fillRect(0, 0, 1, 1);
const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
return (red + green + blue) / 3;
"""
DRAWN = "return [document.readyState, document.querySelector('main').innerText.trim().length]"


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_in_firefox(site: Site, tmp_path: Path, scheme: str) -> None:
    with launched(program(*NAMES), tmp_path / "profile", scheme) as window:
        wrong = [found for one in ANYBODY for found in _look(window, site, one, scheme)]
        window.open(f"{site.url}/sign-in")
        window.run(
            "const form = document.querySelector('main form');"
            "form.elements.username.value = 'dora';"
            f"form.elements.password.value = '{PASSWORD}';"
            "form.querySelector('button').click();"
        )
        window.wait_for("location.pathname != '/sign-in' && document.readyState == 'complete'")
        wrong += [found for one in OF_STAFF for found in _look(window, site, one, scheme)]
    assert not wrong


def _look(window: Firefox, site: Site, address: str, scheme: str) -> list[str]:
    """What is wrong with a page, wide and narrow."""
    wrong = []
    window.resize(1280, 900)
    window.open(f"{site.url}{site.at(address)}")
    window.wait_for(READY.get(address, "true"))
    state, letters = window.run(DRAWN)
    if state != "complete" or letters < 20:
        wrong.append(f"{address} is {state}, with {letters} characters")
    if (window.run(LIGHTNESS) < 128) != (scheme == "dark"):
        wrong.append(f"{address} is not {scheme}")
    if len(window.screenshot()) < 5_000:
        wrong.append(f"{address} is blank")
    for width in (1280, 500):
        window.resize(width, 900)
        wrong += [f"{address}: {found}" for found in window.run(f"return ({OVERFLOW})()")]
    return wrong
