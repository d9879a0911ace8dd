"""Groups from words: which group of people a caption, or an annotated noun, speaks of.

Zhao et al., *Men Also Like Shopping* (EMNLP 2017, https://arxiv.org/abs/1707.09457) read the group of COCO images from
captions and that of imSitu images from the agent's noun; Wang et al. (ICCV 2019) follow them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from steelyard.base.errors import InputError
from steelyard.tables.messages import complaint, listed, quoted

Words = Mapping[str, Sequence[str]]
"""Group to the words that name it."""

CAPTION_WORDS: Words = {
    "man": (
        *("man", "men", "boy", "boys", "guy", "guys", "gentleman", "gentlemen", "male", "males"),
        *("father", "fathers", "dad", "husband", "husbands", "son", "sons", "brother", "brothers"),
    ),
    "woman": (
        *("woman", "women", "girl", "girls", "lady", "ladies", "female", "females"),
        *("mother", "mothers", "mom", "wife", "wives", "daughter", "daughters", "sister", "sisters"),
    ),
}
"""Nouns for people only: pronouns speak of animals and toys, too, and professions say no group."""
AGENT_NOUNS: Words = {
    "man": ("man", "male", "male child", "boy", "guy", "gentleman"),
    "woman": ("woman", "female", "female child", "girl", "lady"),
}
"""First glosses of the nouns in `imsitu_space.json`; further glosses are ambiguous (a soldier's is `man`)."""

# Compounds such as man-made are one word, so that they name nobody; a possessive is not part of its noun.
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_POSSESSIVE = re.compile(r"['’]s$")


def group_of_word(words: Words, *, option: str = "--words") -> dict[str, int]:
    """Word, in lower case, to the position of its group in `sorted(words)`.

    Raises:
        InputError: fewer than two groups, a group without words, an empty word, or a word of two groups.
    """
    groups = sorted(words)
    if len(groups) < 2:
        found = listed(groups) if groups else "none"
        do = "give each group its words, as man=man,boy;woman=woman,girl"
        raise InputError(complaint(option, "", expected="two or more groups", found=found, do=do))
    owner: dict[str, int] = {}
    for position, group in enumerate(groups):
        spelt = [word.strip().lower() for word in words[group]]
        if not spelt or not all(spelt):
            found = "an empty word" if spelt else "none"
            raise InputError(complaint(option, f"group {quoted(group)}", expected="words", found=found, do="add them"))
        for word in spelt:
            if owner.setdefault(word, position) != position:
                both = f"{quoted(groups[owner[word]])} and {quoted(group)}"
                do = "leave it in one of them"
                where = f"word {quoted(word)}"
                raise InputError(complaint(option, where, expected="one group for each word", found=both, do=do))
    return owner


def require_single_words(words: Words, *, option: str = "--words") -> None:
    """Raise an `InputError` where a word could never be found in a caption."""
    for group in words.values():
        for word in group:
            if not _WORD.fullmatch(word.strip()):
                do = "give its parts, or write the compound with a hyphen"
                raise InputError(complaint(option, "", expected="single words", found=quoted(word), do=do))


def named_groups(captions: Iterable[str], owner: Mapping[str, int]) -> set[int]:
    """The groups that any of the captions names, by whole words."""
    found = set()
    for caption in captions:
        for word in _WORD.findall(caption.lower()):
            group = owner.get(_POSSESSIVE.sub("", word), owner.get(word))
            if group is not None:
                found.add(group)
    return found
