import pytest

from aiida_nanoclusters.formats.plain_text import file_name, one_line, printable

#: Cleared screen, title of the window, cursor up, carriage return, C1, writing direction, half of
#: a character, end of line of Unicode.
ACTING = [
    *("\x1b[2J", "\x1b]0;title\x07", "\x1b[1A", "a\rb", "\x9b2J", "\x00", "\x7f", "\x08"),
    *("\u202e", "\u2066", "\u200f", "\u061c", "\ud800", "\u2028", "\ufeff"),
]


@pytest.mark.parametrize("text", ACTING)
def test_no_character_acts(text) -> None:
    shown = printable(f"before {text} after")
    assert shown.isprintable() and "\\u" in shown
    assert shown.encode("utf-8")
    assert printable(shown) == shown


def test_text_stays() -> None:
    for text in ("Ångström α–β “x” 铜 🙂\n\tindented", "", "C:\\path"):
        assert printable(text) == text
    assert one_line(" a\n  b\x1b ") == "a b\\u001b"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("structures", "structures"),
        ("a.b-c+1", "a.b-c+1"),
        ("../../etc/passwd", "etc_passwd"),
        ("/etc/passwd", "etc_passwd"),
        ("a b\x1b[2J", "a_b_u001b_2J"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("-rf", "rf"),
        ("x" * 300, "x" * 100),
    ],
)
def test_names_of_files(text, name) -> None:
    assert file_name(text) == name
