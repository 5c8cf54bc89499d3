# SPDX-License-Identifier: MIT
"""The storage for Optuna: Optuna's own test class for storages, with Optuna's JournalStorage out of reach.

Memory, file journals and a database (databases.py says which); each case also with two handles, one of which was opened before
anything was written, in two processes for files and databases: one writes and the other reads, in both directions.
"""
import sys

import pytest
from optuna.study import StudyDirection
from optuna.testing import pytest_storages
from optuna.trial import TrialState

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
    key = other.open(url, defer=0)  # what one writes the other reads at once
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


class TestDatabaseFacts:
    """What is asked of a study as a whole: told from its summary, and never out of date."""

    MINIMIZE = [StudyDirection.MINIMIZE]

    def test_listing_shows_what_others_wrote(self, tmp_path):
        url = databases.new_url(tmp_path)
        ours, theirs = trialog.JournalStorage(url), trialog.JournalStorage(url)
        first = ours.create_new_study(self.MINIMIZE, "first")
        assert ours.get_study_user_attrs(first) == {}
        theirs.set_study_user_attr(first, "é", [1, None])
        second = theirs.create_new_study([StudyDirection.MAXIMIZE] * 2, "second")
        theirs.set_study_system_attr(second, "k", "v")
        for storage in ours, theirs, trialog.JournalStorage(url):
            listed = storage.get_all_studies()
            assert [(s._study_id, s.study_name, s.user_attrs, s.system_attrs) for s in listed] == [
                (first, "first", {"é": [1, None]}, {}), (second, "second", {}, {"k": "v"})]
            assert [len(s.directions) for s in listed] == [1, 2]
        theirs.delete_study(first)
        assert [s.study_name for s in ours.get_all_studies()] == ["second"]
        with pytest.raises(KeyError):
            trialog.JournalStorage(url).get_study_directions(first)

    def test_summary_tells_what_the_trials_tell(self, tmp_path):
        url = databases.new_url(tmp_path)
        writer = trialog.JournalStorage(url)
        study = writer.create_new_study(self.MINIMIZE, "s")
        writer.set_study_user_attr(study, "a", 1)
        for i in range(5):
            trial = writer.create_new_trial(study)
            if i < 3:
                writer.set_trial_state_values(trial, TrialState.COMPLETE, [float(i)])

        def told(storage):
            return (storage.get_study_name_from_id(study), storage.get_study_directions(study), storage.get_n_trials(study),
                    storage.get_n_trials(study, TrialState.RUNNING), storage.get_study_user_attrs(study),
                    storage.get_study_system_attrs(study))

        expected = "s", self.MINIMIZE, 5, 2, {"a": 1}, {}
        asked_while_running = trialog.JournalStorage(url)  # there is no summary yet
        assert told(writer) == expected and told(asked_while_running) == expected
        writer.close()  # leaves one
        reader = trialog.JournalStorage(url)
        assert told(reader) == expected
        asked_while_running.set_study_user_attr(study, "a", 2)
        assert reader.get_study_user_attrs(study) == {"a": 2}
        assert len(reader.get_all_trials(study)) == 5
