"""Handlers of following an image."""

from goldenrod.catalogue.images import follows, images
from goldenrod.web.api.handlers import one
from goldenrod.web.request import Request, Response


def get_follow(request: Request, key: str) -> Response:
    """GET since when the user follows an image."""
    with request.read() as (tx, actor):
        body = follows.get_follow(tx, actor, key)
        request.no_arguments()
    return one(body)


def put_follow(request: Request, key: str) -> Response:
    """PUT follows an image."""
    with request.change() as (tx, actor):
        request.expect(follows.get_follow(tx, actor, key))
        request.no_arguments()
        follows.follow(tx, actor, images.IMAGES.row(tx, actor, key))
        return one(follows.get_follow(tx, actor, key))


def delete_follow(request: Request, key: str) -> Response:
    """DELETE unfollows an image."""
    with request.change() as (tx, actor):
        request.expect(follows.get_follow(tx, actor, key))
        request.no_arguments()
        follows.unfollow(tx, actor, images.IMAGES.row(tx, actor, key))
    return Response(204)
