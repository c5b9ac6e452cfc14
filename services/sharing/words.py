"""What people find a bulletin by: single characters and pairs of neighbouring ones.

Pairs find Chinese without a dictionary and Latin words alike. A bulletin is found if it holds all pairs
of all words of the query.
"""

from __future__ import annotations


def words_of(text: str) -> list[str]:
    """The words of a text: letters and digits between anything else, in lower case."""
    return "".join(each.lower() if each.isalnum() else " " for each in text).split()


def index_terms(text: str) -> set[str]:
    """What of a text is indexed; single characters too, since one is a word in Chinese."""
    words = words_of(text)
    return {character for word in words for character in word} | {
        word[start : start + 2] for word in words for start in range(len(word) - 1)
    }


def query_terms(query: str) -> set[str]:
    """What a bulletin must hold to be found, empty if the query has no word."""
    return {word[start : start + 2] for word in words_of(query) for start in range(max(len(word) - 1, 1))}
