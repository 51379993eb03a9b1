"""Request bodies and answers of webhooks and their deliveries."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from goldenrod.base.wire.common import ImageSummary, Moment, Ref, UserSummary, Uuid

EventType = Literal[
    "version.published",
    "version.edited",
    "version.deprecated",
    "version.revoked",
    "version.restored",
    "version.ended",
    "channel.assigned",
    "machine.added",
    "machine.gone",
    "machine.missing",
    "machine.drifted",
    "sync.failed",
]


Target = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        description="an http or https URL, without credentials or fragment",
        extra_json_schema={
            "pattern": r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(:[1-9][0-9]{0,4})?"
            r"([/?][!-\"$-~]*)?$"
        },
    ),
]


EventTypes = Annotated[list[EventType], Meta(min_length=1, max_length=20)]


class NewWebhook(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /webhooks: for one image, or for all images (staff)."""

    target: Target
    image: Ref | None = None
    events: EventTypes | UnsetType = UNSET
    active: bool = True


class WebhookPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /webhooks/{id}."""

    target: Target | UnsetType = UNSET
    events: EventTypes | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class Webhook(Struct):
    """A URL that is notified of changes to an image, or to all images (image is null)."""

    id: int
    uuid: Uuid
    url: str
    image: ImageSummary | None
    target: str
    events: list[EventType]
    active: bool
    created_by: UserSummary
    start_date: Moment


class WebhookWithSecret(Webhook):
    """A new webhook, with the secret that its payloads are signed with. It is shown only once."""

    secret: str


class DeliveredEvent(Struct):
    """The event that a delivery sends."""

    uuid: Uuid
    type: EventType | Literal["webhook.test"]
    at: Moment


class Delivery(Struct):
    """One event for one webhook. Its uuid is the header webhook-id. A delivery about something that the
    reader may not read shows as dropped, without its event."""

    id: int
    uuid: Uuid
    url: str
    event: DeliveredEvent | None
    state: Literal["waiting", "delivered", "failed", "dropped"]
    attempts: int
    next_at: Moment | None
    last_at: Moment | None
    last_status: int | None
    last_error: str | None


class Answer(Struct):
    """What a receiver answered: a few headers, and the first 2 KiB of the body as text; `cut` if there
    was more. Nothing of it can be trusted."""

    headers: dict[str, str]
    body: str
    cut: bool


class Attempt(Struct):
    """One attempt of a delivery: the payload as it was sent, and the answer, if there was one. Of what
    the reader may not read any more, the payload has the id only."""

    at: Moment
    milliseconds: int | None
    status: int | None
    error: str | None
    payload: str
    answer: Answer | None


class SingleDelivery(Delivery):
    """A single delivery, with its attempts, the newest first. Of a webhook the newest 50 attempts are
    stored."""

    stored_attempts: list[Attempt]
