"""The API's reference in a browser: Swagger UI works under the policy that it is served with."""

from playwright.sync_api import expect

from tests.browser.visits import Site
from tests.browser.windows import Windows


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
