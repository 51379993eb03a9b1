"""Which images were changed of late, in memory: whether an answer that depends on certain images is
still right is found without asking the database about each answer.

Whenever the revision has moved, its source (`revision_sources.py`) adds the changes here, before it
tells anybody the new revision. So what is known here is never older than what it is compared with.
"""

from collections.abc import Iterable, Sequence

from goldenrod.store.revision import Seen

MOST_NEW = 1_000
"""The most images whose changes are read after one move of the revision. Beyond it, all images count as
changed."""
MOST_IMAGES = 10_000
"""The most images whose last change is remembered."""

NEWER = (
    "SELECT image_id, revision FROM image_revisions"  # nosec B608 # a constant
    f" WHERE revision > {{known}} LIMIT {MOST_NEW + 1}"
)
"""The images that were changed after a revision, with the revision of their last change. `{known}`
stands for the parameter, in the driver's own style."""


_NOTHING = Seen(-1, "")


class ChangedImages:
    """The revision of each image's last change, since an instant before which nothing is known."""

    def __init__(self) -> None:
        self.known = _NOTHING
        """The revision up to which changes are known."""
        self._state: tuple[int, dict[int, int]] = (0, {})
        """A revision at which every image may have been changed, and the later changes by image."""

    def forget(self) -> None:
        """What comes next need not follow what is known."""
        self.known = _NOTHING

    def follows(self, now: Seen) -> bool:
        """Whether the changes between the known revision and this one must be read and added. Where it
        is not a later one, every image may have been changed."""
        if now == self.known:
            return False
        if 0 <= self.known.revision < now.revision:
            return True
        self._state = (now.revision, {})
        self.known = now
        return False

    def add(self, now: Seen, common: int, changed: Sequence[tuple[int, int]]) -> None:
        """The revision has moved to this one. `common`: the last change that was not of single images
        only, or an earlier one. `changed`: what `NEWER` reads."""
        since, images = self._state
        too_many = len(changed) > MOST_NEW or len(images) > MOST_IMAGES
        if too_many or common > since:
            since = now.revision if too_many else common
            images = {image: last for image, last in images.items() if last > since}
        images.update(changed)
        self._state = (since, images)
        self.known = now

    def unchanged(self, revision: int, images: Iterable[int]) -> bool:
        """Whether nothing that may concern these images has changed after this revision."""
        since, last = self._state
        return revision >= since and all(last.get(image, 0) <= revision for image in images)
