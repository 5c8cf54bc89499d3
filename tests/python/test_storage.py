# SPDX-License-Identifier: MIT
"""The storage for Optuna: Optuna's own test class for storages, with Optuna's JournalStorage out of reach.

Memory, file journals and a database (databases.py says which); each case also with two handles, one of which was opened before
anything was written, in two processes for files and databases: one writes and the other reads, in both directions.
"""
import sys

import pytest
from optuna.testing import pytest_storages

import databases
import trialog
import twohandles


@pytest.fixture(autouse=True)
def no_journal_of_optuna(monkeypatch):
    """Optuna's own implementation of what is tested must not help."""
    for name in [n for n in sys.modules if n.startswith("optuna.storages.journal")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("optuna.storages.JournalStorage", None)


@pytest.fixture(scope="module")
def other():
    process = twohandles.Other()
    yield process
    process.stop()


class TestMemory(pytest_storages.StorageTestCase):
    @pytest.fixture
    def storage(self):
        return trialog.JournalStorage("memory://")


class TestFile(pytest_storages.StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path):
        return trialog.JournalStorage(tmp_path / "study.journal")


class TestTwoMemoryHandles(pytest_storages.StorageTestCase):
    @pytest.fixture(params=["far reads", "far writes"])
    def storage(self, request):
        url = "memory://" + request.node.name
        far = trialog.JournalStorage(url)
        names = twohandles.READS if request.param == "far reads" else twohandles.WRITES
        return twohandles.two_handles(lambda name, *args, **kwargs: getattr(far, name)(*args, **kwargs), url, names)


def two_processes(url, far, other):
    """A storage on `url` half of which is the other process's handle."""
    key = other.open(url)
    names = twohandles.READS if far == "far reads" else twohandles.WRITES
    storage = twohandles.two_handles(lambda name, *args, **kwargs: other.call(name, key, *args, **kwargs), url, names)
    yield storage
    storage.close()
    other.call("close", key)


class TestTwoProcesses(pytest_storages.StorageTestCase):
    @pytest.fixture(params=["far reads", "far writes"])
    def storage(self, request, tmp_path, other):
        yield from two_processes(str(tmp_path / "study.journal"), request.param, other)


class TestDatabase(pytest_storages.StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path):
        storage = trialog.JournalStorage(databases.new_url(tmp_path))
        yield storage
        storage.close()


class TestDatabaseTwoProcesses(pytest_storages.StorageTestCase):
    @pytest.fixture(params=["far reads", "far writes"])
    def storage(self, request, tmp_path, other):
        yield from two_processes(databases.new_url(tmp_path), request.param, other)
