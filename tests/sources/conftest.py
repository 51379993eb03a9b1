"""Fixtures of tests that read clouds."""

from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace

import pytest

from tests.support.processes.programs import library


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Credentials of AWS in the environment, and retries that do not wait.

    One real session is used by all tests: to load boto3's model of EC2 takes half a second.
    """
    library("boto3", "clouds")
    library("stamina", "clouds")
    import boto3
    import stamina

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "verysecret")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3.session, "Session", _session)
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    stamina.set_testing(True, attempts=3, cap=True)
    yield
    stamina.set_testing(False)


@cache
def _session(profile_name: str | None = None) -> object:
    import boto3
    from botocore.session import get_session

    return boto3.Session(botocore_session=get_session(), profile_name=profile_name)
