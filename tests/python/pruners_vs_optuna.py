# SPDX-License-Identifier: MIT
"""Our pruners in Optuna's studies decide as Optuna's do: on our storage, on Optuna's in memory, and around a pruner of Optuna's.

usage: pruners_vs_optuna.py [--studies N] [--seed N] [--jobs N]

The studies are those of tests/pruner/vs_optuna.py: Optuna runs each with its own pruner; what happened is then done again, call by call, in
Optuna's study with our pruner on each storage. Every answer and every attribute left behind must be the same.
"""
import argparse
import os
import random
import sys
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "pruner"))
import vs_optuna  # noqa: E402


def number(text):
    return float(text.replace("Infinity", "inf"))


def our_pruner(kind, options, around_optunas):
    import optuna.pruners

    import trialog.pruners

    return vs_optuna.make_pruner(trialog.pruners, kind, options, optuna.pruners if around_optunas else None)


class Again:
    """A story, once more."""

    def __init__(self, story, storage, around_optunas):
        self.story, self.storage, self.around_optunas = story, storage, around_optunas
        self.trials = {}
        self.answers = []

    def study_(self, name, direction, kind, *options):
        import optuna

        pruner = our_pruner(self.story.kind, self.story.options, self.around_optunas)
        assert isinstance(pruner, optuna.pruners.BasePruner)
        self.study = optuna.create_study(storage=self.storage, study_name=name, direction=direction + "imize", pruner=pruner)

    def add_(self, state, value, reports, *attrs):
        from optuna.trial import TrialState, create_trial

        reports = {} if reports == "-" else {int(s): number(v) for s, v in (r.split("=") for r in reports.split(","))}
        attrs = {k: int(v) if v.lstrip("-").isdigit() else number(v) for k, v in (a.split("=") for a in attrs)}
        value = None if value == "-" else number(value)
        self.storage.create_new_trial(self.study._study_id, create_trial(
            state=TrialState[state], value=value, system_attrs=attrs, intermediate_values=reports))

    def ask_(self):
        trial = self.study.ask()
        self.trials[trial.number] = trial

    def report_(self, trial, step, value):
        self.trials[int(trial)].report(number(value), int(step))

    def prune_(self, trial):
        answer = self.trials[int(trial)].should_prune()
        assert answer is True or answer is False or self.around_optunas
        self.answers.append(bool(answer))

    def tell_(self, trial, state, value):
        from optuna.trial import TrialState

        self.study.tell(self.trials.pop(int(trial)), None if value == "-" else number(value), state=TrialState[state])

    def attrs_(self):
        self.attrs = "".join(
            "%d %s %s;" % (t.number, k, vs_optuna.text(v) if isinstance(v, float) else v) for t in self.study.get_trials(deepcopy=False)
            for k, v in t.system_attrs.items() if k.startswith("completed_"))

    def run(self):
        for line in self.story.lines:
            word, *rest = line.split("\t")
            getattr(self, word + "_")(*rest)
        return self


def inside(n, seed, part, parts):
    import optuna

    import trialog

    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = [k for k, share in vs_optuna.KINDS.items() for _ in range(share)]
    counts = {k: [0, 0] for k in vs_optuna.KINDS}
    for i in range(part, n, parts):
        story_seed = "%s/%d" % (seed, i)
        story = vs_optuna.run_study(story_seed, kinds[i % len(kinds)])
        ours = trialog.JournalStorage("memory://")
        ways = [("our storage", ours, False), ("Optuna's", optuna.storages.InMemoryStorage(), False)]
        if isinstance(story.options.get("wrapped_pruner"), tuple):
            ways.append(("a mixture of pruners", vs_optuna.like_journal(), True))
        for where, storage, around_optunas in ways:
            again = Again(story, storage, around_optunas).run()
            for ours_said, (upto, answer) in zip(again.answers, story.answers):
                if ours_said != answer:
                    vs_optuna.complain(story, upto, "%s: Optuna says %s, we say %s" % (where, answer, ours_said), story_seed)
            if again.attrs != story.attrs:
                vs_optuna.complain(story, len(story.lines), "%s: attributes: Optuna has\n%s\nwe have\n%s" % (where, story.attrs, again.attrs), story_seed)
        for _, answer in story.answers:
            counts[story.kind][answer] += 1
    for k, (no, yes) in counts.items():
        print("count", k, no, yes)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--studies", type=int, default=5000)
    p.add_argument("--seed", default=str(random.randrange(10**6)))
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--part", type=int)
    a = p.parse_args()
    if a.part is not None:
        return inside(a.studies, a.seed, a.part, a.jobs)
    return vs_optuna.run_parts([sys.executable, __file__], a, "%d studies on two storages, %.1f s; decisions of Optuna's that ours equal:")


if __name__ == "__main__":
    sys.exit(main())
