"""Names, marks and numbers from outside: what is taken, and what each wrong one is answered."""

import random
import string
import time
import unicodedata

import pytest

from goldenrod.base import decode
from goldenrod.base.errors import BadRequest
from goldenrod.base.numbers import LARGEST, id_or_text, number_up_to, whole_number
from goldenrod.base.text import (
    MOST_MARKS,
    filter_key,
    fold,
    has_too_many_marks,
    name_key,
    normalized,
    sought_key,
)
from tests.support.client import ApiClient, code

API = "/api/v2"
MARKS = "\u0301\u0316\u0315\u0344\u0f73\uff9e\u3099"


def longest_run(text: str) -> int:
    longest = run = 0
    for character in unicodedata.normalize("NFKD", text):
        run = run + 1 if unicodedata.combining(character) else 0
        longest = max(longest, run)
    return longest


def test_texts_with_few_marks_are_normalised_as_unicode_has_it() -> None:
    chance = random.Random(1)
    letters = "aé\u01d6ﬃｶ漢 .—" + MARKS
    for _ in range(2000):
        text = "".join(chance.choice(letters) for _ in range(chance.randrange(15)))
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            assert normalized(form, text) == unicodedata.normalize(form, text)


def test_longer_runs_of_marks_are_cut_exactly_beyond_thirty() -> None:
    chance = random.Random(2)
    for start in ("a", "", "\u01d6", "—" * 20):
        for _ in range(200):
            text = start + "".join(chance.choice(MARKS) for _ in range(chance.randrange(10, 100)))
            assert longest_run(normalized("NFD", text)) <= MOST_MARKS
            assert has_too_many_marks(text) == (longest_run(text) > MOST_MARKS), text


def test_the_quick_search_for_marks_misses_none() -> None:
    for number in range(0x110000):
        character = chr(number)
        if 0xD800 <= number < 0xE000 or not unicodedata.combining(
            unicodedata.normalize("NFKD", character)[0]
        ):
            continue
        assert has_too_many_marks(character * 31), hex(number)


@pytest.mark.parametrize("make", [name_key, fold, lambda text: normalized("NFC", text)])
def test_keys_of_long_runs_cost_in_proportion_to_length(make: object) -> None:
    assert callable(make)
    begun = time.process_time()
    make("a" + "\u0301\u0316" * 15_000)
    assert time.process_time() - begun < 0.25


def test_a_text_too_long_for_a_name_has_no_key() -> None:
    assert sought_key(f"  {'x' * 256} ") == "x" * 256
    assert sought_key("x" * 257) is None
    with pytest.raises(ValueError, match="at most 256 characters"):
        filter_key("x" * 257)


@pytest.mark.parametrize(
    "text",
    ["", "²", "٣", "-1", "+1", " 1", "1_0", "1" * 20, "0" * 4400, "1" * 5000, str(LARGEST + 1)],
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="takes a whole number from 0"):
        whole_number(text)
    assert id_or_text(text) == text or text == str(LARGEST + 1)


def test_what_is_a_number() -> None:
    assert [whole_number(text) for text in ("0", "007", str(LARGEST))] == [0, 7, LARGEST]
    with pytest.raises(ValueError, match="from 1 to 5"):
        whole_number("6", 1, 5)


def test_a_number_of_any_length_is_cut_to_the_largest() -> None:
    read = [number_up_to(text, 9) for text in ("0", "007", "9", "10", str(LARGEST + 1), "1" * 5000)]
    assert read == [0, 7, 9, 9, 9, 9]
    for text in ("", "²", "-1", "1_0", "1" * 5000 + "x"):
        with pytest.raises(ValueError, match=f"^{text}$"):
            number_up_to(text, 9)


def test_the_fault_of_a_body_is_found_by_its_path() -> None:
    with pytest.raises(BadRequest) as wrong:
        decode.parse(b'{"a":[1,{"b":["x","\\u0001"]}]}')
    assert wrong.value.errors[0].field == "a[1].b[1]"
    with pytest.raises(BadRequest, match="32 levels"):
        decode.parse(b'{"a":' + b"[" * 32 + b"]" * 32 + b"}")
    assert decode.parse(b'{"a":' + b"[" * 31 + b"]" * 31 + b"}")
    with pytest.raises(BadRequest, match="100,000 commas"):
        decode.parse(b"[" + b"1," * 100_000 + b"1]")


def test_a_body_that_anybody_may_send_has_a_lower_limit(api: ApiClient) -> None:
    many = b'{"identifiers":[' + b'"a",' * 20_000 + b'"a"]}'
    assert "20,000 commas" in api.ask("POST", "/lookup", raw=many).json["detail"]
    assert "20,000" not in api.ask("POST", "/lookup", "alice", raw=many).text


WRONG_NUMBERS = ("²", "1" * 5000, "0" * 4400, "1" * 20, "-1")


def test_wrong_numbers_are_refused_alike_everywhere(api: ApiClient) -> None:
    version = api.world.versions["open"]
    for wrong in WRONG_NUMBERS:
        # A page of a number that is too large is past the end of the list.
        page = api.get(f"{API}/images?page={wrong}")
        assert page.status_code == (404 if set(wrong) <= set(string.digits) else 400), wrong[:9]
        for address in (
            "/images?page_size={}",
            f"/image_versions/{version}/lineage?depth={{}}",
            "/lookup?identifier=x&provider={}",
        ):
            answer = api.get(API + address.format(wrong))
            assert answer.status_code == 400, (address, wrong[:9])
        for address in ("/images/{}", "/users/{}", "/images/{}/channels/latest"):
            assert api.get(API + address.format(wrong)).status_code in (404, 414)


def test_names_that_are_too_long_are_refused_or_name_nothing(api: ApiClient) -> None:
    long, image = "x" * 257, f"{API}/images/{api.world.images['open']}"
    for address in ("/images?tag=", "/image_versions?tag=", "/image_versions?created_by="):
        assert code(api.get(f"{API}{address}{long}")) == "400 parameter_invalid"
    assert code(api.patch(image, "dora", {"owner": long})) == "400 reference_unknown"
    marked = "a" + "\u0301" * 31
    refused = api.patch(image, "dora", {"name": marked})
    assert code(refused) == "400 field_invalid"
    assert "30 combining marks" in refused.text
    signing_in = {"username": long, "password": "some password"}
    assert api.post(f"{API}/tokens", None, signing_in).status_code in (400, 401)


def test_addresses_and_headers_have_a_length(api: ApiClient) -> None:
    assert code(api.get(f"{API}/images?tag={'x' * 16_400}")) == "414 address_too_long"
    assert code(api.get(f"{API}/images/{'x' * 5000}")) == "414 address_too_long"
    cookie = {"Cookie": "a=" + "x" * 9000}
    assert code(api.get(f"{API}/images", headers=cookie)) == "431 header_too_large"
    assert api.ask("HEAD", f"{API}/images?tag={'x' * 16_400}").text == ""
