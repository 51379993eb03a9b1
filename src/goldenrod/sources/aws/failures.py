"""Why a question to AWS was not answered, in one sentence without secrets."""

import re
from collections.abc import Mapping
from typing import Self

_ERROR_CODE = re.compile(r"[A-Za-z0-9_.]{1,80}", re.ASCII)

_NOT_ACCEPTED = "AWS does not accept the credentials"
DENIED = "the policy of the credentials denies it"
_EXPIRED = "the credentials have expired, or the clock of this machine is wrong"
_RATE = "AWS limits the rate of requests"
_NOT_RETRIEVED = "the credentials could not be retrieved; sign in again"
_REASONS = {
    # Error codes of AWS.
    "AuthFailure": f"{_NOT_ACCEPTED}, or not in this region: it is not enabled for the account, or the "
    "session token is one of the global endpoint of STS",
    "OptInRequired": "the account has not enabled this region",
    "InvalidClientTokenId": _NOT_ACCEPTED,
    "UnrecognizedClientException": _NOT_ACCEPTED,
    "SignatureDoesNotMatch": _NOT_ACCEPTED,
    "IncompleteSignature": _NOT_ACCEPTED,
    "UnauthorizedOperation": DENIED,
    "AccessDenied": DENIED,
    "AccessDeniedException": DENIED,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "RequestLimitExceeded": _RATE,
    "Throttling": _RATE,
    # Names of botocore's exceptions.
    "NoCredentialsError": "no credentials were found",
    "PartialCredentialsError": "the credentials are not complete",
    "ProfileNotFound": "the profile does not exist",
    "CredentialRetrievalError": _NOT_RETRIEVED,
    "TokenRetrievalError": _NOT_RETRIEVED,
    "UnauthorizedSSOTokenError": _NOT_RETRIEVED,
    "SSOTokenLoadError": _NOT_RETRIEVED,
    "InvalidRegionError": "this is not the name of a region",
    "EndpointConnectionError": "AWS cannot be reached",
    "ConnectTimeoutError": "AWS cannot be reached",
    "ProxyConnectionError": "the proxy cannot be reached",
    "SSLError": "the certificate of the server is not trusted",
    "ReadTimeoutError": "AWS did not answer in time",
    "ConnectionClosedError": "the connection ended before the whole answer had arrived",
    "ResponseParserError": "the answer is cut short, or is not XML",
    # Ours.
    "ModuleNotFoundError": "boto3 is not installed; install it with: pip install 'goldenrod[clouds]'",
    "CutShort": "the answer is cut short",
}


class Failure(Exception):
    """Why a question was not answered. `code` is AWS's error code, or the name of an exception."""

    def __init__(self, reason: str, code: str = "") -> None:
        super().__init__(f"{reason} ({code})" if code else reason)
        self.reason = reason
        self.code = code

    @classmethod
    def of(cls, error: Exception) -> Self:
        """The failure that an exception of boto3 stands for."""
        response = getattr(error, "response", None)
        if isinstance(response, Mapping):
            said = response.get("Error")
            code = said.get("Code") if isinstance(said, Mapping) else None
            if not isinstance(code, str) or not _ERROR_CODE.fullmatch(code):
                return cls("AWS answered with an error that cannot be read")
            return cls(_REASONS.get(code, "AWS answered with an error"), code)
        kinds = [kind.__name__ for kind in type(error).__mro__]
        known = next((_REASONS[kind] for kind in kinds if kind in _REASONS), None)
        if known:
            return cls(known)
        unread = isinstance(error, LookupError | ValueError | TypeError | AttributeError)
        return cls("the answer is not one of AWS" if unread else "AWS could not be asked", kinds[0])


class CutShort(Exception):
    """A body is shorter than its Content-Length says."""
