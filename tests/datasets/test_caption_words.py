"""Groups from captions: whole words, and lists that cannot be mistaken."""

import pytest

from steelyard.base.errors import InputError
from steelyard.datasets.words import (
    AGENT_NOUNS,
    CAPTION_WORDS,
    Words,
    group_of_word,
    named_groups,
    require_single_words,
)

MAN, WOMAN = 0, 1


@pytest.mark.parametrize(
    ("captions", "named"),
    [
        (["A man rides a horse."], {MAN}),
        (["A WOMAN", "two girls"], {WOMAN}),
        (["the man's car", "a lady’s hat"], {MAN, WOMAN}),
        (["a ladies' room"], {WOMAN}),
        (["a human, a mango, romance, a fireman, a mermaid"], set()),
        (["a man-made lake and a snow-man"], set()),
        (["(man)", '"woman"'], {MAN, WOMAN}),
        (["he and she with his cat"], set()),
        ([], set()),
    ],
)
def test_whole_words_name_groups(captions: list[str], named: set[int]) -> None:
    assert named_groups(captions, group_of_word(CAPTION_WORDS)) == named


def test_default_lists_are_of_the_same_two_groups() -> None:
    assert sorted(CAPTION_WORDS) == sorted(AGENT_NOUNS) == ["man", "woman"]
    require_single_words(CAPTION_WORDS)
    owner = group_of_word(CAPTION_WORDS)
    assert owner["man"] == owner["boys"] == MAN
    assert owner["woman"] == owner["mother"] == WOMAN


def test_more_than_two_groups() -> None:
    owner = group_of_word({"old": ["Grandpa"], "child": ["kid", "boy-scout"], "adult": ["worker"]})
    assert named_groups(["a kid, a boy-scout", "grandpa's hat"], owner) == {1, 2}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"man": ["man"]}, "--words: expected two or more groups, found 'man'; give each group its words, as "),
        ({}, "--words: expected two or more groups, found none; "),
        ({"a": ["x"], "b": []}, "--words: group 'b': expected words, found none; add them"),
        ({"a": ["x"], "b": ["y", " "]}, "--words: group 'b': expected words, found an empty word; add them"),
        (
            {"a": ["Child"], "b": ["child"]},
            "--words: word 'child': expected one group for each word, found 'a' and 'b'; leave it in one of them",
        ),
    ],
)
def test_lists_that_cannot_be_used(words: Words, line: str) -> None:
    with pytest.raises(InputError) as caught:
        group_of_word(words)
    assert str(caught.value).startswith(line)


def test_a_phrase_is_refused_where_it_could_never_be_found() -> None:
    with pytest.raises(InputError) as caught:
        require_single_words({"a": ["young man"], "b": ["girl"]})
    assert str(caught.value) == (
        "--words: expected single words, found 'young man'; give its parts, or write the compound with a hyphen"
    )
