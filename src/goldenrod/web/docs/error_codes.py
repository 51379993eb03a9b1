"""Every `code` that a problem document can carry, with its status and what to do about it.

A code is stable: programs branch on it. `/docs/errors` shows this table; each problem's `type`
points at its row there. A test holds the table against the code: none is missing, none is left.
"""

from typing import NamedTuple


class Code(NamedTuple):
    """A code's status and meaning."""

    status: int
    meaning: str


CODES: dict[str, Code] = {
    # ── the request ────────────────────────────────────────────────────────────────────────
    "request_invalid": Code(400, "The request is not well-formed HTTP, or not right as a whole."),
    "body_malformed": Code(
        400,
        "The body is not one JSON value in UTF-8, names a field twice, or is nested more than 32 "
        "levels deep.",
    ),
    "field_invalid": Code(
        400, "A field of the body is unknown, missing, or of the wrong shape; errors says which."
    ),
    "field_read_only": Code(
        400, "A PATCH gives a field that cannot be changed another value than it has. Leave it out."
    ),
    "reference_unknown": Code(
        400, "A field names a thing that does not exist, or that you may not see or use."
    ),
    "parameter_unknown": Code(400, "A query parameter that this address does not take."),
    "parameter_invalid": Code(400, "A query parameter's value is malformed, or given twice."),
    "parameter_required": Code(
        400, "What is asked needs a parameter that is not given, such as against."
    ),
    "version_of_other_image": Code(400, "A channel is assigned versions of its own image only."),
    "webhook_target_refused": Code(
        400,
        "The webhook's target leads nowhere, to the server's own machine, or to a private network.",
    ),
    "idempotency_key_invalid": Code(400, "Idempotency-Key takes 1 to 256 printable characters."),
    # ── who asks ───────────────────────────────────────────────────────────────────────────
    "credentials_required": Code(401, "Changing anything needs a token."),
    "token_invalid": Code(
        401, "The Authorization header is not one valid token: wrong, expired, or revoked."
    ),
    "sign_in_failed": Code(401, "No active user has this username and password."),
    "change_forbidden": Code(403, "You may read this, but not change it."),
    "scope_insufficient": Code(
        403, "Your token's scope does not reach this far. Take a wider one."
    ),
    "staff_required": Code(403, "Only staff may do this, with a token of the scope admin."),
    "owner_required": Code(403, "Only an image's owner, or staff, may change this of it."),
    "identity_required": Code(
        403, "Placing a machine on a provider needs an identity of yours there."
    ),
    "script_not_yours": Code(
        403,
        "A boot script is attached by its creator, or who may change a version that uses it.",
    ),
    "form_refused": Code(
        403,
        "A form did not come from a page of this site, or the browser signed in or out since: reload "
        "the page and send it again.",
    ),
    "oidc_sign_in_failed": Code(
        400,
        "What came back from the OpenID Connect provider does not fit what this browser began, or is "
        "not signed by it for this catalogue. Sign in anew.",
    ),
    "oidc_account_unknown": Code(
        403,
        "The OpenID Connect provider vouches for you, but no user here is linked to that account. "
        "Ask staff.",
    ),
    "user_disabled": Code(403, "The user that this account leads to is disabled. Ask staff."),
    # ── what is there ──────────────────────────────────────────────────────────────────────
    "not_found": Code(404, "It does not exist, or you may not see it: the answer is the same."),
    "channel_not_found": Code(
        404, "The image has no channel of this name that you may see; perhaps it is hidden."
    ),
    "machine_not_found": Code(
        404, "The channel offers no machine on this provider that you may launch."
    ),
    "page_not_found": Code(404, "The page is past the end of the list, or 0."),
    "method_not_allowed": Code(405, "This address does not take this method; Allow lists its own."),
    "conflict": Code(409, "The change is right in itself, but against the catalogue's state."),
    "version_name_taken": Code(409, "The image has, or had, a version of this name."),
    "parent_cycle": Code(409, "The new parent descends from the version itself."),
    "imaging_not_allowed": Code(
        409, "The parent does not allow imaging to those who may not change it."
    ),
    "parent_revoked": Code(
        409, "The parent is revoked. Say allow_revoked_parent to build on it all the same."
    ),
    "replacement_cycle": Code(409, "Following the replacements would lead in a circle."),
    "version_in_channel": Code(
        409, "A channel of its image was assigned the version: it cannot move to another image."
    ),
    "version_not_offered": Code(
        409, "A channel takes versions that are current or deprecated; state says what it is."
    ),
    "version_already_revoked": Code(409, "A revocation of its own is in force: restore it first."),
    "version_not_revoked": Code(
        409, "It has no revocation of its own; inherited_from says where the one it has comes from."
    ),
    "version_revoked": Code(
        409, "The channel stopped at a revoked version; version and revoked say which and why."
    ),
    "webhook_inactive": Code(409, "The webhook is switched off: nothing is sent to it."),
    "delivery_unreadable": Code(
        409, "The webhook's creator, or you, may no longer read what the delivery is about."
    ),
    "webhook_limit_reached": Code(
        409, "The image, or its maker, has as many webhooks as there may be. Remove one first."
    ),
    "channel_computed": Code(409, "latest is computed: it cannot be assigned, edited or deleted."),
    "channel_requirement_unmet": Code(
        409, "The version lacks what the channel requires; missing lists it. Or override."
    ),
    "machine_ambiguous": Code(
        409, "There are machines of several architectures; machines lists them. Name one."
    ),
    "machine_taken": Code(
        409, "Another machine of the image has this identifier on this provider."
    ),
    "slug_unavailable": Code(409, "The slug is taken, was another's before, or is reserved."),
    "name_taken": Code(409, "A user or group has this name; they share one space of names."),
    "tag_name_taken": Code(409, "Another tag has this name."),
    "oidc_account_taken": Code(
        409, "That account at the OpenID Connect provider is linked to a user already."
    ),
    "identity_taken": Code(409, "The user has this account on this provider already."),
    "group_personal": Code(
        409, "A personal group belongs to its user for good: it cannot be changed or removed."
    ),
    "license_in_use": Code(
        409, "A version uses the license: its text stays. Create another license."
    ),
    "script_in_use": Code(
        409, "A version uses the boot script: its text stays. Create another script."
    ),
    "group_in_use": Code(409, "Something refers to the group, perhaps something that has ended."),
    "identity_in_use": Code(409, "A version names the identity, perhaps one that has ended."),
    "tag_in_use": Code(409, "An image carries the tag."),
    "idempotency_key_reused": Code(
        409, "The Idempotency-Key came with another request before. Take a new one."
    ),
    "idempotency_not_offered": Code(
        409, "The answer holds a secret that is shown once, so it takes no Idempotency-Key."
    ),
    "precondition_failed": Code(
        412, "It has changed since you read it: GET it again, then decide anew."
    ),
    # ── what the server takes ──────────────────────────────────────────────────────────────
    "body_too_slow": Code(408, "The body did not arrive in time. Send it again, faster."),
    "body_too_large": Code(413, "A body has at most 1 MiB."),
    "address_too_long": Code(
        414, "A path has at most 4,096 bytes, a query string 16,384. POST /lookup takes many ids."
    ),
    "header_too_large": Code(431, "A header has at most 8,192 bytes."),
    "media_type_unsupported": Code(
        415,
        "A body is application/json (a PATCH also application/merge-patch+json), in UTF-8, without "
        "a Content-Encoding.",
    ),
    "too_many_requests": Code(429, "Too many failed sign-ins. Wait as Retry-After says."),
    "server_error": Code(500, "A fault of the server's own. It has been logged."),
    "server_busy": Code(
        503, "Too many bodies are being sent, or passwords checked, at once. Retry soon."
    ),
    "database_unavailable": Code(503, "The database is away or busy. Retry soon."),
    "oidc_unavailable": Code(
        503, "The OpenID Connect provider does not answer, or not as it should. Retry soon."
    ),
    "unavailable": Code(503, "The server cannot answer now. Retry soon."),
    # ── the operator's commands ────────────────────────────────────────────────────────────
    "thing_unknown": Code(400, "What is asked about is not written as a thing, such as image:7."),
    "import_line_invalid": Code(400, "A line of the import is wrong; nothing was imported."),
    "catalogue_not_empty": Code(409, "An import goes into an empty catalogue only."),
    "backup_not_offered": Code(400, "Goldenrod backs up SQLite; PostgreSQL has pg_dump."),
    "backup_file_exists": Code(409, "A backup goes into a new file. Name another."),
    "user_not_found": Code(404, "No user has this name."),
}
