"""The headers that every answer carries, whatever it is: pages, JSON, files, redirects, 304, errors.

They tell browsers what an answer may not be used for. An answer that sets one of them itself, as pages
do with their Content-Security-Policy, keeps its own. `with_shared` is applied once, around the whole
application (`app.py`), so that no handler can forget them.
"""

from goldenrod.base.config import Settings
from goldenrod.web.response_cache import Headers

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of what is no page: it loads nothing and is shown in no frame."""

_UNUSED = (
    *("accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "geolocation"),
    *("gyroscope", "hid", "magnetometer", "microphone", "midi", "payment", "screen-wake-lock"),
    *("serial", "usb", "xr-spatial-tracking"),
)
"""What a browser can do that no page here asks of it."""

_SHARED = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("permissions-policy", ", ".join(f"{feature}=()" for feature in _UNUSED)),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("vary", "Authorization, Accept"),
    # Granian names itself where an answer does not: it is not told who serves.
    ("server", ""),
)
_HTTPS_ONLY = ("strict-transport-security", "max-age=31536000")
"""For a year, browsers come by https only."""


class SharedHeaders:
    """The headers shared by the answers of one application."""

    def __init__(self, settings: Settings) -> None:
        https = settings.public_url.startswith("https:")
        self._shared = (*_SHARED, _HTTPS_ONLY) if https else _SHARED

    def with_shared(self, headers: Headers) -> Headers:
        """An answer's headers, with the shared ones that it does not set itself."""
        own = {name.lower() for name, _ in headers}
        return [*headers, *(header for header in self._shared if header[0] not in own)]
