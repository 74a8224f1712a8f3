"""Documents that a careless reader pays for, each read in a process of its own."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

#: Decodes standard input, then tells what came of it and its own highest memory:
#: the process's, for ``getrusage`` would begin with that of whoever started it.
READER = """
import json, sys
sys.path.insert(0, "plugins")
from crm_warehouse.clients.xml_decoding import decode_xml
from crm_warehouse.errors import TransientSourceError
try:
    decode_xml(sys.stdin.buffer.read())
    outcome = "read"
except TransientSourceError as error:
    outcome = str(error)
lines = open("/proc/self/status").read().splitlines()
(peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
print(json.dumps([outcome, int(peak) * 1024]))
"""
MOST_BYTES = 200 * 1024 * 1024
#: An answer takes parts of a second; a bomb that goes off takes for ever.
MOST_SECONDS = 30


def outcome_of(body: bytes) -> str:
    done = subprocess.run(
        [sys.executable, "-c", READER],
        input=body,
        capture_output=True,
        check=True,
        timeout=MOST_SECONDS,
    )
    outcome, peak = json.loads(done.stdout)
    assert peak < MOST_BYTES
    return outcome


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Waits for somebody who looks outside."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def typed(types: bytes, inner: bytes) -> bytes:
    return b'<?xml version="1.0"?><!DOCTYPE a [' + types + b"]><a>" + inner + b"</a>"


LAUGHS = b'<!ENTITY l0 "ha">' + b"".join(
    b'<!ENTITY l%d "%b">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 12)
)
QUADRATIC = b'<!ENTITY q "' + b"x" * 100_000 + b'">'


@pytest.mark.parametrize(
    "body",
    [
        typed(b'<!ENTITY f SYSTEM "file:///etc/passwd">', b"&f;"),
        typed(LAUGHS, b"&l11;"),
        typed(QUADRATIC, b"&q;" * 100_000),
        typed(b'<!ENTITY % p SYSTEM "file:///etc/passwd">%p;', b""),
        typed(b'<!ENTITY % p "<!ENTITY e \'x\'>">%p;', b"&e;"),
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<!---->" * 190_000 + b"<!DOCTYPE a><a/>",
    ],
    ids=["file", "laughs", "quadratic", "parameter", "parameter-inside", "plain",
         "external-subset", "after-comments"],
)  # fmt: skip
def test_document_types(body: bytes) -> None:
    assert outcome_of(body) == "the body is HTML, or XML with a document type"


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE a [<!ENTITY e SYSTEM "{url}">]><a>&e;</a>',
        '<!DOCTYPE a SYSTEM "{url}"><a/>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "{url}">%p;]><a/>',
        '<a xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="{url}"/></a>',
        '<?xml-stylesheet type="text/xsl" href="{url}"?><a/>',
        '<a xmlns:s="http://www.w3.org/2001/XMLSchema-instance" '
        's:schemaLocation="{url} {url}"/>',
    ],
    ids=["entity", "subset", "parameter", "xinclude", "stylesheet", "schema"],
)
def test_nobody_looks_outside(document: str, listener: socket.socket) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    outcome_of(document.replace("{url}", url).encode())
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<a>" + b"<e/>" * 2_000_000 + b"</a>", "more than 200000 elements"),
        (b"<a>" + b"<e>1</e>\n" * 199_990 + b"</a>", "read"),
        (b"<a>" * 100_000 + b"</a>" * 100_000, "nested too deeply"),
        (b'<a n="' + b"x" * 20_000_000 + b'"/>', "larger than"),
        (b'<a n="' + b"x" * 8_000_000 + b'"/>', "read"),
        (b"<" + b"n" * 8_000_000 + b"/>", "no XML"),
        (
            b"<a " + b" ".join(b"n%d=''" % n for n in range(199_000)) + b"/>",
            "more than 100 attributes",
        ),
        (
            b"<a " + b" ".join(b"xmlns:n%d='u'" % n for n in range(199_000)) + b"/>",
            "read",
        ),
        (b"<a>" + b"&#1;" * 2_000_000 + b"</a>", "read"),
        (b"<a>" + b"\x80" * 8_000_000 + b"</a>", "too long a text"),
        (b"<a>\x01" + "😀".encode() + b"x" * 8_000_000 + b"</a>", "read"),
        (b"<a>" + b"<b/>" + b"<![CDATA[x]]>" * 190_000 + b"</a>", "read"),
        (b"<?p?>" + b" " * 8_000_000 + b"<a/>", "read"),
    ],
    ids=["elements", "most-elements", "deep", "huge-attribute",
         "large-attribute", "name", "attributes", "namespaces", "references",
         "bad-bytes", "wide-letters", "cdata", "space"],
)  # fmt: skip
def test_cost(body: bytes, words: str) -> None:
    assert words in outcome_of(body)


@pytest.mark.parametrize(
    "body",
    [
        typed(LAUGHS, b"&l11;").decode().encode("utf-16"),
        typed(LAUGHS, b"&l11;").decode().encode("utf-16-be"),
        b"<a>\0</a>",
    ],
    ids=["utf-16", "utf-16-without-a-mark", "nul"],
)
def test_nul(body: bytes) -> None:
    assert outcome_of(body) == "the body holds NUL: UTF-16, UTF-32 or no XML"


def test_utf_7() -> None:
    declared = b'<?xml version="1.0" encoding="utf-7"?>'
    document_type = b"+ADwAIQ-DOCTYPE a+AD4-<a/>"
    assert "do not read" in outcome_of(declared + document_type)
    assert "no XML" in outcome_of(document_type)
