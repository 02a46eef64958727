"""A database server that asks for a password, and means it."""

import sys
import time

import psutil
import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from disolyte.errors import StoreError
from disolyte.workers.database import Database, free_port

SECRET = "s3cr3t/word"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Port of a server with one user, who may use all databases."""
    pytest.importorskip("secantus")
    storage, port = tmp_path_factory.mktemp("storage"), free_port()

    def start(*flags):
        command = [sys.executable, "-m", "secantus", "--port", str(port), "--storage-path", str(storage), *flags]
        process = psutil.Popen([*command, "--log-level", "ERROR"], cwd=storage)
        deadline = time.monotonic() + 60
        while True:
            try:
                MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=500).admin.command("ping")
            except PyMongoError:
                assert time.monotonic() < deadline
                assert process.poll() is None
            else:
                return process

    first = start()
    MongoClient("127.0.0.1", port).admin.command("createUser", "me", pwd=SECRET, roles=["root"])
    first.terminate()
    first.wait(20)
    second = start("--auth")
    yield port
    second.terminate()
    second.wait(20)


def uri(port, password):
    return f"mongodb://me:{password}@127.0.0.1:{port}/lab?authSource=admin"


def test_right_password(server):
    database = Database.from_uri(uri(server, "s3cr3t%2Fword"))
    database.check()
    collections = MongoClient(database.uri)["lab"].list_collection_names()
    assert "disolyte_write_test" not in collections, "what was written to try it out is gone"


@pytest.mark.parametrize("password", ["wrong-one", "s3cr3t"])
def test_wrong_password_is_refused_and_not_repeated(server, password):
    database = Database.from_uri(uri(server, password))
    for check in (database.check, database.check_readable):
        with pytest.raises(StoreError, match="check user, password and rights on 'lab'") as caught:
            check()
        assert password not in str(caught.value)


def test_no_password(server):
    with pytest.raises(StoreError, match="check user, password and rights"):
        Database.from_uri(f"mongodb://127.0.0.1:{server}/lab").check()


def test_unescaped_password_is_told(server):
    with pytest.raises(StoreError, match="escape special characters") as caught:
        Database.from_uri(uri(server, SECRET)).check()
    assert SECRET not in str(caught.value)
