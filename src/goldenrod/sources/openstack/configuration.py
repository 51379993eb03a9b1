"""Which regions clouds.yaml or the service catalogue name, and why one of them cannot be read."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from goldenrod.sources.name_rules import clean_name

if TYPE_CHECKING:
    from openstack.config import OpenStackConfig
    from openstack.config.cloud_region import CloudRegion

NOT_INSTALLED = "openstacksdk is not installed: pip install 'goldenrod[clouds]'"


class ScopeFailed(Exception):
    """A scope cannot be read. The message is the reason, for the report."""


@dataclass(frozen=True)
class Place:
    """Where a scope is: a region of the cloud. The region is empty where the cloud has none."""

    cloud: str
    region: str

    @property
    def provider(self) -> str:
        return f"{self.cloud}/{self.region}" if self.region else self.cloud


def open_config() -> "OpenStackConfig":
    """What clouds.yaml and the environment say. What they do not say about patience is said here."""
    from openstack.config import OpenStackConfig

    for name in ("openstack", "keystoneauth"):
        # Where nobody set up logging, its warnings would go to the terminal, in the middle of ours.
        if not (logger := logging.getLogger(name)).handlers:
            logger.addHandler(logging.NullHandler())
    return OpenStackConfig(override_defaults={"api_timeout": 60, "image_status_code_retries": 3})


def regions(cloud: str, declared: list[str]) -> tuple[list[str], str]:
    """The regions of a cloud: the declared ones, else those of clouds.yaml, else of the service
    catalogue; and the project that one signs in to. Raises ScopeFailed, and whatever the SDK raises."""
    config = open_config()
    entry = ((config.cloud_config or {}).get("clouds") or {}).get(cloud)
    if not isinstance(entry, dict):
        raise ScopeFailed(f"clouds.yaml has no cloud {cloud!r}")
    found = declared or _configured_regions(entry)
    found = found or _regions_of_catalogue(config.get_one(cloud=cloud))
    for region in found:
        if region and clean_name(region) != region:
            raise ScopeFailed(f"{region[:100]!a} is not the name of a region")
    return list(dict.fromkeys(found)), _project(entry)


def _configured_regions(entry: dict[str, Any]) -> list[str]:
    """The regions that a cloud of clouds.yaml names."""
    regions = entry.get("regions") or entry.get("region_name") or []
    if isinstance(regions, str):
        regions = [one.strip() for one in regions.split(",")]
    return [str(one.get("name") if isinstance(one, dict) else one) for one in regions]


def _regions_of_catalogue(region: "CloudRegion") -> list[str]:
    """The regions in which the service catalogue has an image service; one without a name where
    signing in gives no catalogue."""
    catalogue = region.get_service_catalog()
    if catalogue is None:
        return [""]
    found = catalogue.get_endpoints(
        service_type="image", interface=region.get_interface("image") or "public"
    )
    regions = [
        str((one or {}).get("region_id") or (one or {}).get("region") or "")
        for endpoints in found.values()
        for one in endpoints
    ]
    if not regions:
        raise ScopeFailed("its service catalogue names no image service")
    return regions


def _project(entry: dict[str, Any]) -> str:
    """The project that one signs in to, as clouds.yaml says it. It is part of the scope, because each
    project sees other images: those that only another one saw are not gone."""
    auth = entry.get("auth")
    said = auth if isinstance(auth, dict) else {}
    ways = ("project_id", "tenant_id", "project_name", "tenant_name")
    more = ("application_credential_id", "application_credential_name")
    return next((str(said[key]) for key in (*ways, *more) if said.get(key)), "")


def refusal(status: int) -> str:
    """The reason of an answer with an error."""
    if status in (401, 403):
        return f"the cloud refused the credentials ({status})"
    return f"the cloud answered {status}"


def why(wrong: Exception) -> str:
    """The reason in our words: a library's may hold addresses, file contents or secrets."""
    if isinstance(wrong, ImportError):
        return NOT_INSTALLED
    from keystoneauth1 import exceptions as known
    from openstack.exceptions import ConfigException, NotSupported

    if isinstance(wrong, known.HttpError):
        return refusal(wrong.http_status)
    reasons: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        ((known.ConnectTimeout, known.RequestTimeout), "the cloud did not answer in time"),
        (known.SSLError, "the certificate of the cloud cannot be verified"),
        (known.ConnectionError, "the cloud cannot be reached"),
        (
            (known.DiscoveryFailure, known.InvalidResponse, NotSupported),
            "no service of OpenStack answers at its address",
        ),
        (known.CatalogException, "its service catalogue names no image service"),
        (
            (ConfigException, known.AuthPluginException),
            "clouds.yaml does not say all that signing in needs, or has no such region",
        ),
    )
    for kinds, reason in reasons:
        if isinstance(wrong, kinds):
            return reason
    return f"it cannot be read ({type(wrong).__name__})"
