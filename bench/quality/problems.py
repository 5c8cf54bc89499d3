# SPDX-License-Identifier: MIT
"""The problems of problems.c for Python, through ctypes, and what a run writes down.

A run is one line of a CSV file: solver,problem,seed,workers,outcomes,seconds. Outcomes stand in the order in which the trials
finished, separated by blanks: the value, "inf" when a constraint is broken, two values as "a/b"; with several workers the virtual
time comes before it, "1.25:0.5".
"""
import collections
import ctypes
import math
import os

FLOAT, INT, CHOICE = range(3)
N_TRIALS = 200


class Dist(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int32), ("log", ctypes.c_int32), ("low", ctypes.c_double), ("high", ctypes.c_double),
                ("step", ctypes.c_double), ("choices", ctypes.POINTER(ctypes.c_char_p)), ("n_choices", ctypes.c_int32)]


class Result(ctypes.Structure):
    _fields_ = [("value", ctypes.c_double * 2), ("constraint", ctypes.c_double * 3)]


class Problem(ctypes.Structure):
    _fields_ = [("id_", ctypes.c_char_p), ("name_", ctypes.c_char_p), ("n_values", ctypes.c_int32), ("n_constraints", ctypes.c_int32),
                ("best", ctypes.c_double), ("reference", ctypes.c_double * 2), ("scale", ctypes.c_double),
                ("probe", ctypes.c_double * 2), ("eval_", ctypes.c_void_p)]

    @property
    def id(self):
        return self.id_.decode()

    @property
    def name(self):
        return self.name_.decode()


ASK = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(Dist))


class Problems:
    """The table, by name and in its order."""

    def __init__(self, path):
        self.lib = lib = ctypes.CDLL(os.path.abspath(path))
        lib.quality_problem.restype = ctypes.POINTER(Problem)
        lib.quality_run_time.restype = ctypes.c_double
        lib.quality_run_time.argtypes = [ctypes.c_uint64, ctypes.c_uint64]
        lib.quality_eval.argtypes = [ctypes.POINTER(Problem), ASK, ctypes.c_void_p, ctypes.POINTER(Result)]
        lib.quality_eval.restype = None
        self.all = collections.OrderedDict()
        while lib.quality_problem(len(self.all)):
            problem = lib.quality_problem(len(self.all)).contents
            self.all[problem.name] = problem

    def run_time(self, seed, trial):
        return self.lib.quality_run_time(seed, trial)

    def eval(self, problem, suggest):
        """Values and constraints; suggest(name, dist) gives each parameter. What it raises is raised again here."""
        raised = []

        def ask(_, name, dist):
            try:
                return math.nan if raised else suggest(name.decode(), dist.contents)
            except BaseException as e:  # an exception cannot pass through C
                raised.append(e)
                return 0.0
        result = Result()
        self.lib.quality_eval(ctypes.byref(problem), ASK(ask), None, ctypes.byref(result))
        if raised:
            raise raised[0]
        return list(result.value[:problem.n_values]), list(result.constraint[:problem.n_constraints])


def outcome(values, constraints, time=None):
    text = "inf" if any(c > 0 for c in constraints) else "/".join("%.10g" % v for v in values)
    return text if time is None else "%.6g:%s" % (time, text)
