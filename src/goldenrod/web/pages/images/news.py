"""Following an image, and what is new in followed images on home."""

from contextlib import suppress

from goldenrod.base import decode
from goldenrod.base.errors import Unavailable
from goldenrod.catalogue.images import follows, images
from goldenrod.catalogue.images.follows import News
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.visit import Page, Undo, Visit


def follow(visit: Visit, slug: str) -> Page:
    """POST /images/{slug}/follow: follow an image, or no longer."""
    on = visit.form.on("on")
    with visit.change() as (tx, actor):
        image = images.IMAGES.row(tx, actor, slug)
        if on:
            follows.follow(tx, actor, image)
        else:
            follows.unfollow(tx, actor, image)
    done = f"You follow {image['name']}." if on else f"You no longer follow {image['name']}."
    more = "Home shows what changes." if on else ""
    undo = Undo(urls.image(image, "follow"), {} if on else {"on": "on"})
    return visit.redirect(urls.image(image), done=done, more=more, undo=undo)


def mark_seen(visit: Visit) -> Page:
    """POST /account/seen: nothing up to the instant of the page is new any more."""
    with visit.write_unversioned() as (tx, actor):
        until = decode.instant("until", visit.form.get("until"))
        follows.mark_seen(tx, actor, until)
    return visit.redirect(urls.HOME, done="Marked as seen.")


def note_visit(visit: Visit, news: News | None) -> None:
    """Store that a visit begins, if one does. A reader does not wait for a writer."""
    if news is None or not news.begins or visit.session is None:
        return
    with suppress(Unavailable), visit.db.write_unversioned(wait=False) as tx:
        follows.begin_visit(tx, visit.actor, news)
