"""The table of limits in `docs/operating.md` has every limit, and the numbers of the code."""

import re

from argon2 import PasswordHasher

from goldenrod.base import config, decode
from goldenrod.base import text as words
from goldenrod.catalogue.accounts import password_hashing, password_rules, password_sign_in
from goldenrod.catalogue.channels import lookup
from goldenrod.catalogue.images import follows, images
from goldenrod.catalogue.versions.lineage import lineage
from goldenrod.catalogue.webhooks import attempts, http_sender, outbox, webhooks, worker
from goldenrod.rules import filters
from goldenrod.rules.changes import events, idempotency, labels, security_log
from goldenrod.store import paging
from goldenrod.store.connections import drivers as store
from goldenrod.store.connections import postgresql
from goldenrod.web import app, oidc_client, request_body, server
from goldenrod.web.api import user_data
from goldenrod.web.limits import gate, rate_limit
from goldenrod.web.pages.account import oidc_sign_in
from goldenrod.web.pages.images import image_versions
from goldenrod.web.pages.kit import visit
from tests.test_docs import rows, sections, text


def test_limits_are_those_of_the_code() -> None:
    limits = {
        "a path": [app.MOST_PATH],
        "a query string": [app.MOST_QUERY],
        "a header": [app.MOST_HEADER],
        "a password": [password_rules.LEAST, password_rules.MOST],
        "bodies being received at once, each process": [
            request_body.AT_ONCE,
            request_body.MOST_OF_ADDRESS,
            request_body.MOST_OF_ANONYMOUS,
            request_body.MOST_OF_USER,
        ],
        "passwords checked at once, each process": [
            password_hashing.AT_ONCE,
            PasswordHasher().memory_cost // 2**10,
        ],
        "a connection's time to send a request's head, or to lie idle": [server.IDLE_S],
        "open connections, each process": [server.MOST_CONNECTIONS],
        "a request's time to get a database connection": [int(store.POOL_TIMEOUT_S)],
        "webhooks": [webhooks.MOST_PER_IMAGE, webhooks.MOST_PER_CREATOR],
        "deliveries that wait for a webhook": [outbox.MOST_WAITING],
        "receivers that are sent to at once": [
            worker.SLOTS,
            worker.SLOTS_PER_CREATOR,
            worker.SLOW_SLOTS,
        ],
        "a delivery's time": [int(http_sender.STEP_TIMEOUT_S), int(http_sender.TOTAL_TIMEOUT_S)],
        "deliveries and events are stored for": [events.DAYS_STORED],
        "rows of security events in an hour": [
            security_log.MOST_ALIKE,
            security_log.MOST_OF_KIND,
        ],
        "security events are stored for": [security_log.DAYS_STORED],
        "a body": [
            request_body.MOST_BODY // 2**20,
            decode.MOST_DEPTH,
            decode.MOST_SEPARATORS,
            decode.MOST_ANONYMOUS_SEPARATORS,
        ],
        "a form of somebody who is not signed in": [visit.MOST_ANONYMOUS // 2**10],
        "a name": [decode.MOST_NAME],
        "a change log, description or text": [decode.MOST_TEXT_BYTES // 2**10],
        "boot scripts as [user data](consuming.md#boot-scripts-at-launch)": [
            user_data.MOST_USER_DATA // 2**20
        ],
        "a list in a body": [decode.MOST_ITEMS],
        "labels of a version": [labels.MOST_LABELS],
        "a filter": [filters.MOST_VALUES, labels.MOST_ASKED],
        "a list of versions as CSV": [image_versions.MOST_IN_CSV],
        "a page": [paging.MOST_PER_PAGE, paging.PAGE_SIZE],
        "a search": [words.MOST_WORDS, words.MOST_CHARACTERS],
        "ids in a look-up": [lookup.MOST_IDENTIFIERS, lookup.MOST_CHARACTERS],
        "versions in a lineage": [lineage.MOST_NODES],
        "versions shown inside an image": [images.NEWEST],
        "failed sign-ins in a quarter of an hour": [
            password_sign_in.MOST_BY_ACCOUNT,
            password_sign_in.MOST_BY_ADDRESS,
        ],
        "an Idempotency-Key is stored for": [idempotency.HOURS_STORED],
        "a change's time to be committed on PostgreSQL": [int(postgresql.COMMIT_WAIT_S)],
        "waiting for another writer": [store.BUSY_TIMEOUT_MS // 1000],
        "requests answered at once, each process": [server.BLOCKING_THREADS],
        "requests that wait for their turn, each process": [
            gate.MOST_WAITING,
        ],
        "requests of one address or token, each process": [
            config.load({}).rate_limit,
            rate_limit.WINDOW_S,
            config.load({}).rate_limit * rate_limit.WINDOW_S,
        ],
        "addresses and tokens that are counted, each process": [
            rate_limit.MOST_CLIENTS,
            rate_limit.MOST_TOKENS,
        ],
        "threads that answer requests, each process": [
            server.BLOCKING_THREADS,
            gate.MOST_WAITING + gate.MOST_CHANGES_WAITING,
            request_body.AT_ONCE + request_body.MOST_WAITING,
            server.REFUSING_THREADS,
        ],
        "connections that wait to be accepted": [server.BACKLOG],
        "a read in the database": [server.READ_S],
        "database connections, each process": [
            config.load({}).database_pool,
            1,
            worker.CONNECTIONS,
        ],
        "SQLite's cache of pages, each process": [
            config.load({}).database_cache_mb,
            store.PAGES_MB,
        ],
        "the response cache, each process": [config.load({}).cache_mb],
        "heaps of the C library (glibc), each process": [server.HEAPS],
        "a transaction of a server that hangs": [postgresql.IDLE_TRANSACTION_S],
        "ending after SIGTERM": [server.FINISH_S],
        "requests that wait for the OpenID Connect provider at once, each process": [
            oidc_client.MOST_AT_ONCE,
            int(oidc_client.WHOLE_S),
        ],
        "a body's time to arrive": [
            config.load({}).body_seconds,
            int(request_body.FIRST_S),
            request_body.RATE // 2**10,
        ],
        "signing in with OpenID Connect, from beginning to end": [oidc_sign_in.MINUTES],
        "images that a user follows": [follows.MOST_FOLLOWED],
        "attempts to deliver that are stored, with what was sent and answered": [
            attempts.MOST_STORED,
            http_sender.MOST_BODY_BYTES // 2**10,
        ],
        # Said in words, or held by the tests of what they limit.
        "a reason": [2000],
        "Markdown on a page": [],
        "a read that would record something": [],
    }
    documented = {
        cells[0]: cells[1] for cells in rows(sections(text("docs/operating.md"), 2)["Limits"])
    }
    assert limits.keys() == documented.keys() - {"what"}
    assert postgresql.LOCK_TIMEOUT_S == store.BUSY_TIMEOUT_MS // 1000
    for what, numbers in limits.items():
        shown = [
            int(number.replace(",", "")) for number in re.findall(r"\b\d[\d,]*", documented[what])
        ]
        assert shown[: len(numbers)] == numbers, what
