"""Schemathesis against the application in this process: code shared by the seeded slice and the
long run.

Requests are generated from `/openapi.json`, valid ones and invalid ones, and sent as one actor.
Random ids match nothing, so most valid requests get ids of existing things instead. All of
Schemathesis's checks are run on each answer: no 5xx; no undocumented status, header or body;
invalid data is refused and valid data is accepted.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit
from zlib import crc32

import schemathesis
from falcon import testing
from schemathesis import Case, CheckContext, HookContext
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from goldenrod.base import config
from goldenrod.store.db import Database
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.app import API
from tests.support.access_catalogue import CHANNELS, set_further, target
from tests.support.cast import World, build_world
from tests.support.client import ApiClient

ACTORS = (None, "alice", "dora")
"""An anonymous client, an ordinary user with the scope write, a staff user with the scope admin."""

NAMED_BY = {
    "against": "image_versions",
    "boot_script": "boot_scripts",
    "group": "groups",
    "groups": "groups",
    "identity": "identities",
    "image": "images",
    "image_id": "images",
    "image_version": "image_versions",
    "channel": "channels",
    "identifier": "identifiers",
    "identifiers": "identifiers",
    "leaders": "users",
    "license": "licenses",
    "licenses": "licenses",
    "maintainers": "groups",
    "membership": "groups",
    "owner": "users",
    "parent": "image_versions",
    "provider": "providers",
    "providers": "providers",
    "replacement": "image_versions",
    "scripts": "boot_scripts",
    "user": "users",
    "users": "users",
    "version": "image_versions",
    "version_id": "image_versions",
}
"""The resource that a field or parameter with this name refers to."""
BY_USERNAME = ("created_by", "owner", "user")
"""Parameters that take a username."""

INSIDE = ("deprecation", "requires")
"""Fields whose own fields refer to things."""

NOT_IN_A_SCHEMA = (
    "reference_unknown",
    "field_read_only",
    "idempotency_key_invalid",
    "parameter_required",
    "version_of_other_image",
    "webhook_target_refused",
)
"""Codes of 400 that depend on existing things, or on more than a schema can express."""
MORE_THAN_A_SCHEMA = (
    "at least one word",
    "cannot be combined with a token",
    "does not belong to the action",
    "has at most",
    "is no UUID",
    "is not a valid URL",
    "is required",
    "leaders are members",
    "must not be more than five minutes ago",
    "lies outside the years",
    "must be an SPDX identifier",
    "must be an http or https URL if the type is URL",
    "must be another channel",
    "must be to come",
    "takes the beginning of a name",
    "must not be . or ..",
    "must not be before start_date",
    "must not be empty",
    "must say why",
    "one line, without control characters",
    "takes at most",
    "takes words of at most",
    "where the type is",
)
"""Details of 400 about several fields at once, the current time, bytes, or a trimmed text."""

SENT_BACK = {
    path.replace("{key}", "{id}"): {*route.answers.__struct_fields__}
    - {*route.takes.__struct_fields__}
    for route in ROUTES
    for path in route.paths(API)
    if route.method == "PATCH" and route.answers and route.takes
}
"""The fields that a PATCH accepts only with their current value."""

OPEN_TO_ALL = (f"{API}/tokens", f"{API}/lookup", "/lookup")
"""Addresses that accept a POST without a token."""

TAKEN = ["2xx", "304", "401", "403", "404", "409", "412", "429"]
REFUSED = ["400", "401", "403", "404", "405", "409", "412", "413", "415", "429"]


@dataclass
class Outcome:
    """What a run sent, and the failures that it found, by operation and kind."""

    cases: int = 0
    operations: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Outcome") -> None:
        self.cases += other.cases
        self.operations |= other.operations
        self.statuses += other.statuses
        self.failures = other.failures | self.failures

    def record(self, recorder: ScenarioRecorder) -> None:
        """Add what one scenario did."""
        self.operations.add(recorder.label)
        for case_id, interaction in recorder.interactions.items():
            self.cases += 1
            if interaction.response:
                self.statuses[interaction.response.status_code] += 1
            for check in recorder.checks.get(case_id, []):
                if check.failure_info:
                    failure = check.failure_info.failure
                    kind = f"{recorder.label}: {type(failure).__name__}"
                    self.failures.setdefault(kind, _told(failure, interaction))


def _told(failure: Failure, interaction: Any) -> str:
    request, response = interaction.request, interaction.response
    sent = (
        f"{request.method} {request.uri} {dict(request.headers)} {(request.body or b'')[:1000]!r}"
    )
    got = f"{response.status_code} {response.content[:1000]!r}" if response else "no answer"
    return f"{failure.title}: {failure.message}\n  sent {sent}\n  got  {got}"


def furnished(db: Database) -> World:
    """Fill an empty catalogue with the cast and their channels, a revocation and webhooks."""
    world = build_world(db)
    set_further(db, world)
    return world


class Pool:
    """The ids, UUIDs and slugs of existing things, by resource, without the actor's own account."""

    def __init__(self, api: ApiClient, who: str | None) -> None:
        self._keys: dict[str, list[Any]] = {}
        for resource in {r.path.strip("/") for r in ROUTES if r.lists and "{" not in r.path}:
            found = api.get(f"{API}/{resource}?page_size=1000", "dora").json["results"]
            if resource in ("users", "tokens"):
                found = [
                    it for it in found if (it.get("user") or it)["username"] != (who or "dora")
                ]
            keys = [it[name] for it in found for name in ("id", "uuid", "slug") if name in it]
            self._keys[resource] = keys
        self._keys["channels"] = ["latest", *CHANNELS]
        machines = api.get(f"{API}/provider_machines?page_size=1000", "dora").json["results"]
        self._keys["identifiers"] = sorted({machine["identifier"] for machine in machines})
        self._keys["deliveries"] = [
            (str(hook), str(delivery["id"]))
            for hook in self._keys["webhooks"]
            for delivery in api.all(f"{API}/webhooks/{hook}/deliveries", "dora")
        ]

    def pick(self, resource: str, instead_of: Any) -> Any:
        """An existing value: always the same one for the same random value. If there is none, the
        random value itself."""
        keys = self._keys.get(resource)
        return keys[crc32(repr(instead_of).encode()) % len(keys)] if keys else instead_of


def fuzz(
    db: Database,
    world: World,
    who: str | None,
    *,
    seed: int,
    examples: int,
    phases: tuple[str, ...] = ("examples", "coverage", "fuzzing"),
    seconds: int | None = None,
    **only: Any,
) -> Outcome:
    """Send requests generated from the document, as `who`, to the application with this catalogue.

    `only` is an argument of Schemathesis's `include`. Without `seconds`, nothing is learnt from
    answers, so that the same seed sends the same requests.
    """
    api = ApiClient(db, config.load({}), world)
    schema = schemathesis.openapi.from_wsgi(
        "/openapi.json",
        api.client.app,
        config=_configured(world.secrets.get(who or ""), seed, examples, phases, seconds),
    )
    if only:
        schema = schema.include(**only)
    _hook(schema, Pool(api, who))
    outcome = Outcome()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            outcome.record(event.recorder)
        elif isinstance(event, events.NonFatalError):
            outcome.failures[f"{event.label}: error"] = str(event.value)
        elif isinstance(event, events.FatalError):
            raise event.exception
    return outcome


def _configured(
    secret: str | None,
    seed: int,
    examples: int,
    phases: tuple[str, ...],
    seconds: int | None,
) -> SchemathesisConfig:
    authorization = {"Authorization": f"Token {secret}"} if secret else {}
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            # In this process nothing decompresses answers.
            "headers": {"Accept-Encoding": "identity", **authorization},
            "generation": {
                "max-examples": examples,
                "with-security-parameters": False,
                "no-shrink": True,
                "database": "none",
            },
            "phases": {
                "stateful": {"enabled": "stateful" in phases},
                **{
                    name: {
                        "enabled": name in phases,
                        "extra-data-sources": {"responses": seconds is not None},
                    }
                    for name in ("examples", "coverage", "fuzzing")
                },
            },
            "checks": {
                "positive_data_acceptance": {"expected-statuses": TAKEN},
                "negative_data_rejection": {"expected-statuses": REFUSED},
                "ignored_auth": {"enabled": False},
                # What was deleted has ended or is revoked: its editors may still read it.
                "use_after_free": {"enabled": False},
            },
            **({"max-time": seconds} if seconds else {}),
        }
    )


def _hook(schema: Any, pool: Pool) -> None:
    @schema.hook
    def map_case(context: HookContext, case: Case) -> Case:
        if case.meta and case.meta.generation.mode.is_positive:
            _use_real_things(case, pool)
        return case

    @schema.hook
    def filter_failure(
        context: HookContext, failure: Failure, case: Case, response: Response
    ) -> bool:
        return type(failure).__name__ != "RejectedPositiveData" or not _beyond(response)


def _use_real_things(case: Case, pool: Pool) -> None:
    """Put existing things into a valid request, two times in three."""
    resource = case.path.removeprefix(API).split("/")[1]
    path, query, body = case.path_parameters, case.query, case.body
    _use_real_keys(path, resource, pool)
    if query:
        # Random cursors are refused. Other tests follow the links of lists.
        query.pop("cursor", None)
        for name in query.keys() & NAMED_BY.keys():
            if name in BY_USERNAME and resource != "tokens":
                query[name] = "alice"
            elif _often(query[name]):
                query[name] = str(pool.pick(NAMED_BY[name], query[name]))
    if isinstance(body, dict):
        for name in SENT_BACK.get(case.path, ()) if case.method == "PATCH" else ():
            body.pop(name, None)
        for part in (body, *map(body.get, INSIDE), *body.get("identifiers", ())):
            if isinstance(part, dict):
                _name_real_things(part, pool)
        if "target" in body:
            # An IP address, so that tests do not use a name server.
            body["target"] = target("new")


def _use_real_keys(path: dict[str, Any], resource: str, pool: Pool) -> None:
    for name in path:
        if name == "id" and _often(path[name]):
            path[name] = str(pool.pick(resource, path[name]))
        elif name in ("image", "provider") and _often(path[name]):
            path[name] = str(pool.pick(NAMED_BY[name], path[name]))
        elif name in ("name", "channel") and _often(path[name]):
            path[name] = str(pool.pick("channels", path[name]))
    if "delivery" in path and _often(path["delivery"]):
        path["id"], path["delivery"] = pool.pick("deliveries", path["delivery"])


def _name_real_things(body: dict[str, Any], pool: Pool) -> None:
    for name in body.keys() & NAMED_BY.keys():
        if name == "identifier" and "version" in body:
            continue  # A new machine has its own identifier.
        if isinstance(body[name], list):
            # A look-up gives an identifier with or without its provider.
            body[name] = [
                it
                if name == "identifiers" and isinstance(it, dict)
                else pool.pick(NAMED_BY[name], it)
                for it in body[name]
            ]
        elif body[name] is not None and _often(body[name]):
            body[name] = pool.pick(NAMED_BY[name], body[name])


def _often(value: Any) -> bool:
    return crc32(repr(value).encode()) % 3 != 0


def _beyond(response: Response) -> bool:
    """Whether a 400 is about something that a schema cannot express."""
    problem = json.loads(response.content)
    if any(words in problem["detail"] for words in MORE_THAN_A_SCHEMA):
        return True
    if "control character" in problem["detail"]:
        # A reference may be the whole answer to a GET. Its other members have no schema.
        return bool({*re.findall(r"\w+", problem["errors"][0]["field"])} & {"tags", *NAMED_BY})
    return problem["code"] in NOT_IN_A_SCHEMA


@schemathesis.check
def credentials_are_needed(ctx: CheckContext, response: Response, case: Case) -> None:
    """A change that a token allows is refused without credentials, and with a wrong token.

    It replaces Schemathesis's `ignored_auth`, whose own requests fail on WSGI applications.
    """
    sent = response.request
    changing = sent.method in ("POST", "PATCH", "PUT", "DELETE")
    if not changing or response.status_code >= 300 or case.path in OPEN_TO_ALL:
        return
    address = urlsplit(sent.url)
    kept = {name: value for name, value in sent.headers.items() if name in SENT_AGAIN}
    for authorization in ({}, {"Authorization": "Token wrong"}):
        again = testing.simulate_request(
            case.operation.app,
            sent.method,
            unquote(address.path),
            query_string=address.query,
            headers=kept | authorization,
            body=sent.body,
        )
        assert again.status_code == 401, f"{again.status_code} with {authorization or 'no token'}"


SENT_AGAIN = ("Content-Type", "If-Match", "Idempotency-Key")
