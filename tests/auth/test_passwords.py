"""A password is kept as Argon2id, checked whatever is typed, and not one that is easily guessed."""

import pytest
from argon2 import PasswordHasher

from auth import passwords
from auth.errors import PasswordError

GOOD = "twelve angry jurors"


def check(password: str) -> None:
    passwords.check_rules(password, email="rosa.alvarez@police.example", name="Rosa Alvarez")


@pytest.mark.parametrize(
    "password", [GOOD, "correct-horse-battery", "Zwölf Geschworene!", "一二三四五六七八九十百千", "a" + "bcd e" * 40]
)
def test_a_good_password_is_taken(password: str) -> None:
    check(password)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "eleven char",
        "x" * 257,
        "aaaaaaaaaaaaaaaa",
        "abababababab",
        "123456789012",
        "abcdefghijklm",
        "210987654321",
        "password123456",
        "Passwords!!2024",
        "qwertyuiop1234",
        "administrator1",
        "rosa.alvarez-2024",
        "xx Alvarez xx 99",
        "rosa.alvarez@police.example",
        "twelve\0angry jurors",
        "twelve\nangry jurors",
        "twelve angry \ud800",
    ],
)
def test_a_password_easily_guessed_or_typed_wrong_is_refused(password: str) -> None:
    with pytest.raises(PasswordError):
        check(password)


def test_the_refusal_does_not_repeat_the_password() -> None:
    with pytest.raises(PasswordError) as refused:
        check("password123456")

    assert "password123456" not in str(refused.value)


def test_only_the_same_password_matches() -> None:
    kept = passwords.digest(GOOD)

    assert kept.startswith("$argon2id$")
    assert passwords.matches(kept, GOOD)
    for other in (GOOD + " ", GOOD.upper(), "", "\0", "\ud800", GOOD * 100):
        assert not passwords.matches(kept, other)


def test_the_same_characters_typed_another_way_match() -> None:
    kept = passwords.digest("zwölf geschworene")

    assert passwords.matches(kept, "zwo\u0308lf geschworene")


def test_two_of_the_same_are_kept_differently() -> None:
    assert passwords.digest(GOOD) != passwords.digest(GOOD)


@pytest.mark.parametrize("kept", ["", "plain text", "$argon2id$v=19$m=65536,t=3,p=4$AAAA", "$2b$12$abcdefghijk"])
def test_what_is_no_digest_matches_nothing(kept: str) -> None:
    assert not passwords.matches(kept, GOOD)


def test_a_digest_with_other_parameters_is_outdated() -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD)

    assert passwords.matches(weaker, GOOD)
    assert passwords.is_outdated(weaker)
    assert not passwords.is_outdated(passwords.digest(GOOD))


def test_nobody_costs_as_much_as_somebody() -> None:
    """The digest for unknown accounts has today's parameters; change both together."""
    assert not passwords.is_outdated(passwords.NOBODY)
    assert not passwords.matches(passwords.NOBODY, GOOD)
