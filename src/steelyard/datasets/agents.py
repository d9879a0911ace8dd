"""The agent of an imSitu image: which group three annotators say it is of, and what they said when they disagree.

imSitu: Yatskar, Zettlemoyer, Farhadi, CVPR 2016 (http://imsitu.org); groups from agents after Zhao et al. (EMNLP 2017,
https://arxiv.org/abs/1707.09457).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from steelyard.base.errors import InputError
from steelyard.datasets.json_files import field, read_json, wrong
from steelyard.datasets.words import AGENT_NOUNS, Words, group_of_word
from steelyard.tables.messages import complaint, listed

Rule = Literal["agree", "majority", "unanimous"]
NO_GROUP, DISAGREE = "whose agent no annotator gives a listed noun", "on whose agent the annotators disagree"
SOME_ABSTAIN = "whose agent some annotator gives no listed noun"


def require_rule(rule: str) -> Rule:
    """The rule, if there is one of this name.

    Raises:
        InputError: there is none.
    """
    rules: tuple[Rule, ...] = get_args(Rule)
    for known in rules:
        if rule == known:
            return known
    raise InputError(complaint("--rule", "", expected=", ".join(rules), found=repr(rule), do="name one"))


def noun_groups(path: Path, words: Words | None) -> dict[str, int]:
    """Noun id to the position of its group in `sorted(words)`.

    Args:
        path: `imsitu_space.json`.
        words: group to noun ids (`n10787470`) or first glosses (`woman`); None takes the default lists.

    Raises:
        InputError: the file is not of its format, or a word that was given is no noun of it.
    """
    owner = group_of_word(AGENT_NOUNS if words is None else words)
    nouns = field(read_json(path), "nouns", dict, path, "")
    found: dict[str, int] = {}
    used = set()
    for noun, record in nouns.items():
        glosses = field(record, "gloss", list, path, f"noun {noun}")
        for word in (noun.lower(), str(glosses[0]).lower() if glosses else ""):
            if word in owner:
                found[noun] = owner[word]
                used.add(word)
                break
    unknown = [word for word in owner if word not in used]
    if unknown and (words is not None or not found):
        do = "take noun ids or first glosses from it"
        raise wrong(path, "nouns", "those of --words", f"none like {listed(unknown)}", do)
    return found


def agent_group(frames: Iterable[Mapping[str, Any]], nouns: Mapping[str, int], rule: Rule) -> int | str:
    """The position of the agent's group, or why there is none.

    Args:
        frames: one annotator's frame each: role to noun id, empty where the role is not filled.
        nouns: noun id to group.
        rule: `agree`: all who name a listed noun name the same group; `majority`: more than half of those who do;
            `unanimous`: every annotator names it.
    """
    votes = [nouns.get(str(frame.get("agent", ""))) for frame in frames]
    counts = Counter(vote for vote in votes if vote is not None)
    if not counts:
        return NO_GROUP
    (group, most), voting = counts.most_common(1)[0], counts.total()
    if rule == "majority":
        return group if 2 * most > voting else DISAGREE
    if len(counts) > 1:
        return DISAGREE
    return group if rule == "agree" or voting == len(votes) else SOME_ABSTAIN
