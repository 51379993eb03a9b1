"""The addresses of pages, made from the API's answers. Templates write `link.image(image)`.

A version's address has its name. If the name contains `/`, is reserved (`TAKEN`) or has the form of a
UUID, it has the version's UUID.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from goldenrod.base.text import CHANNEL_KEY, is_uuid

Thing = Mapping[str, Any]

HOME = "/"
SIGN_IN = "/sign-in"
ACCOUNT = "/account"
TOKENS = "/account/tokens"
GROUPS = "/groups"
STAFF = "/staff"
SEARCH = "/search"
CHECK = "/check"
LICENSES = "/licenses"
SCRIPTS = "/scripts"
SYNCS = "/syncs"
DRIFT = "/drift"
NEW_IMAGE = "/images/new"

TAKEN = ("new",)
"""Version names that cannot be used in an address, because another page is there."""


def image(image: Thing, *rest: str) -> str:
    """The page of an image (any object with its slug), or one below it."""
    return "/".join(("/images", str(image["slug"]), *rest))


def version_key(version: Thing) -> str:
    """The part of an address that identifies a version of its image: its name or UUID."""
    name = str(version["name"])
    by_id = "/" in name or name in TAKEN or is_uuid(name)
    return str(version["id"]) if by_id else name


def version(version: Thing, *rest: str) -> str:
    """The page of a version (any object with its name, id and image), or one below it."""
    return image(version["image"], "versions", quote(version_key(version), safe=""), *rest)


def json(thing: Thing, *rest: str) -> str:
    """The JSON of a thing for whoever sees its page: the API knows tokens, not a browser's session."""
    return "/".join(("/json", *str(thing["url"]).rsplit("/", 2)[1:], *rest))


def text(thing: Thing, *rest: str) -> str:
    """The page of a license or boot script, or one below it."""
    resource, key = str(thing["url"]).rsplit("/", 2)[1:]
    return "/".join((SCRIPTS if resource == "boot_scripts" else LICENSES, key, *rest))


def token(token: Thing, *rest: str) -> str:
    """A page below a token, such as the one that revokes it."""
    return "/".join((TOKENS, str(token["id"]), *rest))


def group(group: Thing, *rest: str) -> str:
    """The page of a group, or one below it."""
    return "/".join((GROUPS, str(group["id"]), *rest))


def webhook(hook: Thing, *rest: str) -> str:
    """The page of a webhook, or one below it."""
    return "/".join(("/webhooks", str(hook["id"]), *rest))


def sync_run(run: Thing) -> str:
    """The page of a run of a sync."""
    return f"{SYNCS}/{run['id']}"


def staff(*parts: object) -> str:
    """A page of the administration: `staff("users", 7, "disable")`."""
    return "/".join((STAFF, *map(str, parts)))


def activity(**asked: Any) -> str:
    """The activity page with these filters, such as `user`; empty ones are left out."""
    return _with(staff("activity"), asked)


def compare(one: Thing, other: Thing) -> str:
    """The page that compares two versions. It is below the image of the first. A version with a
    `channel` was named by it, and its address follows what the channel offers."""
    return image(one["image"], "compare", f"{_compared(one, one)}...{_compared(other, one)}")


def _compared(version: Thing, beside: Thing) -> str:
    """The version's name, or its channel's; or its UUID if it is of another image, its dots would be
    ambiguous, or its name looks like a channel."""
    channel_ = version.get("channel")
    key = f"{CHANNEL_KEY}{channel_}" if channel_ else version_key(version)
    looks_like_channel = not channel_ and key.startswith(CHANNEL_KEY)
    dotted = "..." in key or key.startswith(".") or key.endswith(".")
    elsewhere = version["image"]["slug"] != beside["image"]["slug"]
    by_id = dotted or elsewhere or looks_like_channel
    return str(version["id"]) if by_id else quote(key, safe=":" if channel_ else "")


def channel(image_: Thing, name: str, *rest: str) -> str:
    """The page of an image's channel, or one below it."""
    return image(image_, "channels", name, *rest)


def versions(image_: Thing, **asked: Any) -> str:
    """The versions of an image, with these filters."""
    return _with(image(image_, "versions"), asked)


def versions_csv(image_: Thing, **asked: Any) -> str:
    """The same as a CSV file."""
    return _with(image(image_, "versions.csv"), asked)


def search(**asked: Any) -> str:
    """The search page with these parameters, such as `q`, `tag`, `owner`; empty ones are left out."""
    return _with(SEARCH, asked)


def search_versions(**asked: Any) -> str:
    """The page of all versions that match the words `q`."""
    return _with(f"{SEARCH}/versions", asked)


def home(**asked: Any) -> str:
    """The list of images with these filters: `tag`, `provider`, `owner`, `architecture`."""
    return _with(HOME, asked)


def drift(**asked: Any) -> str:
    """The list of machines that differ from their cloud, with these filters: `image`, `kind`."""
    return _with(DRIFT, asked)


def sign_in(then: str = "") -> str:
    """The sign-in page, which redirects to a page of this site afterwards."""
    elsewhere = then != HOME and then.partition("?")[0] != SIGN_IN
    return _with(SIGN_IN, {"next": then if elsewhere else ""})


def sign_in_elsewhere(then: str = "") -> str:
    """The address that starts an OpenID Connect sign-in, and redirects to a page of this site after."""
    return _with(f"{SIGN_IN}/oidc", {"next": "" if then == HOME else then})


def help(name: str = "", anchor: str = "") -> str:
    """A document of the help, or the section with this anchor; without a name, the help itself."""
    path = f"/help/{name}" if name else "/help"
    return f"{path}#{anchor}" if anchor else path


def _with(path: str, asked: Mapping[str, Any]) -> str:
    given = {name: value for name, value in asked.items() if value not in (None, "", False, [])}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def checked_next(given: str) -> str:
    """The path to redirect to after signing in; the home page if the given path is not safe.

    A safe path begins with exactly one slash and has no backslash or control character, so that no
    browser takes it for another site.
    """
    safe = (
        given.startswith("/")
        and not given.startswith("//")
        and "\\" not in given
        and all(" " < character != "\x7f" for character in given)
    )
    return quote(given, safe="/:@!$&'()*+,;=~-._?%#[]") if safe else HOME
