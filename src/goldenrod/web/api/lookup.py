"""Handlers of look-up: what the ids of running machines are."""

from goldenrod.base import wire
from goldenrod.base.faults import Faults
from goldenrod.catalogue.channels import lookup
from goldenrod.catalogue.versions import providers
from goldenrod.web.api.handlers import one, parameter_problem
from goldenrod.web.request import Request, Response, written


def look_up_one(request: Request) -> Response:
    """GET what one id is."""
    with request.read() as (tx, actor):
        given = request.options("identifier", "provider")
        identifier = given.get("identifier", "")
        if not 0 < len(identifier) <= lookup.MOST_CHARACTERS:
            raise parameter_problem(
                "identifier", f"takes an id of 1 to {lookup.MOST_CHARACTERS} characters."
            )
        provider = given.get("provider")
        if provider is not None and not providers.PROVIDERS.takes(provider):
            raise parameter_problem("provider", "takes an id or uuid or slug.")
        asked = wire.Running(identifier=identifier, provider=provider)
        found = lookup.look_up(tx, actor, [asked])
        # The provider is in the address: like a text in POST, the id alone is what was asked.
        found["results"][0]["asked"] = identifier
        return one(written(found))


def look_up_many(request: Request) -> Response:
    """POST up to a thousand ids; it changes nothing, and needs no credentials."""
    with request.read() as (_, _actor):
        request.no_arguments()
    faults = Faults()
    body = request.body(wire.Lookup, faults)
    with request.read() as (tx, actor):
        return Response(200, written(faults.then(lookup.look_up, tx, actor, body.identifiers)))
