"""Cheat or mistake: a package of one installation is held against the trust file of another."""

from evidence.proof import package
from evidence.verify import report
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
    assert report.write(examine(make.relist({**files, package.HEADS: signed.encode()}))).startswith("BROKEN")


def test_the_wrong_trust_file_is_no_accusation() -> None:
    verdict = examine(make.pack(), trust=make.trust_root(origin=ELSEWHERE))

    said = report.write(verdict)

    assert verdict.outcome == "broken", "status 7 and L02 stay"
    assert said.startswith(
        f"NOT CHECKED AGAINST ITS MAKER: the trust file is of {ELSEWHERE}, the package says it is of {make.ORIGIN}.\n"
    )
    assert "not as it was recorded" not in said
    assert "withheld" not in said.lower()


def test_a_foreign_package_that_contradicts_itself_is_broken_all_the_same() -> None:
    files = {**make.pack(), package.README: b"another"}

    assert report.write(examine(files, trust=make.trust_root(origin=ELSEWHERE))).startswith("BROKEN")


def test_an_origin_altered_under_a_signature_of_our_key_is_broken() -> None:
    """Negative control: who writes another origin over our heads must not get the milder words."""
    files = make.pack()
    heads = files[package.HEADS].replace(make.ORIGIN.encode(), ELSEWHERE.encode(), 1)

    verdict = examine(make.relist({**files, package.HEADS: heads}))

    assert [each.code for each in verdict.findings] == ["L02"]
    assert report.write(verdict).startswith("BROKEN")
