"""The requests of every route of the API, by `METHOD path`."""

from tests.support.access_requests.lifecycle import LIFECYCLE_ASKED
from tests.support.access_requests.resources import ROUTES_ASKED

EVERY_ASKED = ROUTES_ASKED | LIFECYCLE_ASKED
