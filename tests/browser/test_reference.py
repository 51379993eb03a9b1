"""The API's reference in a browser: Swagger UI works under the policy that it is served with, has the
site's header and colours, and fits a narrow window."""

from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser.visits import Site
from tests.browser.windows import Windows

# Texts whose lightness differs little from that of what is behind them.
FAINT = """() => {
  const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const light = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return a < 128 ? null : (r * 2 + g * 5 + b) / 8;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const found = light(getComputedStyle(node).backgroundColor);
      if (found !== null) return found;
    }
    return 255;
  };
  return [...document.querySelectorAll("#reference *")].filter((node) =>
    node.checkVisibility() && [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim())
  ).filter((node) => Math.abs(light(getComputedStyle(node).color) - behind(node)) < 75)
  .map((node) => `${node.className}: ${node.textContent.slice(0, 40)}`).slice(0, 20);
}"""


@pytest.mark.long
def test_the_reference_is_drawn_and_asks_the_server(site: Site, windows: Windows) -> None:
    page = windows()
    page.goto(site.at("/docs"), wait_until="load")
    operation = page.locator(".opblock", has_text="/api/v2/licenses").first
    expect(operation).to_be_visible()
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table .response-col_status").last).to_contain_text(
        "200"
    )


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_the_reference_has_the_header_and_lists_each_operation_once(
    site: Site, windows: Windows, scheme: Literal["light", "dark"]
) -> None:
    page = windows()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(site.at("/docs"), wait_until="load")
    shown = page.locator(".opblock-summary-path")
    expect(shown.first).to_be_visible()
    assert page.locator("header.top").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    summaries = page.locator(".opblock-summary").all_inner_texts()
    bare = [summary.replace("/api/v2", "") for summary in summaries]
    assert len(bare) == len({*bare}) > 60
    page.locator(".opblock-post .opblock-summary").first.click()
    expect(page.locator(".opblock-body").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    pale = page.evaluate(FAINT)
    assert not pale, "text in the colour of its ground"
