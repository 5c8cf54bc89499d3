# SPDX-License-Identifier: MIT
"""The statistics of the comparison: curves and their scores, rank tests, win probabilities. Lower scores are better."""
import bisect
import math
import random

WORST = 10.0  # normalised regret is cut to [1e-12, 10]; 10 as well while there is no feasible value


# ---- curves ----

def log_share(regret, scale):
    return math.log10(min(max(regret / scale, 1e-12), WORST))


def best_so_far(values):
    best, curve = math.inf, []
    for v in values:
        best = min(best, v)
        curve.append(best)
    return curve


def hypervolumes(points, reference):
    """Hypervolume after each of the points, two objectives to minimise."""
    front, total, curve = [], 0.0, []  # front: ascending in the first, descending in the second objective
    for x, y in points:
        at = bisect.bisect_right(front, (x, math.inf))
        if x < reference[0] and y < reference[1] and (at == 0 or front[at - 1][1] > y):
            last = at
            while last < len(front) and front[last][1] >= y:
                last += 1
            if at and front[at - 1][0] == x:
                at -= 1
            front[at:last] = [(x, y)]
            total, left = 0.0, reference[1]
            for a, b in front:
                total += (reference[0] - a) * (left - b)
                left = b
        curve.append(total)
    return curve


def area(shares):
    """Metric A: the mean of log10 of the normalised regret over all evaluations."""
    return sum(shares) / len(shares)


def area_over_time(times, shares):
    """The same over virtual time, from 0 to the end of the last evaluation; nothing is known before the first."""
    total, now, share = 0.0, 0.0, math.log10(WORST)
    for t, s in zip(times, shares):
        total += (t - now) * share
        now, share = t, s
    return total / now


# ---- rank tests ----

def win_probability(ours, theirs):
    """Vargha and Delaney's A12: P(ours < theirs) + P(equal) / 2."""
    theirs = sorted(theirs)
    n = len(theirs)
    wins = sum(2 * n - bisect.bisect_right(theirs, x) - bisect.bisect_left(theirs, x) for x in ours)
    return wins / (2 * n * len(ours))


def rank_distribution(m, n):
    """Number of ways to reach each U of samples of m and n without ties (Mann and Whitney 1947, eq. 5): the coefficients of the
    Gaussian binomial (m + n over m)."""
    ways = [1] + [0] * (m * n)
    for i in range(1, m + 1):
        for u in range(m * n, n + i - 1, -1):
            ways[u] -= ways[u - n - i]
        for u in range(i, m * n + 1):
            ways[u] += ways[u - i]
    return ways


def mann_whitney(a, b):
    """Two-sided p: exact up to 20 each without ties, else the normal approximation corrected for ties and continuity."""
    m, n = len(a), len(b)
    u = win_probability(a, b) * m * n
    if max(m, n) <= 20 and len(set(a + b)) == m + n:
        ways = rank_distribution(m, n)
        return min(1.0, 2 * sum(ways[:round(min(u, m * n - u)) + 1]) / sum(ways))
    variance = rank_variance(a, b)
    return math.erfc(max(0.0, abs(u - m * n / 2) - 0.5) / math.sqrt(2 * variance)) if variance > 0 else 1.0


def rank_variance(a, b):
    """Variance of U when both samples come from one distribution, given its ties."""
    ties = {}
    for x in a + b:
        ties[x] = ties.get(x, 0) + 1
    m, n, total = len(a), len(b), len(a) + len(b)
    return m * n / 12 * (total + 1 - sum(t ** 3 - t for t in ties.values()) / (total * (total - 1)))


def holm(ps):
    """Adjusted p of each (Holm 1979)."""
    adjusted, worst = [0.0] * len(ps), 0.0
    for k, i in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        worst = max(worst, min(1.0, (len(ps) - k) * ps[i]))
        adjusted[i] = worst
    return adjusted


def theta(pairs, draws=10000, seed=1):
    """Mean win probability over problems, pairs of (ours, theirs), and its 95 % interval by a bootstrap over problems and, inside
    each, over the runs of both sides."""
    point = sum(win_probability(a, b) for a, b in pairs) / len(pairs)
    if draws == 0:
        return point, point, point
    rng = random.Random(seed)
    means = []
    for _ in range(draws):
        total = 0.0
        for a, b in rng.choices(pairs, k=len(pairs)):
            total += win_probability(rng.choices(a, k=len(a)), rng.choices(b, k=len(b)))
        means.append(total / len(pairs))
    means.sort()
    return point, means[int(0.025 * draws)], means[int(0.975 * draws) - 1]


# ---- are two samples of one distribution? ----

def chi_square_p(x, freedom):
    """P(chi-square with so many degrees of freedom > x), by the recurrence of the incomplete gamma function."""
    x, a = x / 2, freedom / 2 % 1 or 1.0
    p = math.exp(-x) if a == 1 else math.erfc(math.sqrt(x))
    while a < freedom / 2:
        p += math.exp(a * math.log(x) - x - math.lgamma(a + 1)) if x > 0 else 0
        a += 1
    return min(1.0, p)


def same_counts(a, b):
    """p of a chi-square test of homogeneity of two lists of values; values seen fewer than ten times are taken together."""
    counts = {}
    for which, values in enumerate((a, b)):
        for v in values:
            counts.setdefault(v, [0, 0])[which] += 1
    cells = [c for c in counts.values() if sum(c) >= 10]
    rest = [sum(c[i] for c in counts.values() if sum(c) < 10) for i in (0, 1)]
    if sum(rest) >= 10:
        cells.append(rest)
    total = [sum(c[i] for c in cells) for i in (0, 1)]
    x = 0.0
    for c in cells:
        for i in (0, 1):
            expected = sum(c) * total[i] / sum(total)
            x += (c[i] - expected) ** 2 / expected if expected else 0
    return chi_square_p(x, len(cells) - 1) if len(cells) > 1 else 1.0


def same_distribution(a, b):
    """p of Kolmogorov and Smirnov's test (with Stephens's correction, 1970); of same_counts when there are few values."""
    if len(set(a) | set(b)) <= 40:
        return same_counts(a, b)
    a, b = sorted(a), sorted(b)
    d = max(abs(bisect.bisect_right(a, x) / len(a) - bisect.bisect_right(b, x) / len(b)) for x in a + b)
    n = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    k = (n + 0.12 + 0.11 / n) * d
    if k < 0.3:
        return 1.0
    return min(1.0, max(0.0, 2 * sum((-1) ** (i - 1) * math.exp(-2 * (i * k) ** 2) for i in range(1, 101))))


def same_draws(ours, theirs, projections=3, seed=1):
    """p that two lists of draws (dicts name -> value) are of one distribution: which names there are, each parameter, and a few
    random projections of all of them (for how parameters go together), adjusted for their number. Also the name of the test that
    decided."""
    rng, tests = random.Random(seed), [("names", same_counts(*([" ".join(sorted(d)) for d in side] for side in (ours, theirs))))]
    names = sorted({n for d in ours + theirs for n in d})
    ranks = {}
    for name in names:
        sides = [[d[name] for d in side if name in d] for side in (ours, theirs)]
        if all(len(s) >= 20 for s in sides):
            tests.append((name, same_distribution(*sides)))
        pool = sorted(sides[0] + sides[1])
        ranks[name] = {v: (bisect.bisect_left(pool, v) + bisect.bisect_right(pool, v)) / len(pool) - 1 for v in set(pool)}
    for i in range(projections if len(names) > 1 else 0):
        direction = {n: rng.gauss(0, 1) for n in names}
        sides = [[sum(direction[n] * ranks[n][x] for n, x in d.items()) for d in side] for side in (ours, theirs)]
        tests.append(("projection %d" % (i + 1), same_distribution(*sides)))
    name, p = min(tests, key=lambda t: t[1])
    return min(1.0, p * len(tests)), name
