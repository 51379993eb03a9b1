"""Words: what a search finds, how names compare, what becomes a slug."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldenrod.base.text import (
    MOST_CHARACTERS,
    MOST_TOKEN_BYTES,
    MOST_WORDS,
    Term,
    fold,
    index_tokens,
    is_slug,
    name_key,
    query_terms,
    slug,
)

# Joints, spaces, accents both ways, ß, the Turkish i, ligatures, wide digits, Han, kana, Hangul.
texts = st.text("abAB12-._ /éñße\u0301ıİﬁ２東京都々カがﾊﾟ한글") | st.text()
words = st.from_regex(r"[ab1]{1,2}([-._][ab1]{1,2}){0,4}", fullmatch=True)


def matches(terms: list[Term], tokens: list[str]) -> bool:
    """Whether tokens satisfy all terms: the meaning that the databases' statements have."""
    return all(any(_meets(term, token) for token in tokens) for term in terms)


def _meets(term: Term, token: str) -> bool:
    if term.prefix:
        return token.startswith(term.text)
    return token == term.text or token.startswith(tuple(term.text + joint for joint in "-._"))


def finds(query: str, text: str) -> bool:
    return matches(query_terms(query), index_tokens(text))


class TestFold:
    @pytest.mark.parametrize(
        ("text", "folded"),
        [
            ("Réseau", "reseau"),
            ("Re\u0301seau", "reseau"),
            ("Straße", "strasse"),
            ("STRASSE", "strasse"),
            ("İstanbul", "istanbul"),
            ("Işık", "isık"),  # the dotless i is a letter of its own, not an accent
            ("ﬁrmware", "firmware"),
            ("ＡＭＩ２", "ami2"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("ﾊﾟｽ", "ハス"),
            ("한글", "한글"),
            ("ᾳ", "αι"),
        ],
    )
    def test_makes_spellings_one(self, text: str, folded: str) -> None:
        assert fold(text) == folded

    @given(texts)
    def test_is_idempotent(self, text: str) -> None:
        assert fold(fold(text)) == fold(text)

    @given(texts)
    def test_gives_recomposed_text(self, text: str) -> None:
        assert unicodedata.is_normalized("NFC", fold(text))


class TestTokens:
    @pytest.mark.parametrize(
        ("text", "tokens"),
        [
            ("2.0.20251112", ["0.20251112", "2.0.20251112", "20251112"]),
            ("al2023-ami", ["al2023-ami", "ami"]),
            ("kernel_6.1, (kernel_6.1)", ["1", "6.1", "kernel_6.1"]),
            ("a--b .c. -d-", ["a", "b", "c", "d"]),
            ("東京都", ["京都", "東京", "都"]),
            ("東京server2", ["server2", "京", "東京"]),
            ("v2-東京", ["v2", "京", "東京"]),
            ("カタ", ["カタ", "タ"]),
            ("한글 이미지", ["이미지", "한글"]),
            ("… -._ !", []),
            ("", []),
        ],
    )
    def test_of_a_text(self, text: str, tokens: list[str]) -> None:
        assert index_tokens(text) == tokens

    @given(texts)
    def test_are_sorted_unique_short_and_plain(self, text: str) -> None:
        tokens = index_tokens(text)
        assert tokens == sorted(set(tokens))
        for token in tokens:
            assert 1 <= len(token) <= MOST_CHARACTERS
            assert all(c.isalnum() or c in "-._" for c in token)
            assert fold(token) == token

    def test_of_a_long_text_stay_within_what_a_tsvector_holds(self) -> None:
        text = "-".join(str(n) for n in range(11_000))
        tokens = index_tokens(text)
        assert sum(len(token.encode()) + 1 for token in tokens) <= MOST_TOKEN_BYTES
        assert finds("0-1-2", text)
        assert finds("5000", text)


class TestSearch:
    @pytest.mark.parametrize(
        ("query", "text"),
        [
            ("al2023", "al2023-ami-ecs-hvm"),
            ("ami-ecs", "al2023-ami-ecs-hvm"),
            ("ami-ecs al2023", "al2023-ami-ecs-hvm"),
            ("ecs ami al20", "al2023-ami-ecs-hvm"),
            ("2.0", "version 2.0.20251112"),
            ("20251112", "version 2.0.20251112"),
            ("0.20251112 version", "version 2.0.20251112"),
            ("2.0 2025", "version 2.0.20251112"),
            ("RESEAU", "le réseau"),
            ("strasse", "Straße"),
            ("straße", "STRASSE"),
            ("istanbul", "İstanbul"),
            ("東京", "東京都"),
            ("京都 image", "東京都 image"),
            ("都", "東京都"),
            ("京 image", "東京都 image"),
            ("東京image", "image 東京"),
            ("(al2023)", "al2023-ami"),
        ],
    )
    def test_finds(self, query: str, text: str) -> None:
        assert finds(query, text)

    @pytest.mark.parametrize(
        ("query", "text"),
        [
            ("l2023", "al2023-ami"),  # not at a boundary
            ("al20 ami", "al2023-ami"),  # only the last word may be a beginning
            ("al2023.ami", "al2023-ami"),  # another joint is another word
            ("ami-al2023", "al2023-ami"),
            ("2.2025", "2.0.20251112"),
            ("ami gone", "al2023-ami"),  # every word must occur
            ("東都", "東京都"),
            ("京東", "東京都"),
            ("isik", "ışık"),
        ],
    )
    def test_does_not_find(self, query: str, text: str) -> None:
        assert not finds(query, text)

    @given(texts)
    def test_finds_every_word_of_a_text_alone(self, text: str) -> None:
        tokens = index_tokens(text)
        for word in text.split():
            if len(word) <= MOST_CHARACTERS:
                assert matches(query_terms(word), tokens), word

    @given(texts, st.randoms())
    def test_finds_the_words_of_a_text_together_in_any_order(self, text: str, random) -> None:
        query = [word for word in text.split() if len(word) <= MOST_CHARACTERS]
        random.shuffle(query)
        assert finds(" ".join(query[:MOST_WORDS]), text)

    @given(words, words)
    def test_of_a_word_is_any_run_of_its_parts(self, query: str, word: str) -> None:
        joints = [place for place, c in enumerate(word) if c in "-._"]
        starts = [0, *(place + 1 for place in joints)]
        runs = {word[start:end] for start in starts for end in [*joints, len(word)]}
        assert matches([Term(query, False)], index_tokens(word)) == (query in runs)

    @given(words, words)
    def test_of_a_beginning_starts_at_a_boundary(self, query: str, word: str) -> None:
        begins = re.search(rf"(?:^|[-._]){re.escape(query)}", word) is not None
        assert matches([Term(query, True)], index_tokens(word)) == begins

    def test_finds_a_long_word_by_its_first_characters(self) -> None:
        word = "x" * 40 + "-" + "y" * 40 + "z"
        assert finds(word[:MOST_CHARACTERS], word)
        assert finds(f"{word[:MOST_CHARACTERS]} {word[:40]}", word)
        assert finds("y" * 40, word)

    def test_finds_a_word_that_folding_makes_too_long(self) -> None:
        word = "ß" * MOST_CHARACTERS
        assert finds(word, word)
        assert finds(f"{word} end", f"{word} end")

    def test_of_punctuation_asks_for_nothing(self) -> None:
        assert query_terms("… -._ !") == []
        assert query_terms("") == []

    def test_asks_for_a_beginning_only_of_the_last_word(self) -> None:
        assert query_terms("Kernel 6.1 ecs") == [
            Term("kernel", False),
            Term("6.1", False),
            Term("ecs", True),
        ]

    def test_asks_for_pairs_of_a_run_and_the_beginning_of_a_pair(self) -> None:
        assert query_terms("東京都 都") == [
            Term("東京", False),
            Term("京都", False),
            Term("都", True),
        ]

    def test_takes_sixteen_words_of_sixty_four_characters_and_no_more(self) -> None:
        longest = " ".join(str(n).rjust(MOST_CHARACTERS, "x") for n in range(MOST_WORDS))
        assert len(query_terms(longest)) == MOST_WORDS
        with pytest.raises(ValueError, match="at most 16 words"):
            query_terms(longest + " more")
        with pytest.raises(ValueError, match="at most 64 characters"):
            query_terms("x" * (MOST_CHARACTERS + 1))


class TestNames:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("Web Server", "WEB SERVER"),
            ("Straße", "STRASSE"),
            ("ﬁrmware", "Firmware"),
            ("２.０", "2.0"),
            ("re\u0301seau", "Réseau"),
        ],
    )
    def test_that_look_alike_are_one(self, one: str, other: str) -> None:
        assert name_key(one) == name_key(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [("reseau", "réseau"), ("1.0.9", "1.0.12"), ("a-b", "a_b"), ("ışık", "isik")],
    )
    def test_that_differ_stay_apart(self, one: str, other: str) -> None:
        assert name_key(one) != name_key(other)

    @given(texts)
    def test_key_is_idempotent_and_the_same_in_every_normal_form(self, text: str) -> None:
        assert name_key(name_key(text)) == name_key(text)
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            assert name_key(unicodedata.normalize(form, text)) == name_key(text)


class TestSlug:
    @pytest.mark.parametrize(
        ("name", "made"),
        [
            ("al2023-ami", "al2023-ami"),
            ("Amazon Linux 2 (ECS)", "amazon-linux-2-ecs"),
            ("Réseau — Straße", "reseau-strasse"),
            ("--a--", "a"),
            ("2.0.20251112", "image"),  # no letter
            ("東京", "image"),
            ("", "image"),
            ("0198a1b2-c3d4-7000-8000-1234567890ab", "image"),
            ("x" * 70, "x" * 64),
            ("x" * 63 + " y", "x" * 63),
        ],
    )
    def test_of_a_name(self, name: str, made: str) -> None:
        assert slug(name) == made

    def test_uses_the_fallback_of_the_resource(self) -> None:
        assert slug("東京", fallback="provider") == "provider"

    @given(texts)
    def test_is_always_one_and_its_own_slug(self, text: str) -> None:
        made = slug(text)
        assert is_slug(made)
        assert slug(made) == made

    @pytest.mark.parametrize("text", ["a", "0a", "a-", "a" * 64, "2023-ami"])
    def test_is_recognised(self, text: str) -> None:
        assert is_slug(text)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "-a",
            "2023",
            "1-2",
            "A",
            "é",
            "a b",
            "a.b",
            "a\n",
            "a" * 65,
            "٣a",
            "0198a1b2-c3d4-7000-8000-1234567890ab",
        ],
    )
    def test_is_told_from_what_is_none(self, text: str) -> None:
        assert not is_slug(text)
