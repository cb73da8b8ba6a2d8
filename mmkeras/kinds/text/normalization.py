"""What a tokenizer does to a text before it cuts it, as steps of its JSON.

A device and a browser read the same steps there, so that what `prepare`
strips, they strip. Patterns are written in what Oniguruma, Python and
JavaScript read alike; for case, that is both letters of each.
"""

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from mmkeras.kinds.text import Text
from mmkeras.kinds.text.characters import (
    ACCENTS,
    BLANKS,
    INVISIBLE,
    SINGLE,
    SPACES,
    Singles,
    char_class,
)

# Comments, scripts and styles with all they hold, and tags; "a < b" stays.
# What is never closed goes to the end, as in a browser, which also keeps the
# time linear.
_END = r"(?![\s\S])"
_SCRIPT = "[sS][cC][rR][iI][pP][tT]"
_STYLE = "[sS][tT][yY][lL][eE]"
MARKUP = (
    rf"<!--[\s\S]*?(?:-->|{_END})"
    rf"|<{_SCRIPT}(?:[ \t\r\n/][^<>]*)?>[\s\S]*?(?:</{_SCRIPT}>|{_END})"
    rf"|<{_STYLE}(?:[ \t\r\n/][^<>]*)?>[\s\S]*?(?:</{_STYLE}>|{_END})"
    "|</?[a-zA-Z][^<>]*>|<![a-zA-Z][^<>]*>"
)
# Those that every page has; the ampersand last, or "&amp;lt;" became "<".
ENTITIES = {
    "&nbsp;": " ", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'",
    "&apos;": "'", "&amp;": "&",
}  # fmt: skip
# The characters of RFC 3986, so that Chinese beside a link is not swallowed.
LINK = (
    "(?:[hH][tT][tT][pP][sS]?://|[fF][tT][pP]://|[wW][wW][wW][.])"
    r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%\-]+"
)
FORMS = ("NFC", "NFKC")


def normalizer(modality: Text, stop_words: tuple[str, ...] = ()):
    """Returns the `tokenizers.normalizers.Normalizer` of a modality.

    Args:
        modality: What is stripped, and whether letters keep case and accents.
        stop_words: Words that are left out, as they are written in texts.
    """
    from tokenizers import normalizers

    steps = [*cleaning(modality), *_letters(modality)]
    if stop_words:
        before = normalizers.Sequence(list(steps))
        words = {before.normalize_str(word).strip() for word in stop_words}
        steps.append(_replace(stop_pattern(words), " "))
    return normalizers.Sequence(steps)


def stripped(modality: Text, tokenizer: Any, text: str) -> dict[str, int]:
    """Returns how much of a text is left out, counted.

    Args:
        modality: What is stripped.
        tokenizer: The `tokenizers.Tokenizer`.
        text: As it was read.
    """
    found = {}
    if modality.strip_markup:
        text, found["stripped_tags"] = re.subn(MARKUP, " ", text)
    if modality.strip_links:
        found["stripped_links"] = len(re.findall(LINK, text))
    if modality.stop_words or modality.stop_words_file:
        before, pattern = _stop_step(tokenizer.normalizer.__getstate__())
        text = before.normalize_str(text)
        found["stop_words"] = len(pattern.findall(text))
    return found


@functools.lru_cache(8)
def _stop_step(state: bytes) -> tuple[Any, re.Pattern]:
    """Returns the steps before stop words are left out, and their pattern."""
    from tokenizers import normalizers

    steps = normalizers.Sequence([])
    steps.__setstate__(state)
    last = json.loads(state)["normalizers"][-1]
    before = [steps[i] for i in range(len(steps) - 1)]
    return normalizers.Sequence(before), re.compile(last["pattern"]["Regex"])


def cleaning(modality: Text) -> list:
    """Returns the steps that strip markup and links, where they are asked."""
    from tokenizers import normalizers

    steps = []
    if modality.strip_markup:
        steps.append(_replace(MARKUP, " "))
        for name, char in ENTITIES.items():
            steps.append(normalizers.Replace(name, char))
    if modality.strip_links:
        steps.append(_replace(LINK, " "))
    return steps


def _letters(modality: Text) -> Iterator:
    """Yields the steps that make one letter of all its spellings."""
    from tokenizers import normalizers

    yield _replace(f"[{char_class(INVISIBLE)}]", "")
    yield _replace(f"[{char_class(BLANKS)}]", " ")
    form = modality.normalization or "NFC"
    last = getattr(normalizers, form)() if form in FORMS else None
    if form == "NFKC":
        # Before case as well: the letters of "\u2122" are large.
        yield last
    if modality.lowercase:
        yield normalizers.Lowercase()
    if modality.strip_accents:
        yield normalizers.NFD()
        yield _replace(f"[{char_class(ACCENTS)}]", "")
        last = last or normalizers.NFC()
    # After case: an accent may have been made by it.
    if last is not None:
        yield last


def splitter():
    """Returns the pre-tokenizer: at spaces, and around single characters."""
    from tokenizers import Regex, pre_tokenizers

    alone = Regex(f"[{char_class(*SINGLE)}]")
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(alone, "isolated"),
        ]
    )


def stop_pattern(words: set[str]) -> str:
    """Returns the pattern of whole words, the longest first.

    A word of characters that are tokens of their own may stand anywhere;
    others end where a token ends.
    """
    singles = Singles()
    ordered = sorted(words - {""}, key=lambda word: (-len(word), word))
    if not ordered:
        raise ValueError(
            "Stop words must have letters. Received: nothing but blanks"
        )
    parts = {True: [], False: []}
    for word in ordered:
        alone = all(char in singles for char in word)
        parts[alone].append(re.sub(r"([\^$\\.*+?()\[\]{}|])", r"\\\1", word))
    found = parts[True]
    if parts[False]:
        inner = f"[^{char_class(SPACES, *SINGLE)}]"
        words = "|".join(parts[False])
        found = [f"(?<!{inner})(?:{words})(?!{inner})", *found]
    return "|".join(found)


def _replace(pattern: str, by: str):
    from tokenizers import Regex, normalizers

    return normalizers.Replace(Regex(pattern), by)
