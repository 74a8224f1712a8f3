"""Pages as an attacker would send them."""

_ENTITIES = "".join(
    f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "many"}">' for n in range(9)
)
JSON: dict[str, bytes] = {
    "deep_nesting": b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "two_documents": b'{"data": []}{"data": []}',
    "half_a_letter": b'{"data": "\xc3',
    "text_for_an_object": b'"data"',
}
XML: dict[str, bytes] = {
    "entity_bomb": f"<!DOCTYPE a [{_ENTITIES}]><a>&e8;</a>".encode(),
    "external_entity": b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    b"<a>&e;</a>",
    "external_dtd": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/evil.dtd"><a/>',
    "deep_nesting": b"<a>" * 100_000 + b"</a>" * 100_000,
    "nul": b"<a>\0</a>",
    "utf_16_without_a_word": "<a></a>".encode("utf-16-le"),
    "two_documents": b"<a/><a/>",
}
