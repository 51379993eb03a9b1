"""Reads the images of OpenStack Glance.

A scope is one project's view of one region, `CLOUD/REGION/PROJECT`, where the project is written as in
clouds.yaml. The provider is `CLOUD/REGION`. A scope is read in two lists, of the images that are not
hidden and of those that are, page by page. An answer that is not Glance's fails the whole look. The SDK
is imported only when a cloud is asked.
"""

from goldenrod.sources.openstack.source import OpenStackSource

__all__ = ["OpenStackSource"]
