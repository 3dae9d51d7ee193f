"""Cheat or mistake: a package of one installation is held against the trust file of another."""

from evidence.proof import package
from evidence.verify.checks import check_heads
from tests.tamper.catching import caught, examine, told
from tests.vectors import make

ELSEWHERE = "evidence.elsewhere/0001"


def test_the_wrong_trust_file_is_one_finding() -> None:
    verdict = examine(make.pack(), trust=make.trust_root(origin=ELSEWHERE))

    assert [told(each) for each in verdict.findings] == [("L02", None, None, package.HEADS)]
    assert ELSEWHERE in verdict.findings[0].message


def test_heads_for_another_installation_signed_by_our_key_are_named() -> None:
    files = make.pack()
    text = files[package.HEADS].decode().partition("\n\n")[0] + "\n"
    signed = make.key("export").sign(text.replace(make.ORIGIN, ELSEWHERE, 1))

    finding = caught(make.relist({**files, package.HEADS: signed.encode()}), by=check_heads)

    assert told(finding) == ("L02", None, None, package.HEADS)
