"""The addresses of pages, from what the API tells of a thing: `link.image(image)` in templates.

A version's page is named by its name; one whose name holds `/`, or means something else there, by its
UUID.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

Thing = Mapping[str, Any]

HOME = "/"
SIGN_IN = "/sign-in"
SIGN_OUT = "/sign-out"
ACCOUNT = "/account"
TOKENS = "/account/tokens"
GROUPS = "/groups"
STAFF = "/staff"
SEARCH = "/search"
NEW_IMAGE = "/images/new"

TAKEN = ("new",)
"""Names that an address of a version's cannot hold: something else is there."""


PREVIEW = "/preview"


def image(image: Thing, *rest: str) -> str:
    """The page of an image (any object with its slug), or one below it."""
    return "/".join(("/images", str(image["slug"]), *rest))


def version_key(version: Thing) -> str:
    """What names a version in an address below its image: its name, else its UUID."""
    name = str(version["name"])
    return str(version["id"]) if "/" in name or name in TAKEN else name


def version(version: Thing, *rest: str) -> str:
    """The page of a version (any object with its name, id and image), or one below it."""
    return image(version["image"], "versions", quote(version_key(version), safe=""), *rest)


def token(token: Thing, *rest: str) -> str:
    """What is below a token, such as the page that revokes it."""
    return "/".join((TOKENS, str(token["id"]), *rest))


def group(group: Thing, *rest: str) -> str:
    """The page of a group, or what is below it."""
    return "/".join((GROUPS, str(group["id"]), *rest))


def webhook(hook: Thing, *rest: str) -> str:
    """The page of a webhook, or what is below it."""
    return "/".join(("/webhooks", str(hook["id"]), *rest))


def staff(*parts: object) -> str:
    """A page of staff's: `staff("users", 7, "disable")`."""
    return "/".join((STAFF, *map(str, parts)))


def compare(one: Thing, other: Thing) -> str:
    """The page that shows what differs between two versions, below the image of the first."""
    return image(one["image"], "compare", f"{_compared(one, one)}...{_compared(other, one)}")


def _compared(version: Thing, beside: Thing) -> str:
    """A version of another image, or one whose name would not part at the dots, by its UUID."""
    key = version_key(version)
    dotted = "..." in key or key.startswith(".") or key.endswith(".")
    elsewhere = version["image"]["slug"] != beside["image"]["slug"]
    return str(version["id"]) if dotted or elsewhere else quote(key, safe="")


def channel(image_: Thing, name: str, *rest: str) -> str:
    """The page of an image's channel, or one below it."""
    return image(image_, "channels", name, *rest)


def search(**asked: Any) -> str:
    """The search for these, such as `q`, `tag`, `owner`: what is empty is left out."""
    return _with(SEARCH, asked)


def search_versions(**asked: Any) -> str:
    """All versions that fit the words `q`."""
    return _with(f"{SEARCH}/versions", asked)


def home(**asked: Any) -> str:
    """The images that these filters leave: `tag`, `provider`, `owner`, `architecture`."""
    return _with(HOME, asked)


def sign_in(then: str = "") -> str:
    """Where to sign in, to be led on to a page of this site."""
    elsewhere = then != HOME and then.partition("?")[0] != SIGN_IN
    return _with(SIGN_IN, {"next": then if elsewhere else ""})


def sign_in_elsewhere(then: str = "") -> str:
    """Where to sign in with the OpenID Connect provider, to be led on to a page of this site."""
    return _with(f"{SIGN_IN}/oidc", {"next": "" if then == HOME else then})


def _with(path: str, asked: Mapping[str, Any]) -> str:
    given = {name: value for name, value in asked.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(given)}" if given else path


def checked_next(given: str) -> str:
    """Where signing in leads: a path of this site, else home. Exactly one slash at its beginning,
    no backslash, no control character: nothing that a browser takes for another site."""
    safe = (
        given.startswith("/")
        and not given.startswith("//")
        and "\\" not in given
        and all(" " < character != "\x7f" for character in given)
    )
    return quote(given, safe="/:@!$&'()*+,;=~-._?%#[]") if safe else HOME
