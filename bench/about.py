"""Ids, slugs and words of a filled catalogue for requests. They depend on the plan only."""

from typing import Any

from bench import plan
from bench.rows import Catalogue, version_id
from goldenrod.base.text import slug


def of(catalogue: Catalogue) -> dict[str, Any]:
    """All of them as JSON, with the secrets of the cast."""
    filled = catalogue.plan
    few = filled.seed == "few"
    image = 1 if few else 11
    stable = filled.version(catalogue.stable(image))
    step = filled.total // 2000 | 1  # odd, so that the versions are of all images
    keys = filled.keys(image) if few else range(1, filled.total, step)
    seen = [v for v in map(filled.version, keys) if v.public and v.is_current(plan.ENDED)]
    ended, *others = (version_id(v.n, filled) for v in seen if v.n != stable.n)
    # A private image, shared with the reader's first group.
    hidden = 0 if few else 4
    return {
        "secrets": catalogue.cast.secrets,
        "version": version_id(stable.n, filled),
        "versions": others,
        "ended": ended,
        "hidden": [version_id(n, filled) for n in filled.keys(hidden)],
        "image": image + 1,
        "slug": slug(plan.image_name(image)),
        "region": plan.REGIONS[stable.n % len(plan.REGIONS)],
        "owner": "owner-1",
        "words": plan.image_name(image),
        "many": plan.MANY,
    }
