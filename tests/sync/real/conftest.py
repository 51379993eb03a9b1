"""Fixtures of tests that sync with real servers of clouds."""

from tests.sources.conftest import aws
from tests.sources.openstack.conftest import clouds_yaml

__all__ = ["aws", "clouds_yaml"]
