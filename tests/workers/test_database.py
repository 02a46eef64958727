"""URIs of databases: what they name, and that no reading of one shows a password."""

import pytest

from disolyte.errors import InputError, StoreError
from disolyte.workers.database import Database
from disolyte.workers.files import write_yaml
from disolyte.workers.folder import RunFolder


@pytest.mark.parametrize(
    ("uri", "display", "port", "has_password"),
    [
        ("mongodb://127.0.0.1:9/lab", "mongodb://127.0.0.1:9/lab", 9, False),
        ("mongodb://me:S%23C%5b@db.example.org/lab?authSource=admin", "mongodb://db.example.org/lab", None, True),
        ("mongodb://me@db/lab", "mongodb://db/lab", None, False),
        ("mongodb://me:pw@a:1,b:2/?replicaSet=x", "mongodb://a:1,b:2/disolyte", None, True),
        ("mongodb+srv://me:p$w!@cluster.example.org", "mongodb+srv://cluster.example.org/disolyte", None, True),
        ("mongodb://[::1]:27017/lab", "mongodb://[::1]:27017/lab", 27017, False),
        ("mongodb://%2Ftmp%2Fmongodb.sock/lab", "mongodb://%2Ftmp%2Fmongodb.sock/lab", None, False),
    ],
)
def test_uris(uri, display, port, has_password):
    database = Database.from_uri(uri)
    assert (database.display, database.port, database.has_password) == (display, port, has_password)


@pytest.mark.parametrize("character", [*"#?[]/@:%", "12/", "12?", "/x?", " "])
def test_unescaped_password_is_refused_and_not_shown(character):
    uri = f"mongodb://me:SEC{character}RET@127.0.0.1:1/lab"
    for read in (Database.from_uri, lambda uri: Database(uri).display, lambda uri: Database(uri).has_password):
        with pytest.raises(StoreError, match="escape special characters") as caught:
            read(uri)
        assert "SEC" not in str(caught.value)
        assert "RET" not in str(caught.value)


@pytest.mark.parametrize(
    "secret", [{"uri": "mongodb://me:secret@db/lab"}, {"host": "db", "username": "me", "password": "secret"}]
)
def test_job_store_with_a_password_is_private(tmp_path, secret):
    files = RunFolder(tmp_path)
    stores = {"docs_store": {"type": "MongoStore"}, "additional_stores": {"data": {"type": "GridFSStore", **secret}}}
    write_yaml(files.jobflow_file, {"JOB_STORE": stores}, 0o644)
    with pytest.raises(InputError, match="chmod 600") as caught:
        files.job_store_spec()
    assert "secret" not in str(caught.value)
    files.jobflow_file.chmod(0o600)
    assert files.job_store_spec() == stores
