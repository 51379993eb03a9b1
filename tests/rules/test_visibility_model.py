"""The model of who sees what says what the rule says: one small world per sentence."""

from random import Random

import pytest
from hypothesis import given

from tests.support.visibility import model
from tests.support.visibility import random_worlds as drawn
from tests.support.visibility.model import (
    ANONYMOUS,
    FAR_OFF,
    INSTANTS,
    JUST_AFTER,
    JUST_BEFORE,
    LONG_AGO,
    NOW,
    Channel,
    Group,
    Identity,
    Image,
    License,
    Machine,
    Provider,
    Reader,
    Script,
    Tag,
    Token,
    User,
    Version,
    Webhook,
    World,
)

ALICE, BOB, CHARLIE, DORA = 1, 2, 3, 4
LAB = 5


@pytest.fixture
def world() -> World:
    """Alice's private image 1 with version 1, shared with bob's group LAB, one machine.

    Charlie is a stranger, dora is staff; all is current.
    """
    names = ("alice", "bob", "charlie", "dora")
    users = {i: User(i, name, is_staff=i == DORA) for i, name in enumerate(names, 1)}
    personal = {i: Group(i, u.username, {i}, personal_of=i) for i, u in users.items()}
    return World(
        users=users,
        groups={**personal, LAB: Group(LAB, "lab", {BOB}, {BOB})},
        providers={1: Provider(1)},
        images={1: Image(1, owner=ALICE, created_by=ALICE, is_public=False)},
        versions={1: Version(1, image=1, user=ALICE, membership={LAB})},
        machines={1: Machine(1, version=1, provider=1)},
    )


def who_reads(world: World) -> dict[str, bool]:
    """Who of the cast reads version 1; dora with her powers and without."""
    cast = {
        "anonymous": ANONYMOUS,
        "alice": model.reader_of(world, ALICE),
        "bob": model.reader_of(world, BOB),
        "charlie": model.reader_of(world, CHARLIE),
        "dora": model.reader_of(world, DORA),
        "dora as staff": model.reader_of(world, DORA, staff=True),
    }
    return {name: model.reads_version(world, reader, 1, NOW) for name, reader in cast.items()}


def readers_of_version(world: World) -> set[str]:
    return {name for name, reads in who_reads(world).items() if reads}


@pytest.mark.parametrize(
    ("start", "end", "is_current"),
    [
        (LONG_AGO, None, True),
        (NOW, None, True),
        (JUST_AFTER, None, False),
        (LONG_AGO, JUST_BEFORE, False),
        (LONG_AGO, NOW, False),
        (LONG_AGO, JUST_AFTER, True),
        (NOW, NOW, False),
        (FAR_OFF, NOW, False),
    ],
)
def test_a_thing_is_current_from_its_start_until_just_before_its_end(
    world: World, start: str, end: str | None, is_current: bool
) -> None:
    assert model.current(Version(1, 1, ALICE, start=start, end=end), NOW) is is_current
    for dated in (world.versions[1], world.images[1]):
        dated.start, dated.end = start, end
        assert (readers_of_version(world) == {"alice", "bob", "dora as staff"}) is is_current
        assert {"alice", "dora as staff"} <= readers_of_version(world)
        dated.start, dated.end = LONG_AGO, None


def test_a_private_image_s_version_is_read_by_editors_staff_and_those_it_is_shared_with(
    world: World,
) -> None:
    assert readers_of_version(world) == {"alice", "bob", "dora as staff"}
    world.versions[1].membership = {CHARLIE}  # his personal group
    assert readers_of_version(world) == {"alice", "charlie", "dora as staff"}
    world.versions[1].membership = set()
    assert readers_of_version(world) == {"alice", "dora as staff"}


def test_a_public_image_s_version_is_read_by_all_while_both_are_current(world: World) -> None:
    world.images[1].is_public = True
    assert readers_of_version(world) == set(who_reads(world))
    world.versions[1].start = JUST_AFTER
    assert readers_of_version(world) == {"alice", "dora as staff"}


def test_maintainers_and_the_version_s_user_keep_it_and_who_made_the_image_does_not(
    world: World,
) -> None:
    world.images[1].end = world.versions[1].end = LONG_AGO  # only editors and staff are left
    world.images[1].created_by = CHARLIE
    assert readers_of_version(world) == {"alice", "dora as staff"}
    world.images[1].maintainers = {LAB}
    assert readers_of_version(world) == {"alice", "bob", "dora as staff"}
    world.versions[1].user = CHARLIE
    assert readers_of_version(world) == {"alice", "bob", "charlie", "dora as staff"}
    assert not model.edits_image(world, model.reader_of(world, CHARLIE), 1)


def test_an_image_is_read_by_whoever_reads_one_of_its_versions(world: World) -> None:
    bob, charlie = model.reader_of(world, BOB), model.reader_of(world, CHARLIE)
    world.versions[2] = Version(2, image=1, user=ALICE)
    assert model.reads_image(world, bob, 1, NOW)
    assert not model.reads_image(world, charlie, 1, NOW)
    world.versions[1].end = NOW
    assert not model.reads_image(world, bob, 1, NOW)
    world.versions[2].user = CHARLIE
    assert model.reads_image(world, charlie, 1, NOW)
    world.images[1].is_public = True
    assert model.reads_image(world, ANONYMOUS, 1, NOW)
    world.images[1].end = NOW
    assert not model.reads_image(world, ANONYMOUS, 1, NOW)
    assert model.reads_image(world, charlie, 1, NOW)  # still keeps a version of it


@pytest.mark.parametrize(
    "change",
    [
        lambda w: setattr(w.machines[1], "end", NOW),
        lambda w: setattr(w.machines[1], "start", JUST_AFTER),
        lambda w: setattr(w.providers[1], "end", NOW),
        lambda w: setattr(w.providers[1], "start", JUST_AFTER),
        lambda w: setattr(w.providers[1], "active", False),
    ],
    ids=["ended", "scheduled", "provider ended", "provider scheduled", "provider inactive"],
)
def test_only_editors_and_staff_read_a_machine_out_of_use_and_nobody_launches_it(
    world: World, change
) -> None:
    alice, bob = model.reader_of(world, ALICE), model.reader_of(world, BOB)
    dora = model.reader_of(world, DORA, staff=True)
    for reader in (alice, bob, dora):
        assert model.reads_machine(world, reader, 1, NOW)
        assert model.machine_in_version_list(world, reader, 1, NOW)
        assert model.launches_machine(world, reader, 1, NOW)
    change(world)
    assert not model.reads_machine(world, bob, 1, NOW)
    for reader in (alice, dora):
        assert model.reads_machine(world, reader, 1, NOW)
    for reader in (alice, bob, dora):
        assert not model.machine_in_version_list(world, reader, 1, NOW)
        assert not model.launches_machine(world, reader, 1, NOW)


@pytest.mark.parametrize("ended", ["versions", "images"])
def test_an_editor_reads_but_does_not_launch_what_has_ended(world: World, ended: str) -> None:
    alice = model.reader_of(world, ALICE)
    getattr(world, ended)[1].end = NOW
    assert model.reads_machine(world, alice, 1, NOW)
    assert model.machine_in_version_list(world, alice, 1, NOW)
    assert not model.launches_machine(world, alice, 1, NOW)


def test_a_private_provider_and_its_machines_are_for_identities_there(world: World) -> None:
    alice, bob = model.reader_of(world, ALICE), model.reader_of(world, BOB)
    world.providers[1].public = False
    assert not model.reads_provider(world, bob, 1, NOW)
    assert not model.reads_machine(world, bob, 1, NOW)
    # An editor without an identity reads and launches the machine, and sees the provider's id only.
    assert model.launches_machine(world, alice, 1, NOW)
    assert not model.provider_shown(world, alice, 1, NOW)
    world.identities[1] = Identity(1, user=BOB, provider=1)
    assert model.reads_provider(world, bob, 1, NOW)
    assert model.launches_machine(world, bob, 1, NOW)
    # An identity outlasts the provider's use; an inactive public one is hidden from the rest.
    world.providers[1] = Provider(1, public=True, active=False)
    assert model.reads_provider(world, bob, 1, NOW)
    assert not model.reads_provider(world, alice, 1, NOW)
    assert not model.reads_provider(world, ANONYMOUS, 1, NOW)
    assert model.reads_provider(world, Reader(DORA, staff=True), 1, NOW)


def test_a_script_follows_the_versions_that_use_it_and_a_license_is_everybody_s(
    world: World,
) -> None:
    world.scripts[1] = Script(1, creator=CHARLIE)
    world.licenses[1] = License(1, creator=CHARLIE)
    bob = model.reader_of(world, BOB)
    assert model.reads_script(world, model.reader_of(world, CHARLIE), 1, NOW)
    assert not model.reads_script(world, bob, 1, NOW)
    world.versions[1].scripts, world.versions[1].licenses = {1}, {1}
    assert model.reads_script(world, bob, 1, NOW)
    assert model.pairing_script(world, bob, 1, 1, NOW)
    # He made both, but does not read the version that they are paired with.
    charlie = model.reader_of(world, CHARLIE)
    assert not model.pairing_script(world, charlie, 1, 1, NOW)
    assert not model.pairing_license(world, charlie, 1, 1, NOW)
    assert model.pairing_license(world, bob, 1, 1, NOW)
    assert model.reads_license(world, ANONYMOUS, 1)


def test_groups_identities_tokens_and_users_are_their_own_s_and_staff_s(world: World) -> None:
    world.identities[1] = Identity(1, user=BOB, provider=1)
    world.tokens[1] = Token(1, user=BOB)
    seen = {
        reader: (
            model.reads_group(world, reader, LAB),
            model.reads_identity(world, reader, 1),
            model.reads_token(world, reader, 1),
            model.reads_user(world, reader, BOB),
        )
        for reader in (
            ANONYMOUS,
            model.reader_of(world, BOB),
            model.reader_of(world, ALICE),
            model.reader_of(world, DORA),
            model.reader_of(world, DORA, staff=True),
        )
    }
    everything, nothing = (True,) * 4, (False,) * 4
    assert list(seen.values()) == [nothing, everything, nothing, nothing, everything]


def test_a_tag_is_read_with_an_image_that_carries_it_and_by_staff(world: World) -> None:
    world.tags = {1: Tag(1), 2: Tag(2)}
    world.images[1].tags = {1}
    bob, staff = model.reader_of(world, BOB), model.reader_of(world, DORA, staff=True)
    assert [model.reads_tag(world, bob, tag, NOW) for tag in (1, 2)] == [True, False]
    assert [model.reads_tag(world, ANONYMOUS, tag, NOW) for tag in (1, 2)] == [False, False]
    assert [model.reads_tag(world, staff, tag, NOW) for tag in (1, 2)] == [True, True]


def test_membership_and_maintainers_show_one_s_own_groups_and_all_to_editors_and_staff(
    world: World,
) -> None:
    world.versions[1].membership = {LAB, CHARLIE}
    world.images[1].maintainers = {DORA}  # her personal group
    alice, bob = model.reader_of(world, ALICE), model.reader_of(world, BOB)
    assert model.membership_shown(world, alice, 1, NOW) == {LAB, CHARLIE}
    assert model.membership_shown(world, bob, 1, NOW) == {LAB}
    assert model.pairing_membership(world, bob, 1, LAB, NOW)
    assert not model.pairing_membership(world, bob, 1, CHARLIE, NOW)
    assert model.membership_shown(world, ANONYMOUS, 1, NOW) == set()
    assert model.maintainers_shown(world, alice, 1, NOW) == {DORA}
    assert model.maintainers_shown(world, bob, 1, NOW) == set()
    # A version's user keeps it, not the image.
    world.versions[1].user = CHARLIE
    charlie = model.reader_of(world, CHARLIE)
    assert model.membership_shown(world, charlie, 1, NOW) == {LAB, CHARLIE}
    assert model.maintainers_shown(world, charlie, 1, NOW) == set()
    # Who no longer reads the version is shown nothing of it.
    world.versions[1].end = NOW
    assert model.membership_shown(world, bob, 1, NOW) == set()


def test_an_unreadable_parent_or_identity_is_its_id_only(world: World) -> None:
    world.identities[1] = Identity(1, user=ALICE, provider=1)
    world.images[2] = Image(2, owner=CHARLIE, created_by=CHARLIE, is_public=True)
    world.versions[2] = Version(2, image=2, user=CHARLIE, parent=1, identity=1)
    alice, bob = model.reader_of(world, ALICE), model.reader_of(world, BOB)
    charlie = model.reader_of(world, CHARLIE)
    shown = [model.parent_shown(world, r, 2, NOW) for r in (ANONYMOUS, charlie, bob, alice)]
    assert shown == [False, False, True, True]
    shown = [model.identity_shown(world, r, 2) for r in (ANONYMOUS, charlie, bob, alice)]
    assert shown == [False, False, False, True]
    assert not model.parent_shown(world, alice, 1, NOW)


def test_a_restricted_channel_is_its_editors_staffs_and_its_groups(world: World) -> None:
    readers = [ANONYMOUS, *(model.reader_of(world, u, staff=u == DORA) for u in world.users)]
    world.channels[1] = channel = Channel(1, image=1, assigned=1)

    def seen() -> list[bool]:
        return [model.reads_channel(world, reader, 1, NOW) for reader in readers]

    # The anonymous, alice, bob, charlie and dora: who may read its image.
    assert seen() == [False, True, True, False, True]
    channel.restricted = True
    assert seen() == [False, True, False, False, True]
    channel.groups = {LAB, CHARLIE}
    assert seen() == [False, True, True, False, True]
    assert [model.groups_shown(world, reader, 1) for reader in readers[1:3]] == [
        {LAB, CHARLIE},
        {LAB},
    ]
    channel.hidden = True
    assert seen() == [False] * 5


def test_a_channels_target_shows_to_who_reads_it(world: World) -> None:
    alice, charlie = (model.reader_of(world, user) for user in (ALICE, CHARLIE))
    world.channels[1] = Channel(1, image=1, assigned=1)
    assert [model.target_shown(world, r, 1, NOW) for r in (alice, charlie)] == [1, None]
    world.versions[2] = Version(2, image=1, user=ALICE, revoked=True)
    world.versions[1].parent = 2
    assert model.revoked_by(world, 1) == 2
    assert model.target_shown(world, alice, 1, NOW) is None
    world.versions[2].revoked = False
    world.images[1].end = NOW
    assert model.target_shown(world, alice, 1, NOW) is None


def test_a_webhook_is_its_makers_and_staffs(world: World) -> None:
    world.webhooks[1] = Webhook(1, maker=BOB, image=1)
    readers = [ANONYMOUS, *(model.reader_of(world, u, staff=u == DORA) for u in world.users)]
    assert [model.reads_webhook(world, r, 1) for r in readers] == [False, False, True, False, True]
    assert not model.reads_webhook(world, model.reader_of(world, DORA), 1)


@given(drawn.worlds())
def test_a_drawn_world_is_whole(world: World) -> None:
    for user in world.users.values():
        personal = [g for g in world.groups.values() if g.personal_of == user.id]
        assert [(g.name, g.users) for g in personal] == [(user.username, {user.id})]
    assert all(group.leaders <= group.users for group in world.groups.values())
    for version in world.versions.values():
        assert version.image in world.images and version.membership <= set(world.groups)
        assert version.parent is None or version.parent in world.versions
        assert version.parent is None or version.parent < version.id  # so never a cycle
    for machine in world.machines.values():
        assert machine.version in world.versions and machine.provider in world.providers
    for channel in world.channels.values():
        assert channel.image in world.images and channel.groups <= set(world.groups)
        assigned = world.versions.get(channel.assigned or 0)
        assert channel.assigned is None or (assigned and assigned.image == channel.image)
    asked = drawn.readers(world)
    assert len(asked) == len(set(asked)) > 1 and asked[0] == ANONYMOUS
    assert all(world.users[r.user].is_staff for r in asked if r.staff and r.user)


def test_drawn_worlds_reach_both_answers_and_the_boundaries() -> None:
    """What a property test over drawn worlds needs, lest it agree about nothing."""
    answers, starts, ends = set(), set(), set()
    for seed in range(100):
        world = drawn.build_world(Random(seed), 3, 2, 2, 2, 4)
        for reader in drawn.readers(world):
            kind = "anonymous" if reader.user is None else "staff" if reader.staff else "user"
            for ask in (
                model.reads_version,
                model.reads_image,
                model.reads_provider,
                model.reads_channel,
            ):
                things = getattr(world, ask.__name__.removeprefix("reads_") + "s")
                answers |= {(kind, ask.__name__, ask(world, reader, i, NOW)) for i in things}
            for ask in (model.reads_machine, model.launches_machine):
                answers |= {
                    (kind, ask.__name__, ask(world, reader, i, NOW)) for i in world.machines
                }
        starts |= {version.start for version in world.versions.values()}
        ends |= {version.end for version in world.versions.values()}
    both = {(kind, name) for kind, name, answer in answers if answer}
    both &= {(kind, name) for kind, name, answer in answers if not answer}
    kinds = {"anonymous", "user"}
    reads = ("version", "image", "provider", "channel", "machine")
    names = {*(f"reads_{thing}" for thing in reads), "launches_machine"}
    assert both == {(kind, name) for kind in kinds for name in names} | {
        ("staff", "launches_machine"),
        # One that was deleted is hidden from them too.
        ("staff", "reads_channel"),
    }
    assert starts == set(INSTANTS) and ends == {*INSTANTS, None}
