"""XML that sources send: what it becomes, and what is never taken for data."""

import pytest

from crm_warehouse.clients.xml_decoding import (
    MAX_ATTRIBUTES,
    MAX_BODY_BYTES,
    MAX_DEPTH,
    decode_xml,
)
from crm_warehouse.errors import TransientSourceError

XSI = b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
ATOM = b'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"<a/>", {"a": ""}),
        (b"<a></a>", {"a": ""}),
        (b"<a> x\n</a>", {"a": " x\n"}),
        (b"<a>  </a>", {"a": "  "}),
        (b"<a><b>1</b><c/></a>", {"a": {"b": "1", "c": ""}}),
        (b"<a>\n  <b> </b>\n</a>", {"a": {"b": " "}}),
        (b"<a><b>1</b><b/></a>", {"a": {"b": ["1", ""]}}),
        (
            b"<a><b>1</b><c/><b>2</b><b>3</b></a>",
            {"a": {"b": ["1", "2", "3"], "c": ""}},
        ),
        (b"<a><b><c/></b><b/></a>", {"a": {"b": [{"c": ""}, ""]}}),
        (b'<a n="1"/>', {"a": {"@n": "1", "#text": ""}}),
        (b'<a n="1">x</a>', {"a": {"@n": "1", "#text": "x"}}),
        (b'<a n="1"><b/></a>', {"a": {"@n": "1", "b": ""}}),
        (
            b"<a> one <b/> two <c/>\n</a>",
            {"a": {"b": "", "c": "", "#text": " one  two "}},
        ),
        (b"<a>1 &lt; 2 &amp; &#233;&#x1F600;</a>", {"a": "1 < 2 & é😀"}),
        (b"<a>x<![CDATA[ <b> &amp; ]]>y</a>", {"a": "x <b> &amp; y"}),
        (b"<a>x<!-- no -->y<?no no?>z</a>", {"a": "xyz"}),
        (b"<!-- no --><?no no?>\n<a/>\n<!-- no -->", {"a": ""}),
        (b' \r\n<?xml version="1.0"?><a>1</a>\n', {"a": "1"}),
    ],
)
def test_shape(body, value):
    assert decode_xml(body) == value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'<a xmlns="urn:a"><b/></a>', {"a": {"b": ""}}),
        (
            b'<p:a xmlns:p="urn:a"><p:b p:n="1">x</p:b></p:a>',
            {"a": {"b": {"@n": "1", "#text": "x"}}},
        ),
        (b"<a " + XSI + b'><b xsi:nil="true"/></a>', {"a": {"b": None}}),
        (b"<a " + XSI + b'><b xsi:nil="1" n="2"/></a>', {"a": {"b": None}}),
        (b"<a " + ATOM + b'><b m:null="true"/></a>', {"a": {"b": None}}),
        (
            b"<a " + XSI + b'><b xsi:nil="false">x</b></a>',
            {"a": {"b": {"@nil": "false", "#text": "x"}}},
        ),
        (b'<a><b nil="true"/></a>', {"a": {"b": {"@nil": "true", "#text": ""}}}),
    ],
)  # fmt: skip
def test_namespaces(body, value):
    assert decode_xml(body) == value


@pytest.mark.parametrize(
    ("declared", "content_type", "text", "sent"),
    [
        (None, "", "é€😀", "é€😀".encode()),
        (None, "", "é", b"\xc3\xa9"),
        ("UTF-8", "application/xml; charset=latin-1", "é", b"\xc3\xa9"),
        ("us-ascii", "", "e", b"e"),
        ("us-ascii", "", "é", b"\xc3\xa9"),
        ("ISO-8859-1", "", "é\x80", b"\xe9\x80"),
        ("windows-1252", "application/xml; charset=utf-8", "é€", b"\xe9\x80"),
        (None, "application/xml; charset=ISO-8859-1", "é", b"\xe9"),
        (None, 'text/xml; Charset="windows-1252"; x=y', "€", b"\x80"),
    ],
)
def test_encodings(declared, content_type, text, sent):
    start = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    body = start.encode() + b"<a>" + sent + b"</a>"
    assert decode_xml(body, content_type) == {"a": text}


def test_a_byte_order_mark():
    body = b"\xef\xbb\xbf" + '<?xml version="1.0" encoding="utf-8"?><a>é</a>'.encode()
    assert decode_xml(body) == {"a": "é"}


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"x\x01y\x0by", "x\ufffdy\ufffdy"),
        (b"x&#1;&#x1F;&#0;&#xD800;&#xFFFF;y", "x" + 5 * "\ufffd" + "y"),
        (b"&#9;&#233;&#x1F600;\x01", "\té😀\ufffd"),
        (b"&#99999999;", "\ufffd"),
        (b"caf\xe9 \x80 \x81", "café € \ufffd"),
        (b"caf\xe9 \xc3\xa9", "café é"),
        (b"\xef\xbf\xbe", "\ufffd"),
        (b"\xed\xa0\x80", "í\xa0€"),
    ],
)
def test_one_bad_letter_does_not_block_the_others(sent, text):
    body = b"<a><b>" + sent + b"</b><c>whole</c></a>"
    assert decode_xml(body) == {"a": {"b": text, "c": "whole"}}


def test_a_bad_letter_in_a_declared_encoding():
    body = b'<?xml version="1.0" encoding="windows-1252"?><a>\x81\x80\x01</a>'
    assert decode_xml(body) == {"a": "\ufffd€\ufffd"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b'{"Contacts": []}', "no XML"),
        (b"upstream error", "no XML"),
        (b"<!doctype html><title>Jane</title>", "HTML"),
        (b"<HTML><body>Jane</body></HTML>", "HTML"),
        (b'<?xml version="1.0"?><html xmlns="x"/>', "HTML"),
        (b"<a><b>Jane</b>", "truncated"),
        (b"<a><b>Jane</c></a>", r"no XML \(line 1, column 15\)"),
        (b"<a/><a/>", "no XML"),
        (b"<a>Jane & John</a>", "no XML"),
        (b"<a>&Jane;</a>", "no XML"),
        (b"<!-- Jane", "truncated"),
        (b"<!-->", "truncated"),
        (b"<?>", "truncated"),
        (b'<?xml version="1.0"?>', "truncated"),
        (b"<a>Ja\0ne</a>", "NUL"),
        (b"<!ELEMENT Jane ANY><a/>", "begins with a declaration"),
    ],
)
def test_never_taken_for_data(body, words):
    with pytest.raises(TransientSourceError, match=words) as caught:
        decode_xml(body)
    assert "Jane" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE a><a/>",
        b"<!DocType a><a/>",
        b'<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
        b"\xef\xbb\xbf<!DOCTYPE a><a/>",
        b"<!-- > --><?p > ?>\r\n\t <!DOCTYPE a><a/>",
        b"<!----><!DOCTYPE a><a/>",
    ],
)
def test_a_document_type_is_refused(body):
    with pytest.raises(TransientSourceError, match="with a document type"):
        decode_xml(body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<a><![CDATA[<!DOCTYPE a>]]></a>", "<!DOCTYPE a>"),
        (b"<a>&lt;!DOCTYPE a></a>", "<!DOCTYPE a>"),
        (b"<a>x<!-- <!DOCTYPE a> --></a>", "x"),
        (b"<!-- <!DOCTYPE a> --><a>x</a>", "x"),
        (b"<?p <!DOCTYPE a> ?><a>x</a>", "x"),
    ],
)
def test_the_words_of_a_document_type_are_only_text(body, text):
    assert decode_xml(body) == {"a": text}


@pytest.mark.parametrize("body", [b"<a/><!DOCTYPE a>", b"<a><!DOCTYPE a></a>"])
def test_a_document_type_behind_the_root(body):
    with pytest.raises(TransientSourceError, match="no XML"):
        decode_xml(body)


@pytest.mark.parametrize(
    "name", ["utf-7", "UTF-16", "utf-32", "cp037", "shift_jis", "klingon", ""]
)
def test_other_encodings_are_refused(name):
    declared = f'<?xml version="1.0" encoding="{name}"?><a>+ADw-</a>'.encode()
    by_header = ("<a/>", f"application/xml; charset={name or 'none'}")
    for body, content_type in ((declared, ""), (by_header[0].encode(), by_header[1])):
        with pytest.raises(TransientSourceError, match="do not read"):
            decode_xml(body, content_type)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_letters_are_refused_with_and_without_a_mark(codec):
    body = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'.encode(codec)
    with pytest.raises(TransientSourceError, match="NUL"):
        decode_xml(body)


@pytest.mark.parametrize("codec", ["cp037", "utf-7"])
def test_letters_that_are_no_ascii_are_refused_undeclared(codec):
    body = "<a>x</a>".encode(codec)
    body = body.replace(b"<", b"+ADw-") if codec == "utf-7" else body
    with pytest.raises(TransientSourceError, match="no XML"):
        decode_xml(body)


def nested(depth):
    return b"<a>" * depth + b"</a>" * depth


def test_depth():
    value = decode_xml(nested(MAX_DEPTH))
    for _ in range(MAX_DEPTH):
        value = value["a"]
    assert value == ""
    with pytest.raises(TransientSourceError, match="deeper than 100 elements"):
        decode_xml(nested(MAX_DEPTH + 2))


def with_attributes(count):
    return b"<a " + b" ".join(b'n%d=""' % n for n in range(count)) + b"/>"


def test_attributes_of_one_element():
    assert len(decode_xml(with_attributes(MAX_ATTRIBUTES))["a"]) == MAX_ATTRIBUTES + 1
    with pytest.raises(TransientSourceError, match="more than 100 attributes"):
        decode_xml(with_attributes(MAX_ATTRIBUTES + 1))


@pytest.mark.parametrize("unit", [b"<e/>", b"<e>1</e>", b'<e n=""/>'])
def test_elements_and_attributes_of_a_document(unit):
    most = 200_000 // (2 if b"=" in unit else 1) - 1
    value = decode_xml(b"<a>" + unit * most + b"</a>")
    assert len(value["a"]["e"]) == most
    with pytest.raises(TransientSourceError, match="more than 200000 elements"):
        decode_xml(b"<a>" + unit * (most + 1) + b"</a>")


def test_size():
    around = len(b"<a></a>")
    body = b"<a>" + b"x" * (MAX_BODY_BYTES - around) + b"</a>"
    assert len(decode_xml(body)["a"]) == MAX_BODY_BYTES - around
    with pytest.raises(TransientSourceError, match="larger than 8388608 bytes"):
        decode_xml(body + b"<!---->")
