"""Texts that are not UTF-8: read where only one reading makes sense, refused where several do.

Most bytes can be read in many encodings, and a wrong reading gives other names that look like names. A
reading counts as possible when every word of it is of one script and is written as people write. If all
possible readings are the same text, that is what the file says.
"""

import re
import unicodedata

ENCODINGS = ("gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1252", "cp1250", "cp1251", "koi8_r")

_WORD = re.compile(r"[^\W\d_]*[^\x00-\x7f]+[^\W\d_]*")
_LONGEST_RUN = 1
"""Letters with marks that stand side by side in a Latin word: two may be one character of another script."""


def reading(data: bytes) -> tuple[str, str] | None:
    """The text and its encoding, or None where there is no reading, or more than one that makes sense."""
    found: dict[str, str] = {}
    for encoding in ENCODINGS:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        words = set(_WORD.findall(text))
        if words and all(_is_word(word, encoding) for word in words):
            found.setdefault(text, encoding)
    if len(found) != 1:
        return None
    ((text, encoding),) = found.items()
    return text, encoding


def _is_word(word: str, encoding: str) -> bool:
    scripts = {_script(character) for character in word}
    if "other" in scripts:
        return False
    if scripts <= {"latin"}:
        runs = re.findall(r"[^\x00-\x7f]+", word)
        return max(map(len, runs)) <= _LONGEST_RUN and _is_cased(word) and any(c.isascii() for c in word)
    if scripts == {"cyrillic"} or scripts <= {"hangul", "latin"}:
        return (encoding == "cp949") if "hangul" in scripts else (len(word) > 1 and _is_cased(word))
    if scripts <= {"han", "kana"}:
        if "kana" in scripts and encoding not in ("cp932", "euc_jp"):
            return False
        return all(_is_common(character, encoding) for character in word if _script(character) == "han")
    return False


def _is_cased(word: str) -> bool:
    return word.islower() or word.isupper() or (word[:1].isupper() and word[1:].islower())


def _is_common(character: str, encoding: str) -> bool:
    """Whether a Han character is one that the basic set of that encoding has."""
    basic = {"gb18030": "gb2312", "cp932": "shift_jis", "cp949": "euc_kr"}.get(encoding, encoding)
    try:
        character.encode(basic)
    except UnicodeEncodeError:
        return False
    return True


def _script(character: str) -> str:
    """The script of a letter; "other" for what no word has."""
    code = ord(character)
    if 0x4E00 <= code <= 0x9FFF:
        return "han"
    if 0x3040 <= code <= 0x30FF:
        return "kana"
    if 0xAC00 <= code <= 0xD7A3:
        return "hangul"
    if unicodedata.category(character)[0] != "L":
        return "other"
    name = unicodedata.name(character, "")
    return next((script for script in ("latin", "cyrillic") if name.startswith(script.upper())), "other")
