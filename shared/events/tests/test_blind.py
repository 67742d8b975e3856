import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_events.blind import BlindIndex, EmailMalformedError, normalise_email

KEY = bytes(range(32))


def test_given_a_known_vector_then_the_tag_is_its_hmac_sha_256() -> None:
    # RFC 4231, test case 6
    tag = BlindIndex(b"\xaa" * 131).tag("Test Using Larger Than Block-Size Key - Hash Key First")
    assert tag == "v1:60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"


def test_given_one_index_when_used_again_then_tags_depend_on_the_text_alone() -> None:
    index = BlindIndex(KEY)
    first = index.tag("44051401359")
    assert index.tag("44051401360") != first
    assert index.tag("44051401359") == first == BlindIndex(KEY).tag("44051401359")


def test_given_another_key_then_another_tag() -> None:
    assert BlindIndex(KEY).tag("44051401359") != BlindIndex(bytes(32)).tag("44051401359")


def test_given_a_rotated_key_then_its_version_stands_before_the_tag() -> None:
    old, new = BlindIndex(KEY), BlindIndex(bytes(32), version=2)
    assert old.tag("a")[:3] == "v1:"
    assert new.tag("a")[:3] == "v2:"
    assert new.tag("a")[3:] == BlindIndex(bytes(32)).tag("a")[3:]


def test_given_a_key_file_then_the_same_as_the_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(base64.urlsafe_b64encode(KEY).decode(), encoding="ascii")
    assert BlindIndex(path).tag("a") == BlindIndex(KEY).tag("a")


def test_given_a_short_key_then_refused() -> None:
    with pytest.raises(ValueError, match=r"^a blind index needs a key of 32 bytes$"):
        BlindIndex(b"short")


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("anna@example.com", "anna@example.com"),
        (" Anna.Nowak@EXAMPLE.com ", "anna.nowak@example.com"),
        ("ŁUKASZ@ŻÓŁW.PL", "łukasz@xn--w-uga1v8h.pl"),
        ("łukasz@żółw.pl", "łukasz@xn--w-uga1v8h.pl"),
        ("łukasz@xn--w-uga1v8h.PL", "łukasz@xn--w-uga1v8h.pl"),
        ("jo\u0301zef@z\u0307o\u0301łw.pl", "józef@xn--w-uga1v8h.pl"),
        ("anna@example.com.", "anna@example.com"),
        # IDNA 2003 would make it strasse.de, which somebody else may own
        ("a@straße.de", "a@xn--strae-oqa.de"),
        ("a@ｅｘａｍｐｌｅ.com", "a@example.com"),  # noqa: RUF001 — full-width letters are the point
        ('"a@b"@example.com', '"a@b"@example.com'),
        ("anna+portal@example.com", "anna+portal@example.com"),
    ],
)
def test_given_an_address_in_any_spelling_then_one_normal_form(address: str, normal: str) -> None:
    assert normalise_email(address) == normal


@pytest.mark.parametrize(
    "address",
    [
        "",
        "anna",
        "@example.com",
        "anna@",
        "an na@example.com",
        "anna\x00@example.com",
        "anna@exa mple.com",
        "anna@-example.com",
        "anna@exa_mple.com",
        "anna@a..b",
        f"anna@{'a' * 64}.com",
    ],
)
def test_given_no_address_then_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(EmailMalformedError) as refused:
        normalise_email(address)
    assert str(refused.value) == "not an e-mail address"
    assert refused.value.__cause__ is None


@given(st.emails())
def test_given_any_address_when_normalised_again_then_unchanged(address: str) -> None:
    normal = normalise_email(address)
    assert normalise_email(normal) == normal
    assert normalise_email(address.upper()) == normal


@given(local=st.text(min_size=1, max_size=20), domain=st.text(min_size=1, max_size=20))
def test_given_any_text_then_normal_or_refused_by_one_error(local: str, domain: str) -> None:
    try:
        normal = normalise_email(f"{local}@{domain}")
    except EmailMalformedError:
        return
    assert normalise_email(normal) == normal
