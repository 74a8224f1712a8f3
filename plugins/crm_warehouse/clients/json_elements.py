"""The elements of a JSON array one by one, of which some cannot be read."""

import re

# Strings as a whole, for brackets and commas inside them separate nothing; a quote that
# none follows; then what does.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)
_BLANKS = b" \t\r\n"
_MARK = b"\xef\xbb\xbf"


def split_array(body: bytes) -> list[bytes] | None:
    """Bytes of each element of an array; in linear time, however deep they are.

    Args:
        body: An array in UTF-8, or nearly.

    Returns:
        None when it is no array, or not a whole one: then nobody knows what is in it.
    """
    text = body.removeprefix(_MARK).strip(_BLANKS)
    if not text.startswith(b"["):
        return None
    elements, level, begin = [], 0, 1
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token in b"[{":
            level += 1
        elif token in b"]}":
            level -= 1
        elif token == b'"':
            return None
        if level == 0 or (level == 1 and token == b","):
            elements.append(text[begin : found.start()].strip(_BLANKS))
            begin = found.end()
        if level == 0:
            return elements if begin == len(text) else None
    return None
