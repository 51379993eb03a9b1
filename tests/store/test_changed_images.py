"""Whether an image has changed after a revision, from what is remembered of the changes."""

import random

import pytest

from goldenrod.store import changed_images
from goldenrod.store.changed_images import ChangedImages
from goldenrod.store.db import Database
from goldenrod.store.revision import Seen

IMAGES = range(1, 9)


def _at(revision: int, mark: str = "") -> Seen:
    return Seen(revision, mark or f"{revision:016x}")


def _begun(revision: int) -> ChangedImages:
    changed = ChangedImages()
    assert not changed.follows(_at(revision))
    return changed


def test_only_images_that_changed_have_changed() -> None:
    changed = _begun(10)
    assert changed.follows(_at(12))
    changed.add(_at(12), 10, [(1, 11), (2, 12)])
    assert changed.unchanged(10, [3, 4])
    assert not changed.unchanged(10, [3, 1])
    assert changed.unchanged(11, [1])
    assert not changed.unchanged(11, [1, 2])
    assert not changed.follows(_at(12)), "it is known"


def test_every_image_may_have_changed_before_it_began_and_in_a_change_of_the_catalogue() -> None:
    changed = _begun(10)
    assert not changed.unchanged(9, [1])
    changed.add(_at(14), 13, [(1, 14)])
    assert not changed.unchanged(12, [5])
    assert changed.unchanged(13, [5])
    assert not changed.unchanged(13, [1])


@pytest.mark.parametrize("now", [_at(8), _at(10, "f" * 16)])
def test_what_does_not_follow_the_known_revision_may_have_changed_every_image(now: Seen) -> None:
    """A database that lost changes comes to the same numbers again."""
    changed = _begun(10)
    changed.add(_at(10), 0, [(1, 10)])
    assert not changed.follows(now)
    assert not changed.unchanged(now.revision - 1, [5])
    assert changed.unchanged(now.revision, [5])


def test_after_forgetting_nothing_follows() -> None:
    changed = _begun(10)
    changed.forget()
    assert not changed.follows(_at(20))
    assert not changed.unchanged(19, [5])


def test_of_too_many_changes_every_image_may_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed_images, "MOST_NEW", 3)
    monkeypatch.setattr(changed_images, "MOST_IMAGES", 6)
    changed = _begun(0)
    changed.add(_at(3), 0, [(1, 1), (2, 2), (3, 3)])
    assert changed.unchanged(2, [1, 2])
    changed.add(_at(7), 0, [(1, 4), (2, 5), (3, 6), (4, 7)])
    assert not changed.unchanged(6, [5]), "more may have changed than were read"
    assert changed.unchanged(7, [5])
    for revision in range(8, 30):
        changed.add(_at(revision), 0, [(revision, revision)])
        assert not changed.unchanged(revision - 1, [revision])
        assert len(changed._state[1]) <= 6 + 2


def test_it_is_what_brute_force_says() -> None:
    chance = random.Random(11)
    for _ in range(50):
        changed, log, known = _begun(0), list[tuple[int, int | None]](), 0
        common = 0
        for revision in range(1, 60):
            of = chance.choice([None, *IMAGES]) if chance.random() < 0.1 else chance.choice(IMAGES)
            log.append((revision, of))
            common = revision if of is None else common
            if chance.random() < 0.5:
                last = {image: at for at, image in log if image is not None and at > known}
                changed.add(_at(revision), common, list(last.items()))
                known = revision
                for at in range(revision + 1):
                    asked = chance.sample(IMAGES, 3)
                    right = not any(when > at and of in (None, *asked) for when, of in log)
                    assert changed.unchanged(at, asked) == right


def test_the_images_that_were_changed_are_found_by_an_index(db: Database) -> None:
    query = changed_images.NEWER.format(known="1000000")
    with db.read() as tx:
        explain = "EXPLAIN QUERY PLAN"
        if tx.dialect == "postgresql":
            explain = "EXPLAIN"
            tx.sql("SET LOCAL enable_seqscan = off")  # the table is empty
        plan = str(tx.sql(f"{explain} {query}").fetchall())
    assert "ix_image_revisions_revision" in plan
