# SPDX-License-Identifier: MIT
"""A storage that is two handles of one journal: one writes, the other, which another process opened before, reads.

`Other` is that process: it opens storages and calls their methods on request. It is forked once, when this module is first used.
"""
import multiprocessing
import os
import pickle

import trialog
import trialog.optuna


def _serve(connection, parents):
    parents.close()  # ours is a copy: while it is open, nobody hears that the parent closed its own
    handles = {}
    while True:
        try:
            request = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        verb, key, args, kwargs = request
        try:
            if verb == "open":
                handles[key] = trialog.JournalStorage(*args, **kwargs)
                answer = ("ok", os.getpid())
            elif verb == "close":
                handles.pop(key).close()
                answer = ("ok", None)
            else:
                answer = ("ok", getattr(handles[key], verb)(*args, **kwargs))
        except Exception as error:  # it travels to the caller
            answer = ("error", error)
        connection.send_bytes(pickle.dumps(answer))


class Other:
    """The other process."""

    def __init__(self):
        context = multiprocessing.get_context("fork")
        self.connection, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(far, self.connection), daemon=True)
        self.process.start()
        far.close()
        self.handles = 0

    def call(self, verb, key, *args, **kwargs):
        self.connection.send_bytes(pickle.dumps((verb, key, args, kwargs)))
        how, what = pickle.loads(self.connection.recv_bytes())
        if how == "error":
            raise what
        return what

    def open(self, *args, **kwargs):
        self.handles += 1
        pid = self.call("open", self.handles, *args, **kwargs)
        assert pid != os.getpid()
        return self.handles

    def stop(self):
        self.connection.close()
        self.process.join(10)


READS = [
    "get_study_id_from_name", "get_study_name_from_id", "get_study_directions", "get_study_user_attrs", "get_study_system_attrs",
    "get_all_studies", "get_trial_id_from_study_id_trial_number", "get_trial_number_from_id", "get_trial_param", "get_trial",
    "get_all_trials", "get_n_trials", "get_best_trial", "get_trial_params", "get_trial_user_attrs", "get_trial_system_attrs",
]
WRITES = [
    "create_new_study", "delete_study", "set_study_user_attr", "set_study_system_attr", "create_new_trial", "set_trial_param",
    "set_trial_state_values", "set_trial_intermediate_value", "set_trial_user_attr", "set_trial_system_attr",
]


def two_handles(far_call, url, far):
    """A JournalStorage on `url` whose methods named in `far` go to the other handle: far_call(method, *args)."""

    class TwoHandles(trialog.optuna.JournalStorage):
        def __reduce__(self):
            return trialog.JournalStorage, (self._url,)

    def forward(name):
        def method(self, *args, **kwargs):
            return far_call(name, *args, **kwargs)

        return method

    for name in far:
        setattr(TwoHandles, name, forward(name))
    return TwoHandles(url, defer=0)
