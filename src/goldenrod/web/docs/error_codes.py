"""Every `code` that a problem document can carry, with its status and what to do about it.

A code is stable: programs branch on it. `/docs/errors` shows this table; each problem's `type`
links to its row there. A test checks that the table and the source list the same codes.
"""

from typing import NamedTuple


class Code(NamedTuple):
    """A code's status and meaning."""

    status: int
    meaning: str


CODES: dict[str, Code] = {
    # ── the request ────────────────────────────────────────────────────────────────────────────
    "request_invalid": Code(400, "The request is not well-formed HTTP, or is wrong as a whole."),
    "body_malformed": Code(
        400,
        "The body is not one JSON value in UTF-8, names a field twice, or is nested more than 32 "
        "levels deep.",
    ),
    "field_invalid": Code(
        400, "A field of the body is unknown, missing or malformed. errors names it."
    ),
    "field_read_only": Code(
        400, "A PATCH gives a read-only field a new value. Leave the field out."
    ),
    "reference_unknown": Code(
        400, "A field names something that does not exist, or that you may not see or use."
    ),
    "parameter_unknown": Code(400, "This address does not accept this query parameter."),
    "parameter_invalid": Code(400, "A query parameter is malformed or given twice."),
    "parameter_required": Code(400, "A required query parameter is missing, such as against."),
    "version_of_other_image": Code(
        400, "A channel can only be assigned versions of its own image."
    ),
    "webhook_target_refused": Code(
        400,
        "The webhook's host does not resolve, or is on a private network that this server does not "
        "allow.",
    ),
    "idempotency_key_invalid": Code(
        400, "Idempotency-Key must have 1 to 256 printable characters."
    ),
    "revision_malformed": Code(
        400, "Goldenrod-Min-Revision takes what an earlier answer had in Goldenrod-Revision."
    ),
    # ── credentials and rights ─────────────────────────────────────────────────────────────────
    "credentials_required": Code(401, "Every change requires a token."),
    "token_invalid": Code(
        401, "The Authorization header has no valid token: it is wrong, expired or revoked."
    ),
    "sign_in_failed": Code(401, "Wrong username or password, or the user is disabled."),
    "change_forbidden": Code(403, "You can read this, but you cannot change it."),
    "scope_insufficient": Code(
        403, "Your token's scope does not allow this. Use a token with a wider scope."
    ),
    "staff_required": Code(403, "Only staff can do this, with a token of scope admin."),
    "owner_required": Code(403, "Only the image's owner or staff can change this field."),
    "identity_required": Code(403, "To add a machine on a provider, you need an identity there."),
    "script_not_yours": Code(
        403,
        "To attach a boot script, you must be its creator or an editor of a version that uses it.",
    ),
    "form_refused": Code(
        403,
        "The form did not come from a page of this site, or you signed in or out since. Reload the "
        "page and send it again.",
    ),
    "oidc_sign_in_failed": Code(
        400,
        "The answer of the OpenID Connect provider does not belong to a sign-in of this browser, or "
        "its signature is not valid for this catalogue. Sign in again.",
    ),
    "oidc_account_unknown": Code(
        403,
        "The OpenID Connect provider accepted you, but no user here is linked to that account. "
        "Ask staff.",
    ),
    "user_disabled": Code(403, "The user linked to this account is disabled. Ask staff."),
    # ── the catalogue's state ──────────────────────────────────────────────────────────────────
    "not_found": Code(404, "It does not exist, or you do not have access to it."),
    "channel_not_found": Code(
        404, "The image has no channel of this name that you can see. It may be hidden."
    ),
    "machine_not_found": Code(
        404, "The channel offers no machine on this provider that you can launch."
    ),
    "page_not_found": Code(404, "The page number is 0 or past the end of the list."),
    "method_not_allowed": Code(
        405, "This address does not support this method. Allow lists those it supports."
    ),
    "conflict": Code(
        409, "The change is valid, but conflicts with the current state of the catalogue."
    ),
    "version_name_taken": Code(
        409, "A version of the image has or had this name. Names are never reused."
    ),
    "parent_cycle": Code(409, "The new parent is the version itself or one of its descendants."),
    "imaging_not_allowed": Code(409, "Only editors of the parent can build on it."),
    "parent_revoked": Code(
        409, "The parent is revoked. Send allow_revoked_parent to build on it anyway."
    ),
    "replacement_cycle": Code(409, "The replacements would form a cycle."),
    "version_in_channel": Code(
        409, "A channel has used the version, so it cannot move to another image."
    ),
    "version_not_offered": Code(
        409,
        "A channel accepts only current and deprecated versions. state gives the version's state.",
    ),
    "version_already_revoked": Code(
        409, "The version has a revocation of its own. Restore the version first."
    ),
    "version_not_revoked": Code(
        409,
        "The version has no revocation of its own. inherited_from names the source of an "
        "inherited one.",
    ),
    "version_revoked": Code(
        409,
        "The channel offers a revoked version. version names it, revoked has the reason, and instead "
        "names the version to use instead, or is null.",
    ),
    "webhook_test_waiting": Code(
        409, "A test event is still waiting to be sent to this webhook; wait for it."
    ),
    "webhook_inactive": Code(409, "The webhook is switched off, so nothing is sent to it."),
    "delivery_unreadable": Code(
        409, "You or the webhook's creator can no longer read the subject of the delivery."
    ),
    "webhook_limit_reached": Code(
        409, "The image or the user has reached the limit of webhooks. Remove one first."
    ),
    "channel_computed": Code(
        409, "The channel latest is computed. It cannot be assigned, edited or deleted."
    ),
    "channel_requirement_unmet": Code(
        409,
        "The version does not meet the channel's requirements, listed in missing. Send override "
        "to assign it anyway.",
    ),
    "machine_ambiguous": Code(
        409, "There are machines of several architectures, listed in machines. Choose one."
    ),
    "user_data_too_large": Code(
        409, "The boot scripts of the version have more than 1 MiB, which no cloud takes."
    ),
    "machine_taken": Code(
        409,
        "Another machine of the image has this identifier on this provider. If its version is another "
        "one, send take_identifier to end it.",
    ),
    "slug_unavailable": Code(
        409, "The slug is reserved, in use, or was used before by something else."
    ),
    "name_taken": Code(
        409, "A user or group has this name. Users and groups share one set of names."
    ),
    "tag_name_taken": Code(409, "Another tag has this name."),
    "oidc_account_taken": Code(
        409, "That account of the OpenID Connect provider is already linked to a user."
    ),
    "identity_taken": Code(409, "The user already has this account on this provider."),
    "follows_limit": Code(409, "You follow 200 images, which is the most. Unfollow one first."),
    "group_personal": Code(409, "A personal group cannot be changed or removed."),
    "license_in_use": Code(
        409, "A version uses the license, so its text cannot change. Create another license."
    ),
    "script_in_use": Code(
        409, "A version uses the boot script, so its text cannot change. Create another script."
    ),
    "group_in_use": Code(409, "Something refers to the group. It may have ended."),
    "identity_in_use": Code(409, "A version uses the identity. The version may have ended."),
    "tag_in_use": Code(409, "An image uses the tag."),
    "idempotency_key_reused": Code(
        409, "The Idempotency-Key was used for another request. Use a new one."
    ),
    "idempotency_not_offered": Code(
        409,
        "The answer has a secret that is shown only once, so it does not accept an "
        "Idempotency-Key.",
    ),
    "precondition_failed": Code(
        412, "It changed after you read it. GET it again and redo your change."
    ),
    # ── limits and faults of the server ────────────────────────────────────────────────────────
    "body_too_slow": Code(408, "The body did not arrive in time. Send it again, faster."),
    "body_too_large": Code(413, "A body can have at most 1 MiB."),
    "address_too_long": Code(
        414,
        "A path can have at most 4,096 bytes, a query string 16,384. POST /lookup accepts many ids.",
    ),
    "header_too_large": Code(431, "A header can have at most 8,192 bytes."),
    "media_type_unsupported": Code(
        415,
        "A body must be application/json in UTF-8, without a Content-Encoding. A PATCH can also be "
        "application/merge-patch+json.",
    ),
    "too_many_requests": Code(
        429, "Too many failed sign-ins. Wait the seconds that Retry-After gives."
    ),
    "rate_limited": Code(
        429, "Too many requests from one address or with one token. Wait as Retry-After says."
    ),
    "server_error": Code(500, "The server failed. The error has been logged."),
    "server_busy": Code(
        503, "The server has too many requests, bodies or passwords to check at once. Retry soon."
    ),
    "database_unavailable": Code(503, "The database is unreachable or busy. Retry soon."),
    "revision_not_reached": Code(
        503,
        "The database has not reached the revision in Goldenrod-Min-Revision: it may be changing its "
        "primary, or it lost its last changes. Retry soon; without the header you get what is there.",
    ),
    "outcome_unknown": Code(
        503,
        "The connection to the database was lost while the change was being saved: it may have been "
        "made or not. Look before you repeat it, or repeat it with the same Idempotency-Key.",
    ),
    "read_timed_out": Code(503, "Reading this took longer than five seconds. Ask for less."),
    "database_full": Code(503, "The disk of the database is full. Reading works."),
    "database_read_only": Code(503, "The database can only be read at the moment."),
    "oidc_unavailable": Code(
        503, "The OpenID Connect provider does not answer, or its answer is wrong. Retry soon."
    ),
    "unavailable": Code(503, "The server cannot answer now. Retry soon."),
    # ── the operator's commands ────────────────────────────────────────────────────────────────
    "thing_unknown": Code(400, "This does not name a thing, as image:7 does."),
    "import_line_invalid": Code(400, "A line of the import is wrong. Nothing was imported."),
    "catalogue_not_empty": Code(409, "An import requires an empty catalogue."),
    "backup_not_offered": Code(400, "Goldenrod backs up SQLite only. For PostgreSQL use pg_dump."),
    "backup_damaged": Code(
        409, "The database is damaged. Restore a backup; earlier backups are not changed."
    ),
    "backup_file_exists": Code(409, "The backup file already exists. Choose another name."),
    "user_not_found": Code(404, "No user has this name."),
}
