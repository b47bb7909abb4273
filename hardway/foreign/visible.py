"""Text of others on a terminal: what a terminal would obey, or nobody could see, stands there as an escape.

A journal, a host's answer, a file or a name may hold anything: a sequence that clears the screen, renames the window or
hides the rest of a line. All that is printed goes through here: see hardway.progress.saying and `console` beside it.
"""

from __future__ import annotations

KEPT = "\n\t"


def visible(text: str) -> str:
    """The text with `\\u001b` in place of an escape character, and so on for every character that is not printable.

    Line breaks and tabs stay. Printable text is returned as it is. JSON stays JSON, and means the same.
    """
    return text if text.isprintable() else "".join(map(_seen, text))


def _seen(char: str) -> str:
    if char.isprintable() or char in KEPT:
        return char
    number = ord(char)
    return f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"
