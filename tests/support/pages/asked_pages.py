"""Every page that is read: its addresses, and the status that each of `ACTORS` gets."""

ALL = "200 200 200 200 200 200"
MISSING = "404 404 404 404 404 404"
NOBODY = "401 200 200 200 200 200"
# Of open everybody reads, alice and dora change; of shared bob reads besides.
OPENS = "401 403 403 200 200 403"
CLOSEDS = "401 404 404 200 200 404"
SHAREDS = "401 404 403 200 200 404"
LED = " ".join(["303"] * 6)
LAB = "404 404 200 200 200 404"
KEPT = "404 404 404 200 200 404"
STAFF = "404 404 404 404 200 404"

# For each page that is read: addresses, and the status that each of ACTORS gets. `{users/alice}` is
# the id of a thing, as `filled` puts it in.
ASKED: dict[str, dict[str, str]] = {
    "/": {
        "/": ALL,
        "/?owner=alice": ALL,
        "/?provider=west": ALL,
        "/?tag=closed-tag": ALL,
        "/?architecture=x86_64": ALL,
    },
    "/search": {
        "/search": ALL,
        "/search?q=image": ALL,
        "/search?q=first": ALL,
        "/search?q=closed": ALL,
        "/search?q=shared-east": ALL,
        "/search?q=open-east": ALL,
        "/search?q=open-west": ALL,
    },
    "/search/suggest": {
        "/search/suggest?q=i": ALL,
        "/search/suggest?q=kept-west": ALL,
        "/search/suggest?q=open-east": ALL,
    },
    "/complete": {
        **{
            f"/complete?kind={kind}&q={text}": ALL
            for kind in ("user", "group", "member", "tag", "provider", "image")
            for text in ("open", "closed", "shared", "a", "l", "w", "e", "k")
        },
        "/complete?kind=version&q=closed&image=closed-image": ALL,
        "/complete?kind=any-version&q=shared-image/s": ALL,
        "/complete?kind=any-version&q=k": ALL,
    },
    "/search/versions": {
        "/search/versions?q=first": ALL,
        "/search/versions?q=kept": ALL,
    },
    "/check": {"/check": ALL},
    "/help": {"/help": ALL, "/help?q=open": ALL},
    "/help/{name}": {"/help/importing": ALL, "/help/secret": MISSING},
    "/docs": {"/docs": ALL},
    "/docs/errors": {"/docs/errors": ALL},
    "/sign-in": {
        "/sign-in": "200 303 303 303 303 303",
        "/sign-in?next=/images": "200" + " 303" * 5,
    },
    "/account": {"/account": NOBODY},
    "/sign-in/oidc": {"/sign-in/oidc?next=/account": "404 404 404 404 404 404"},
    "/account/tokens": {"/account/tokens": NOBODY},
    "/account/tokens/{key}/revoke": {
        "/account/tokens/{tokens/alice's test}/revoke": "401 404 404 200 200 404",
        "/account/tokens/{tokens/dora's lesser}/revoke": "401 404 404 404 200 403",
    },
    "/groups": {"/groups": NOBODY, "/groups?prefix=la": NOBODY, "/groups?prefix=op": NOBODY},
    "/groups/{key}": {
        "/groups/{groups/lab}": "401 404 200 200 200 404",
        "/groups/{groups/ops}": "401 404 404 404 200 404",
        "/groups/{groups/charlie}": "401 303 404 404 303 404",
    },
    "/groups/{key}/remove": {"/groups/{groups/lab}/remove": "401 404 403 403 200 404"},
    "/images/{slug}/webhooks": {
        "/images/open-image/webhooks": "401 403 403 200 200 403",
        "/images/kept-image/webhooks": "401 404 200 200 200 404",
        "/images/closed-image/webhooks": "401 404 404 200 200 404",
    },
    "/webhooks/{key}": {
        "/webhooks/{webhooks/alice's}": "401 404 404 200 200 404",
        "/webhooks/{webhooks/bob's}": "401 404 200 404 200 404",
        "/webhooks/{webhooks/dora's}": "401 404 404 404 200 200",
        "/webhooks/{webhooks/alice's}?state=waiting": "401 404 404 200 200 404",
    },
    "/webhooks/{key}/deliveries/{delivery}": {
        "/webhooks/{webhooks/alice's}/deliveries/1": "401 404 404 200 200 404",
        "/webhooks/{webhooks/dora's}/deliveries/999": "401 404 404 404 404 404",
    },
    "/webhooks/{key}/remove": {
        "/webhooks/{webhooks/alice's}/remove": "401 404 404 200 200 404",
        "/webhooks/{webhooks/dora's}/remove": "401 404 404 404 200 200",
    },
    "/licenses": {
        "/licenses": ALL,
        "/licenses?search=apache": ALL,
        "/licenses?created_by=alice": ALL,
    },
    "/licenses/new": {
        "/licenses/new": NOBODY,
    },
    "/licenses/{key}": {
        "/licenses/{licenses/Apache 2.0}": ALL,
    },
    "/licenses/{key}/edit": {
        "/licenses/{licenses/Apache 2.0}/edit": OPENS,
    },
    "/licenses/{key}/remove": {
        "/licenses/{licenses/Apache 2.0}/remove": "401 403 403 303 303 403",
    },
    "/scripts": {
        "/scripts": ALL,
        "/scripts?search=echo": ALL,
    },
    "/scripts/new": {
        "/scripts/new": NOBODY,
    },
    "/scripts/{key}": {
        "/scripts/{boot_scripts/welcome}": ALL,
        "/scripts/{boot_scripts/setup}": KEPT,
        "/scripts/{boot_scripts/joined}": LAB,
    },
    "/scripts/{key}/edit": {
        "/scripts/{boot_scripts/welcome}/edit": OPENS,
        "/scripts/{boot_scripts/setup}/edit": CLOSEDS,
        "/scripts/{boot_scripts/joined}/edit": SHAREDS,
    },
    "/scripts/{key}/remove": {
        "/scripts/{boot_scripts/setup}/remove": "401 404 404 303 303 404",
    },
    "/staff": {"/staff": STAFF},
    "/staff/users": {"/staff/users": STAFF, "/staff/users?prefix=er": STAFF},
    "/staff/users/new": {"/staff/users/new": STAFF},
    "/staff/users/{key}": {
        "/staff/users/{users/alice}": STAFF,
        "/staff/users/{users/dora}": STAFF,
    },
    "/staff/users/{key}/disable": {"/staff/users/{users/bob}/disable": STAFF},
    "/staff/users/{key}/sessions/end": {"/staff/users/{users/bob}/sessions/end": STAFF},
    "/staff/users/{key}/sessions/{uuid}/end": {
        "/staff/users/{users/bob}/sessions/01a20b80-75c1-7e82-807a-321902003e71/end": (
            "404 404 404 404 404 404"
        ),
    },
    "/staff/users/{key}/staff": {"/staff/users/{users/bob}/staff": STAFF},
    "/staff/identities/{key}/remove": {"/staff/identities/{identities/bob@west}/remove": STAFF},
    "/json/{resource}/{key}": {
        "/json/images/{images/open}": ALL,
        "/json/images/{images/closed}": KEPT,
        "/json/image_versions/{shared}": LAB,
        "/json/image_versions/{closed}": KEPT,
        "/json/users/1": "404 404 404 404 404 404",
    },
    "/json/image_versions/{key}/history": {
        "/json/image_versions/{closed}/history": KEPT,
    },
    "/images/{slug}/versions/{name}/promote": {
        "/images/open-image/versions/open-1.0/promote": OPENS,
        "/images/shared-image/versions/shared-1.0/promote": SHAREDS,
        "/images/closed-image/versions/closed-1.0/promote": CLOSEDS,
    },
    **{
        f"/images/{{slug}}/channels/{{name}}/{page}": {
            f"/images/open-image/channels/stable/{page}": OPENS,
            f"/images/closed-image/channels/closed-line/{page}": CLOSEDS,
            f"/images/shared-image/channels/shared-line/{page}": SHAREDS,
        }
        for page in ("unassign", "hide")
    },
    "/images/{slug}/versions/{name}/machines/{machine}/end": {
        "/images/open-image/versions/open-1.0/machines/{provider_machines/open-east}/end": OPENS,
        "/images/closed-image/versions/closed-1.0/machines/{provider_machines/closed-east}/end": (
            CLOSEDS
        ),
        "/images/open-image/versions/open-1.0/machines/{provider_machines/closed-east}/end": (
            "401 403 403 404 404 403"
        ),
    },
    "/staff/groups": {"/staff/groups": STAFF},
    "/staff/providers": {"/staff/providers": STAFF, "/staff/providers?search=west": STAFF},
    "/staff/providers/new": {"/staff/providers/new": STAFF},
    "/staff/providers/{key}": {
        "/staff/providers/{providers/west}": STAFF,
        "/staff/providers/{providers/north}": STAFF,
    },
    "/staff/providers/{key}/end": {"/staff/providers/{providers/east}/end": STAFF},
    "/staff/identities": {
        "/staff/identities": STAFF,
        "/staff/identities?user=bob&provider=west": STAFF,
    },
    "/staff/identities/{key}": {"/staff/identities/{identities/bob@west}": STAFF},
    "/staff/tags": {"/staff/tags": STAFF, "/staff/tags?search=closed": STAFF},
    "/staff/tags/{key}": {"/staff/tags/{tags/closed-tag}": STAFF},
    "/staff/activity": {"/staff/activity": STAFF, "/staff/activity?user=alice": STAFF},
    "/staff/activity.csv": {"/staff/activity.csv": STAFF},
    "/staff/webhooks": {"/staff/webhooks": STAFF},
    "/sign-in/oidc/callback": {"/sign-in/oidc/callback?code=x": "404 404 404 404 404 404"},
    "/images/new": {"/images/new": NOBODY},
    **{
        f"/images/{{slug}}/{page}": {
            f"/images/open-image/{page}": OPENS,
            f"/images/closed-image/{page}": CLOSEDS,
            f"/images/shared-image/{page}": SHAREDS,
        }
        for page in ("edit", "end", "restore", "versions/new", "bulk")
    },
    **{
        f"/images/{{slug}}/versions/{{name}}/{page}": {
            f"/images/open-image/versions/open-1.0/{page}": OPENS,
            f"/images/open-image/versions/open-1.1/{page}": OPENS,
            f"/images/closed-image/versions/closed-1.0/{page}": CLOSEDS,
            f"/images/shared-image/versions/shared-1.0/{page}": SHAREDS,
            f"/images/kept-image/versions/kept-1.0/{page}": "401 404 200 200 200 404",
            f"/images/open-image/versions/closed-1.0/{page}": "401 404 404 404 404 404",
        }
        for page in ("edit", "end", "restore", "deprecate", "revoke", "share", "machines")
    },
    "/images/{slug}/channels": {
        "/images/open-image/channels": ALL,
        "/images/closed-image/channels": "404 404 404 200 200 404",
        "/images/shared-image/channels": "404 404 200 200 200 404",
    },
    "/images/{slug}/channels/{name}": {
        "/images/open-image/channels/stable": ALL,
        "/images/open-image/channels/latest": ALL,
        "/images/open-image/channels/inner": "404 404 200 200 200 404",
        "/images/closed-image/channels/closed-line": "404 404 404 200 200 404",
        "/images/shared-image/channels/shared-line": "404 404 200 200 200 404",
    },
    "/images": {"/images": ALL, "/images?provider=west": ALL},
    "/tags/{name}": {"/tags/closed-tag": LED},
    "/theme": {"/theme?theme=dark&next=/": LED},
    "/keys": {"/keys": ALL},
    "/providers/{slug}": {"/providers/west": LED},
    "/images/{slug}": {
        "/images/open-image": ALL,
        "/images/open-image?channel=inner": ALL,
        "/images/open-image?channel=latest&provider=west": ALL,
        "/images/shared-image": LAB,
        "/images/kept-image": LAB,
        "/images/closed-image": KEPT,
        "/images/ended-image": KEPT,
        "/images/scheduled-image": KEPT,
    },
    "/images/{slug}/versions": {
        "/images/open-image/versions": ALL,
        "/images/open-image/versions?start_date__lt=2026-06-10T00:00:00Z": ALL,
        "/images/shared-image/versions": LAB,
        "/images/closed-image/versions": KEPT,
    },
    "/images/{slug}/lineage": {
        "/images/open-image/lineage": ALL,
        "/images/shared-image/lineage": LAB,
        "/images/closed-image/lineage": KEPT,
    },
    "/images/{slug}/feed.atom": {
        "/images/open-image/feed.atom": ALL,
        "/images/shared-image/feed.atom": LAB,
        "/images/closed-image/feed.atom": KEPT,
    },
    "/images/{slug}/compare": {
        "/images/open-image/compare": LED,
        "/images/open-image/compare?a=open-1.0&b=open-1.1": LED,
        "/images/open-image/compare?a=closed-1.0&b=open-1.1": "404 404 404 404 404 404",
        "/images/shared-image/compare": LAB,
        "/images/closed-image/compare": KEPT,
    },
    "/images/{slug}/compare/{two}": {
        "/images/open-image/compare/open-1.0...open-1.1": ALL,
        "/images/open-image/compare/open-1.1...open-1.0": ALL,
        "/images/open-image/compare/open-1.0...{closed}": KEPT,
        "/images/open-image/compare/open-1.1...{shared}": LAB,
        "/images/closed-image/compare/closed-1.0...closed-1.0": KEPT,
    },
    "/images/{slug}/versions/{name}": {
        "/images/open-image/versions/open-1.0": ALL,
        "/images/open-image/versions/open-1.1": ALL,
        "/images/open-image/versions/open-1.1?provider=west": ALL,
        "/images/open-image/versions/closed-1.0": "404 404 404 404 404 404",
        "/images/open-image/versions/{closed}": "404 404 404 303 303 404",
        "/images/shared-image/versions/shared-1.0": LAB,
        "/images/kept-image/versions/kept-1.0": LAB,
        "/images/closed-image/versions/closed-1.0": KEPT,
        "/images/ended-image/versions/ended-1.0": KEPT,
        "/images/scheduled-image/versions/scheduled-1.0": KEPT,
    },
    "/images/{slug}/versions.csv": {
        "/images/open-image/versions.csv": ALL,
        "/images/shared-image/versions.csv": LAB,
        "/images/closed-image/versions.csv": KEPT,
    },
    "/images/{slug}/versions/{name}/lineage": {
        "/images/open-image/versions/open-1.1/lineage": ALL,
        "/images/shared-image/versions/shared-1.0/lineage": LAB,
        "/images/closed-image/versions/closed-1.0/lineage": KEPT,
    },
    "/drift": {"/drift": NOBODY, "/drift?image=closed-image": NOBODY, "/drift?kind=wider": NOBODY},
    "/syncs": {"/syncs": NOBODY, "/syncs?source=none": NOBODY},
    "/syncs/{key}": {"/syncs/1": "401 404 404 404 404 404"},
}
