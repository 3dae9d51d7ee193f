"""Clients written by others upload, unmodified: whole, killed half-way, and with the server killed under them."""

import pytest

from tests.clients.conftest import SIZE, ClientName, Clients, Installation

MIB = 1 << 20
HALF = SIZE // 2


@pytest.fixture(params=[pytest.param("tus-js-client", marks=pytest.mark.node), "tuspy"])
def name(request: pytest.FixtureRequest) -> ClientName:
    """The client's name; it is installed."""
    if request.param == "tus-js-client":
        request.getfixturevalue("tus_js_client")
    return request.param  # type: ignore[no-any-return]  # one of the two above


@pytest.mark.parametrize("chunk_size", [1_000_001, 5 * MIB, 2 * SIZE])
def test_a_client_uploads(installation: Installation, clients: Clients, name: ClientName, chunk_size: int) -> None:
    done = clients.start(name, chunk_size=chunk_size).until("done")

    installation.require_received(done["url"], clients.body)


@pytest.mark.node
def test_a_client_that_sends_all_in_one_request_is_told_of_its_receipt(
    installation: Installation, clients: Clients, tus_js_client: None
) -> None:
    done = clients.start("tus-js-client", chunk_size=None).until("done")

    assert done["link"].endswith('/receipt>; rel="receipt"')
    installation.require_received(done["url"], clients.body)


@pytest.mark.parametrize("checksum", [False, True])
def test_tuspy_may_say_nothing_and_send_checksums(installation: Installation, clients: Clients, checksum: bool) -> None:
    done = clients.start("tuspy", chunk_size=4 * MIB, sha256="", checksum=checksum).until("done")

    installation.require_received(done["url"], clients.body)


def test_a_client_killed_half_way_goes_on_where_it_was(
    installation: Installation, clients: Clients, name: ClientName
) -> None:
    first = clients.start(name, chunk_size=3 * MIB, pause_at=HALF)
    first.until("paused")
    first.kill()

    second = clients.start(name, chunk_size=3 * MIB)
    done = second.until("done")

    asked = next(each["offset"] for each in second.said if each["step"] == "asked" and each["offset"])
    assert 3 * MIB <= asked < SIZE
    installation.require_received(done["url"], clients.body)


def test_a_client_goes_on_by_itself_when_the_server_was_killed(
    installation: Installation, clients: Clients, name: ClientName
) -> None:
    client = clients.start(name, chunk_size=3 * MIB, pause_at=HALF)
    client.until("paused")

    installation.server.kill()
    installation.server.start()
    client.go_on()

    done = client.until("done")
    installation.require_received(done["url"], clients.body)


@pytest.mark.node
def test_a_client_goes_on_by_itself_when_the_server_was_killed_in_the_only_request(
    installation: Installation, clients: Clients, tus_js_client: None
) -> None:
    client = clients.start("tus-js-client", chunk_size=None, pause_at=HALF)
    client.until("paused")

    installation.server.kill()
    installation.server.start()
    client.go_on()

    done = client.until("done")
    installation.require_received(done["url"], clients.body)


@pytest.mark.node
def test_a_client_whose_bytes_change_on_the_way_is_told(
    installation: Installation, clients: Clients, tus_js_client: None
) -> None:
    client = clients.start("tus-js-client", chunk_size=None, sha256="0" * 64)

    failed = client.until("failed")

    assert failed["status"] == 422
