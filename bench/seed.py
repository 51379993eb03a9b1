"""A catalogue to measure on: as many versions as asked for, with what versions have."""

from goldenrod.base import bodies
from goldenrod.base.clock import Instant, later
from goldenrod.catalogue import images, people, providers, publishing, tokens
from goldenrod.catalogue.machines import insert_machine
from goldenrod.rules import standing
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database

PER_IMAGE = 100
MACHINES = 3
START = Instant("2020-01-01T00:00:00.000000Z")


def seed(db: Database, versions: int) -> str:
    """Fill an empty catalogue: images of a hundred versions each, three machines a version, every
    tenth image private. Returns the token of a user who owns a tenth of the images."""
    with db.write() as tx:
        body = bodies.NewUser(username="reader")
        reader = int(people.create_user(tx, CONSOLE, body).key)
        other = int(people.create_user(tx, CONSOLE, bodies.NewUser(username="owner")).key)
        token = bodies.NewToken(name="bench", scope="read")
        _, secret = tokens.insert_token(tx, CONSOLE, reader, token)
        places = [
            int(providers.create_provider(tx, CONSOLE, bodies.NewProvider(name=n, public=True)).key)
            for n in ("east", "west", "north")
        ]
        actors = [tokens.actor_of_user(tx, user, "write") for user in (reader, other)]
    for number in range(versions // PER_IMAGE):
        with db.write() as tx:
            actor = actors[0 if number % 10 == 0 else 1]
            body = bodies.NewImage(
                name=f"image {number}", is_public=number % 10 != 1, tags=[f"tag{number % 20}"]
            )
            image_id = int(images.create_image(tx, actor, body).key)
            parent = None
            for release in range(PER_IMAGE):
                values = {
                    "name": f"2.0.{release}",
                    "change_log": f"Release {release}: kernel and package updates.",
                    "allow_imaging": True,
                    "start_date": later(START, hours=number + release * 24),
                    "end_date": None,
                }
                parent = publishing.insert_version(tx, actor, image_id, parent, values)
                for place in places[:MACHINES]:
                    machine = {
                        "provider_id": place,
                        "identifier": f"ami-{number:06x}{release:04x}{place}",
                        "architecture": "x86_64",
                        "size_gb": 30,
                        "checksum": "",
                        "start_date": values["start_date"],
                        "end_date": None,
                    }
                    insert_machine(tx, actor, parent, image_id, machine)
            standing.of_image(tx, image_id)
    return secret
