"""The security headers of all answers: pages, JSON, files, redirects, 304 and errors.

They limit what browsers do with an answer. Where an answer sets one of them itself, as pages do with
Content-Security-Policy, that one is sent. `with_shared` is applied once, around the whole application
(`app.py`), so that no handler can forget them.
"""

from goldenrod.base.config import Settings
from goldenrod.web.response_cache import Headers

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of everything but pages: it loads nothing and is shown in no frame."""

_UNUSED = (
    *("accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "geolocation"),
    *("gyroscope", "hid", "magnetometer", "microphone", "midi", "payment", "screen-wake-lock"),
    *("serial", "usb", "xr-spatial-tracking"),
)
"""Features of browsers that no page here uses."""

_SHARED = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("permissions-policy", ", ".join(f"{feature}=()" for feature in _UNUSED)),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("vary", "Authorization, Accept, Accept-Encoding"),
    # Granian adds its name unless the header is set.
    ("server", ""),
)
_HTTPS_ONLY = ("strict-transport-security", "max-age=31536000")
"""For a year, browsers use https only."""


class SharedHeaders:
    """The security headers of one application's answers."""

    def __init__(self, settings: Settings) -> None:
        https = settings.public_url.startswith("https:")
        self._shared = (*_SHARED, _HTTPS_ONLY) if https else _SHARED

    def with_shared(self, headers: Headers) -> Headers:
        """An answer's headers, and those of the shared ones that it does not set itself."""
        own = {name.lower() for name, _ in headers}
        return [*headers, *(header for header in self._shared if header[0] not in own)]
