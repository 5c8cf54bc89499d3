# SPDX-License-Identifier: MIT
"""The storage for Optuna: Optuna's own test class for storages on memory and file journals, with Optuna's JournalStorage out of reach."""
import sys

import pytest
from optuna.testing import pytest_storages

import trialog


@pytest.fixture(autouse=True)
def no_journal_of_optuna(monkeypatch):
    """Optuna's own implementation of what is tested must not help."""
    for name in [n for n in sys.modules if n.startswith("optuna.storages.journal")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("optuna.storages.JournalStorage", None)


class TestMemory(pytest_storages.StorageTestCase):
    @pytest.fixture
    def storage(self):
        return trialog.JournalStorage("memory://")


class TestFile(pytest_storages.StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path):
        return trialog.JournalStorage(tmp_path / "study.journal")
