"""A receipt names the record exactly, is signed, and is given once."""

from datetime import timedelta
from pathlib import Path

import pytest

from evidence import custody
from evidence.custody import history, receipts
from evidence.custody.keys import SigningKeys
from evidence.custody.ledger import SealedRecord
from evidence.database import Sessions, unit_of_work
from evidence.proof import note, receipt, record
from tests.support.custody import signed_in
from tests.support.database import ORIGIN


@pytest.fixture
def signing(tmp_path: Path) -> SigningKeys:
    return SigningKeys.create(tmp_path / "keys", ORIGIN)


def receive(sessions: Sessions, signing: SigningKeys, **more: timedelta) -> tuple[SealedRecord, str]:
    with unit_of_work(sessions) as session:
        custody.record(session, signed_in(request_id="the same"))
        (sealed,) = custody.seal(session)
        return sealed, receipts.give(session, sealed, signing, **more)


def test_a_receipt_names_the_record_and_is_signed(sessions: Sessions, signing: SigningKeys) -> None:
    sealed, given = receive(sessions, signing, merge_delay=timedelta(seconds=90))

    opened = note.open_note(note.parse(given), [signing.verifier_key("receipt")])
    said = receipt.parse(opened.text)
    with sessions() as session:
        (entry,) = history.page(session, sealed.chain)
    assert said.leaf == record.leaf_hash(entry.raw) == sealed.hash
    assert (said.origin, said.chain, said.seq, said.at) == (ORIGIN, sealed.chain, 1, entry.record.at)
    assert said.merge_delay == 90
    assert entry.receipt == given


def test_a_request_sent_again_gets_the_receipt_it_missed(sessions: Sessions, signing: SigningKeys) -> None:
    _, given = receive(sessions, signing)
    again, given_again = receive(sessions, signing)

    assert again.repeated
    assert given_again == given
