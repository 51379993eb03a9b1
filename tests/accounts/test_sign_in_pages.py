"""Signing in and out with a browser: cookies, forms that only our pages send, where it leads."""

from typing import Any

import pytest

from goldenrod.base import config
from goldenrod.catalogue.accounts.password_sign_in import MOST_BY_ACCOUNT
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.listened_argon2 import Argon2
from tests.support.pages.visitor import PageResponse, Visitor

FORM = "/sign-in"


def attempt(visitor: Visitor, username: str, password: str) -> PageResponse:
    return visitor.submit(visitor.get(FORM), FORM, username=username, password=password)


def test_the_anonymous_are_led_to_the_form_and_back(visitor: Visitor) -> None:
    refused = visitor.get("/account")
    assert (refused.status, refused.headers["cache-control"]) == (401, "no-store")
    assert "Sign in to continue" in refused.words
    assert f"{FORM}?next=%2Faccount" in refused.links
    page = visitor.get(f"{FORM}?next=%2Faccount")
    done = visitor.submit(page, FORM, username=" Alice ", password="alice-secret", follow=False)
    assert (done.status, done.headers["location"]) == (303, "/account")
    account = visitor.get("/account")
    assert account.status == 200
    assert "alice" in account.words
    assert "lab 2 members" in account.words


def test_a_stranger_sees_their_own_account_and_nobody_elses(visitor: Visitor) -> None:
    visitor.sign_in("charlie")
    words = visitor.get("/account").words
    assert "charlie personal" in words
    for other in ("alice", "bob", "lab", "west"):
        assert other not in words


def test_who_is_signed_in_already_is_led_on(visitor: Visitor) -> None:
    visitor.sign_in("alice")
    page = visitor.get(f"{FORM}?next=%2Faccount", follow=False)
    assert (page.status, page.headers["location"]) == (303, "/account")


@pytest.mark.parametrize(
    ("username", "password"), [("alice", "wrong"), ("nobody", "xyzzy"), ("bob", "alice-secret")]
)
def test_what_does_not_fit_says_so_and_keeps_the_name(
    visitor: Visitor, username: str, password: str
) -> None:
    page = attempt(visitor, username, password)
    assert page.status == 401
    assert "Wrong username or password." in page.words
    assert page.form(FORM).fields["username"] == [username]
    assert page.form(FORM).fields["password"] == [""]
    assert password not in page.text.replace(username, "")
    assert "goldenrod_session" not in visitor.cookies
    # The page can be sent again as it stands.
    done = visitor.submit(page, FORM, username="alice", password="alice-secret", follow=False)
    assert done.status == 303


def test_empty_fields_are_named(visitor: Visitor) -> None:
    page = attempt(visitor, " ", "x")
    assert (page.status, page.text.count('aria-invalid="true"')) == (400, 1)
    assert "Username is required" in page.words
    assert "#f-username" in page.links
    assert "Password is required" in attempt(visitor, "alice", "").words


def test_failing_too_often_is_limited(visitor: Visitor, argon2: Argon2) -> None:
    argon2.remembers = True
    for _ in range(MOST_BY_ACCOUNT):
        assert attempt(visitor, "alice", "wrong").status == 401
    page = attempt(visitor, "alice", "alice-secret")
    assert (page.status, page.headers["retry-after"]) == (429, str(15 * 60))
    assert "Try again in 900 seconds" in page.words


@pytest.mark.parametrize(
    "there",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\r\nSet-Cookie: x=1",
        "/\t/evil.example",
        " /account",
        "account",
        "javascript:alert(1)",
        "",
    ],
)
def test_it_never_leads_to_another_site(visitor: Visitor, there: str) -> None:
    page = visitor.get(FORM)
    done = visitor.submit(
        page, FORM, username="alice", password="alice-secret", next=there, follow=False
    )
    assert (done.status, done.headers["location"]) == (303, "/")


def test_it_leads_to_a_path_with_its_query(visitor: Visitor) -> None:
    page = visitor.get(f"{FORM}?next=%2Fsearch%3Fq%3Da%2Bb%26tag%3Dx")
    done = visitor.submit(page, FORM, username="alice", password="alice-secret", follow=False)
    assert done.headers["location"] == "/search?q=a+b&tag=x"


# ── cookies ────────────────────────────────────────────────────────────────────────────────


def signed_in_at(db: Database, public_url: str) -> tuple[Visitor, dict[str, Any]]:
    """A browser that has signed in, and the cookies that this set."""
    visitor = Visitor(db, config.load({"GOLDENROD_PUBLIC_URL": public_url}))
    page = visitor.get(FORM)
    done = visitor.submit(page, FORM, username="alice", password="alice-secret", follow=False)
    assert done.status == 303
    return visitor, done.cookies


def test_the_cookie_is_for_this_host_and_no_script(db: Database, world: World) -> None:
    visitor, cookies = signed_in_at(db, "http://images.example.org")
    cookie = cookies["goldenrod_session"]
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Lax", "/")
    assert (cookie.max_age, cookie.domain, cookie.secure) == (30 * 86400, None, False)
    assert visitor.get("/account").status == 200


def test_behind_https_it_is_secure_by_its_name(db: Database, world: World) -> None:
    visitor, cookies = signed_in_at(db, "https://images.example.org")
    assert {"__Host-goldenrod_session", "__Host-goldenrod_visit"} == cookies.keys()
    assert all(cookie.secure and cookie.http_only for cookie in cookies.values())
    assert visitor.get("/account").status == 200
    # The name without the mark is one that any host of the domain could have set.
    visitor.cookies = {"goldenrod_session": visitor.cookies["__Host-goldenrod_session"]}
    assert visitor.get("/account").status == 401


def test_signing_in_makes_a_new_session_and_forgets_the_forms_secret(visitor: Visitor) -> None:
    visitor.cookies["goldenrod_session"] = "chosen-by-somebody-else"
    visitor.sign_in("alice")
    first = visitor.cookies["goldenrod_session"]
    assert first != "chosen-by-somebody-else"
    assert "goldenrod_visit" not in visitor.cookies
    del visitor.cookies["goldenrod_session"]
    visitor.sign_in("alice")
    assert visitor.cookies["goldenrod_session"] != first


def test_who_signs_in_as_another_leaves_the_first(visitor: Visitor) -> None:
    page = visitor.get(FORM)
    visitor.sign_in("alice")
    kept = dict(visitor.cookies)
    # The form was opened before, in another tab.
    [token] = visitor.get("/account").form("/sign-out").fields["token"]
    refused = visitor.submit(page, FORM, username="bob", password="wrong", token=token)
    assert refused.status == 401
    done = visitor.submit(refused, FORM, username="bob", password="bob-secret")
    assert done.status == 200
    assert "bob personal" in visitor.get("/account").words
    visitor.cookies = kept
    assert visitor.get("/account").status == 401


def test_a_cookie_that_holds_no_more_is_forgotten(visitor: Visitor) -> None:
    visitor.cookies["goldenrod_session"] = "x"
    page = visitor.get("/")
    assert page.status == 200
    assert page.headers["cache-control"] == "private, no-cache"
    assert "goldenrod_session" not in visitor.cookies


# ── forms ──────────────────────────────────────────────────────────────────────────────────


def test_a_form_needs_its_token(db: Database, visitor: Visitor) -> None:
    page = visitor.get(FORM)
    given: dict[str, Any] = {"username": "alice", "password": "alice-secret"}
    [foreign] = Visitor(db, config.load({})).get(FORM).form(FORM).fields["token"]
    for token in (None, "", "x", foreign, page.form(FORM).fields["token"][0][:-1]):
        refused = visitor.submit(page, FORM, token=token, **given)
        assert refused.status == 403, token
        assert "reload the page" in refused.words
        assert "goldenrod_session" not in visitor.cookies
    assert visitor.submit(page, FORM, follow=False, **given).status == 303


def test_a_form_without_the_cookie_it_belongs_to_is_refused(visitor: Visitor) -> None:
    page = visitor.get(FORM)
    visitor.cookies.clear()
    refused = visitor.submit(page, FORM, username="alice", password="alice-secret")
    assert refused.status == 403


def test_a_form_of_another_session_is_refused(visitor: Visitor) -> None:
    visitor.sign_in("alice")
    page = visitor.get("/account")
    visitor.cookies.clear()
    visitor.sign_in("bob")
    assert visitor.submit(page, "/account/sign-out-everywhere").status == 403
    assert visitor.get("/account").status == 200
    assert visitor.submit(visitor.get("/account"), "/sign-out").status == 200
    assert visitor.get("/account").status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://falconframework.org"}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[evil"}, 403),
        ({"Origin": "\u00e9"}, 403),
        ({"Origin": "http://falconframework.org.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ],
)
def test_where_a_form_was_sent_from_counts(
    visitor: Visitor, headers: dict[str, str], status: int
) -> None:
    # The test client's Host is falconframework.org.
    page = visitor.get(FORM)
    done = visitor.submit(
        page, FORM, username="alice", password="alice-secret", headers=headers, follow=False
    )
    assert done.status == status


def test_the_public_address_is_an_origin_of_ours(db: Database, world: World) -> None:
    visitor = Visitor(db, config.load({"GOLDENROD_PUBLIC_URL": "https://images.example.org"}))
    page = visitor.get(FORM)
    given = {"username": "alice", "password": "alice-secret", "follow": False}
    headers = {"Origin": "https://images.example.org"}
    assert visitor.submit(page, FORM, headers=headers, **given).status == 303  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body", ["token=%ff", "token=\u00e9", "token=a%00b", "&".join(["a=1"] * 3000), "x" * 2**21]
)
def test_a_form_that_is_none_is_refused(visitor: Visitor, body: str) -> None:
    visitor.get(FORM)
    refused = visitor.ask("POST", FORM, body=body)
    assert refused.status in (400, 413)
    assert "<h1>" in refused.text


def test_a_form_is_limited_until_one_has_signed_in(visitor: Visitor) -> None:
    long = "x" * 65_000
    assert visitor.submit(visitor.get(FORM), FORM, username="alice", password=long).status == 401
    longer = visitor.submit(visitor.get(FORM), FORM, username="alice", password=long * 2)
    assert longer.status == 413
    visitor.sign_in("alice")
    named = visitor.submit(visitor.get("/images/new"), "/images/new", description=long * 2)
    assert named.status == 400


def test_forms_are_not_read_from_the_query(visitor: Visitor) -> None:
    page = visitor.get(FORM)
    [token] = page.form(FORM).fields["token"]
    query = f"token={token}&username=alice&password=alice-secret"
    assert visitor.ask("POST", f"{FORM}?{query}", body="").status == 403


# ── out ────────────────────────────────────────────────────────────────────────────────────


def test_signing_out_ends_the_session_and_not_the_cookie_alone(visitor: Visitor) -> None:
    visitor.sign_in("alice")
    kept = dict(visitor.cookies)
    done = visitor.submit(visitor.get("/account"), "/sign-out")
    assert (done.address, done.status) == ("/", 200)
    assert visitor.cookies == {}
    visitor.cookies = kept
    assert visitor.get("/account").status == 401
    # Signing out of what has ended is no error.
    assert visitor.ask("POST", "/sign-out", body="").status == 200


def row_of(page: PageResponse, action: str) -> str:
    """The row of the table that the form with this action stands in."""
    return page.text.partition(action)[0].rpartition("<tr>")[2]


def test_one_browser_and_all_of_them(db: Database, world: World, clock: Clock) -> None:
    def browser(name: str) -> Visitor:
        made = Visitor(db, config.load({}))
        made.sign_in(name)
        return made

    here, there, third, bobs = (browser(name) for name in ("alice", "alice", "alice", "bob"))
    page = here.get("/account")
    assert page.words.count("this browser") == 1
    ends = [form.action for form in page.forms if form.action.endswith("/end")]
    assert len(ends) == 3
    # Somebody else's session is not there for bob.
    foreign = bobs.get("/account")
    token = foreign.form("/sign-out").fields["token"][0]
    assert bobs.ask("POST", ends[0], body=f"token={token}").status == 404
    other = next(action for action in ends if "in this browser" not in row_of(page, action))
    told = here.submit(page, other)
    assert (told.address, told.status) == ("/account", 200)
    assert "Signed out in that browser." in told.words
    assert sorted(v.get("/account").status for v in (here, there, third)) == [200, 200, 401]
    # The notice is told once.
    assert "Signed out in that browser." not in here.get("/account").words
    assert here.submit(here.get("/account"), "/account/sign-out-everywhere").address == "/"
    assert [v.get("/account").status for v in (here, there, third)] == [401, 401, 401]
    assert bobs.get("/account").status == 200


def test_a_notice_that_somebody_else_wrote_is_not_shown(visitor: Visitor) -> None:
    visitor.sign_in("alice")
    for text in ("x", "eyJkb25lIjoiaGFja2VkIn0=.00", "eyJkb25lIjoiaGFja2VkIn0=", "."):
        visitor.cookies["goldenrod_notice"] = text
        page = visitor.get("/account")
        assert (page.status, "banner done" in page.text) == (200, False)
        assert "goldenrod_notice" not in visitor.cookies


def test_how_many_statements_signing_in_and_the_account_take(
    db: Database, visitor: Visitor
) -> None:
    def statements(address: str) -> int:
        db.trace = []
        assert visitor.get(address).status == 200
        ran, db.trace = db.trace, None
        return len(ran)

    assert statements(FORM) == 0
    visitor.sign_in("alice")
    # Groups, accounts on providers, sessions, followed images, whether there is a password; who asks.
    assert statements("/account") == 6
