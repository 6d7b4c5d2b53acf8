"""The port that the server takes, and the names that it answers to."""

from __future__ import annotations

import pytest

import softcpt
from softcpt.artefacts.serve.server import address_of, names_of, open_socket
from tests.helpers.runs import softcpt_command


def test_a_free_port_is_found_and_a_taken_one_is_refused():
    with open_socket("127.0.0.1", 0) as opened:
        address = address_of(opened)
        port = opened.getsockname()[1]
        assert address == f"http://127.0.0.1:{port}" and port > 0
        with pytest.raises(softcpt.UserError, match=f"port {port} .*in use.*--port"):
            open_socket("127.0.0.1", port)
    for host, port in (("host.invalid", 0), ("127.0.0.1", 70_000)):
        with pytest.raises(softcpt.UserError, match="cannot listen"):
            open_socket(host, port)


def test_only_the_network_knows_this_machine_by_name():
    assert names_of("127.0.0.1") == frozenset()
    assert "my.host" in names_of("My.Host")


def test_what_is_wrong_is_said_before_the_server_starts(tmp_path, capsys):
    assert softcpt_command("serve", tmp_path, "--max-mb", "0") == 2
    assert "are numbers above 0" in capsys.readouterr().err
    assert softcpt_command("serve", tmp_path / "nothing", "--port", "0") == 2
    assert "no such folder" in capsys.readouterr().err
