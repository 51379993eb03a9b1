"""Reads machine images (AMIs) of Amazon EC2 with boto3, region by region.

A scope is one region as one account sees it, `123456789012/eu-west-1`: other credentials see other
images, so an image that another account does not list is not missing. A provider is a region.

An answer counts only if it has the key `Images` and a request id: a proxy's page in HTML reads as an
answer without images. If one page of a region cannot be read, its look fails, and the pages before it
are not used. Whose images are read must be declared, and the owner of each is checked again, because
anybody may publish an image under any name.

Reasons name the source, the region and AWS's error code. They never repeat AWS's messages, which may
contain parts of a request.
"""

import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from goldenrod.base.clock import now
from goldenrod.base.numbers import are_digits
from goldenrod.sources.aws.failures import DENIED, CutShort, Failure
from goldenrod.sources.aws.images import Place, images_of, parse, permitted
from goldenrod.sources.declarations import Aws
from goldenrod.sources.found import Listed, Look, Presence, Skipped, Visibility
from goldenrod.sources.name_rules import NameRules

PAGE_SIZE = 1000
MOST_BODY_BYTES = 32 * 1024 * 1024
"""A longer answer is not parsed. A page of images has about a kilobyte per image."""
MOST_LOOK_SECONDS = 1800

_PERMISSIONS_AT_ONCE = 8
"""Each question who may launch an image is a request. boto3 keeps ten connections to a region."""
_CONNECT_SECONDS, _READ_SECONDS = 10, 60
_ATTEMPTS = 5
_HOME_REGION = "us-east-1"
_REGION = re.compile(r"(?=.{1,64}\Z)[a-z]+(-[a-z]+)+-[0-9]+", re.ASCII)


class AwsSource:
    """Machine images of EC2 as declared. Safe to be used by several threads at once.

    It reads no files: `directory` is there because other sources need it.
    """

    def __init__(self, declared: Aws, rules: NameRules, directory: Path | None = None) -> None:
        self._declared = declared
        self._rules = rules
        self._lock = Lock()
        self._session: Any = None
        self._clients: dict[tuple[str, str], Any] = {}
        self._known_account = ""

    def scopes(self) -> tuple[list[str], list[Look]]:
        """A scope for each declared region; if none is declared, for each that the account enabled."""
        home = self._declared.regions[0] if self._declared.regions else ""
        try:
            account = self._account(home)
            regions = self._declared.regions or self._enabled_regions()
        except Failure as failure:
            return [], [self._failed("*", home, failure)]
        return [f"{account}/{region}" for region in dict.fromkeys(regions)], []

    def look(self, scope: str) -> Look:
        """Read all images of a region."""
        read_at = now()
        account, _, region = scope.rpartition("/")
        try:
            self._check_account(account, region)
            rows, notes = self._read(account, region, scope)
        except Failure as failure:
            return self._failed(scope, region, failure)
        return Look(scope=scope, read_at=read_at, rows=tuple(rows), notes=tuple(notes))

    def presence(self, scope: str, provider: str, identifier: str) -> Presence:
        """Ask for one image by its id. Of several ids, AWS would fail the question for one unknown."""
        account, _, region = scope.rpartition("/")
        try:
            self._check_account(account, region)
            answer = self._ask(
                "ec2",
                provider,
                "describe_images",
                ImageIds=[identifier],
                IncludeDeprecated=True,
                IncludeDisabled=True,
            )
            images = images_of(answer)
        except Failure as failure:
            gone = failure.code in ("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable")
            return "gone" if gone else "unknown"
        if not images:
            return "gone"
        states = [
            image.get("State")
            for image in images
            if isinstance(image, Mapping) and image.get("ImageId") == identifier
        ]
        if not states:
            return "unknown"
        return "gone" if states == ["deregistered"] else "there"

    def _failed(self, scope: str, region: str, failure: Failure) -> Look:
        where = f"{self._declared.name}, {region}" if region else self._declared.name
        return Look(scope=scope, read_at=now(), failed=f"{where}: {failure}")

    def _account(self, region: str) -> str:
        """The account of the credentials."""
        if not self._known_account:
            answer = self._ask("sts", region, "get_caller_identity")
            account = answer.get("Account")
            if not isinstance(account, str) or not re.fullmatch(r"\d{1,20}", account, re.ASCII):
                raise Failure("AWS did not say which account the credentials are of")
            self._known_account = account
        return self._known_account

    def _check_account(self, account: str, region: str) -> None:
        if self._account(region) != account:
            raise Failure(f"the credentials are of another account than {account}")

    def _enabled_regions(self) -> list[str]:
        try:
            answer = self._ask("ec2", "", "describe_regions")
        except Failure as failure:
            if failure.reason != DENIED:
                raise
            raise Failure(f"{failure}; declare the regions to read them without it") from None
        regions = answer.get("Regions")
        listed = regions if isinstance(regions, list) else []
        names = [str(one.get("RegionName")) for one in listed if isinstance(one, Mapping)]
        if not names or not all(map(_REGION.fullmatch, names)):
            raise Failure("the answer does not name the regions")
        return names

    def _read(
        self, account: str, region: str, scope: str
    ) -> tuple[list[Listed | Skipped], list[str]]:
        deadline = time.monotonic() + MOST_LOOK_SECONDS
        declared = self._declared
        place = Place(
            scope=scope,
            region=region,
            account=account,
            owners=tuple(declared.owners_by_region.get(region, declared.owners)),
            tags=tuple(declared.tags),
            marketplace=declared.marketplace,
        )
        rows: list[Listed | Skipped] = []
        seen: set[str] = set()
        for images in self._pages(place, deadline):
            rows += parse(images, place, self._rules, seen)
        return self._with_permissions(rows, place, deadline)

    def _pages(self, place: Place, deadline: float) -> Iterator[list[object]]:
        """The pages of a region's images. A short or empty page may be followed by others.

        boto3's paginator notices a repeated token only if it follows itself, and cannot ask for one
        page again.
        """
        filters = [{"Name": "image-type", "Values": ["machine"]}]
        if self._declared.names:
            filters.append({"Name": "name", "Values": list(self._declared.names)})
        more: dict[str, str] = {}
        tokens: set[str] = set()
        while True:
            answer = self._ask(
                "ec2",
                place.region,
                "describe_images",
                Owners=list(place.owners),
                Filters=filters,
                IncludeDeprecated=True,
                IncludeDisabled=True,
                MaxResults=PAGE_SIZE,
                **more,
            )
            yield images_of(answer)
            token = answer.get("NextToken")
            if not token:
                return
            if not isinstance(token, str) or token in tokens:
                raise Failure("AWS repeats its pages without end")
            if time.monotonic() > deadline:
                raise Failure(f"reading it takes longer than {MOST_LOOK_SECONDS} seconds")
            tokens.add(token)
            more = {"NextToken": token}

    def _with_permissions(
        self, rows: list[Listed | Skipped], place: Place, deadline: float
    ) -> tuple[list[Listed | Skipped], list[str]]:
        """The rows, with who may launch the account's own images that are not public."""
        own = [
            number
            for number, row in enumerate(rows)
            if isinstance(row, Listed)
            and row.machine.visibility is None
            and row.machine.owner == place.account
        ]
        own.sort(key=lambda number: _created(rows[number]), reverse=True)
        told: dict[int, Visibility | None] = {}
        failed: list[Failure] = []

        def ask(number: int) -> None:
            row = rows[number]
            if failed or time.monotonic() > deadline or not isinstance(row, Listed):
                return
            try:
                answer = self._ask(
                    "ec2",
                    place.region,
                    "describe_image_attribute",
                    ImageId=row.machine.identifier,
                    Attribute="launchPermission",
                )
                told[number] = permitted(answer)
            except Failure as failure:
                if failure.code.startswith("InvalidAMIID."):
                    told[number] = None  # it was deregistered meanwhile
                else:
                    failed.append(failure)

        with ThreadPoolExecutor(_PERMISSIONS_AT_ONCE) as threads:
            list(threads.map(ask, own))
        for number, visibility in told.items():
            row = rows[number]
            assert isinstance(row, Listed)
            machine = msgspec.structs.replace(row.machine, visibility=visibility)
            rows[number] = msgspec.structs.replace(row, machine=machine)
        if len(told) == len(own):
            return rows, []
        why = str(failed[0]) if failed else f"{MOST_LOOK_SECONDS} seconds were over"
        unknown = f"who may launch {len(own) - len(told):,} of {len(own):,} own images is not known"
        return rows, [f"{unknown}, so they do not count as public: {why}"]

    def _ask(self, service: str, region: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one question. Raises only Failure.

        botocore repeats questions after throttling, errors of the server and broken connections, but
        not where a body is cut short.
        """
        try:
            import stamina

            stamina.instrumentation.set_on_retry_hooks([])  # they would write to the output
            client = self._client(service, region)
            for attempt in stamina.retry_context(on=_was_cut_short, attempts=3, timeout=120):
                with attempt:
                    answer = getattr(client, operation)(**parameters)
        except Failure:
            raise
        except Exception as error:
            raise Failure.of(error) from None
        if not isinstance(answer, dict):
            raise Failure("the answer is of another kind")
        return answer

    def _client(self, service: str, region: str) -> Any:
        """A client of boto3. Clients may be shared between threads, sessions may not."""
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._new_client(service, region)
            return self._clients[service, region]

    def _new_client(self, service: str, region: str) -> Any:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        if self._session is None:
            self._session = boto3.session.Session(profile_name=self._declared.profile)
        try:
            client = self._session.client(
                service,
                region_name=region or self._session.region_name or _HOME_REGION,
                endpoint_url=self._declared.endpoint_url,
                config=Config(
                    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    user_agent_extra="goldenrod",
                ),
            )
        except BotoCoreError:
            raise
        except ValueError:
            raise Failure("endpoint_url is not a URL") from None
        client.meta.events.register("before-parse", _check_body)
        return client


def _created(row: Listed | Skipped) -> str:
    return (row.machine.created_at or "") if isinstance(row, Listed) else ""


def _was_cut_short(error: Exception) -> bool:
    return type(error).__name__ in ("ResponseParserError", "CutShort")


def _check_body(response_dict: Mapping[str, Any], **_: object) -> None:
    """Raises for a body that is shorter than announced or too long. botocore checks neither."""
    body = response_dict.get("body")
    length = len(body) if isinstance(body, bytes) else 0
    if length > MOST_BODY_BYTES:
        raise Failure(f"the answer is longer than {MOST_BODY_BYTES // 1024**2} MiB")
    announced = str(response_dict.get("headers", {}).get("content-length", length))
    if are_digits(announced) and int(announced) > length:
        raise CutShort
