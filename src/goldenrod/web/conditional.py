"""Whether a reader has an answer already: the request's If-None-Match against its ETag."""

import falcon


def unchanged(req: falcon.Request, etag: str) -> bool:
    """If-None-Match names this ETag, weakly or not, or any."""
    given = req.get_header("If-None-Match")
    if given is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in given.split(",")]
    return etag in tags or tags == ["*"]
