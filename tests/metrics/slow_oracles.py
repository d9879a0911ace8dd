"""The formulas, written as loops over images and pairs: slow, and sharing nothing with the package."""

import math
from itertools import combinations

import numpy as np

NAN = float("nan")


def mean(values):
    values = [value for value in values if not math.isnan(value)]
    return sum(values) / len(values) if values else NAN


def share(hits, total):
    return hits / total if total else NAN


def average_precision(target, scores):
    positives = sum(target)
    if not positives:
        return NAN
    area, found_before = 0.0, 0
    for threshold in sorted(set(scores), reverse=True):
        chosen = [y for y, s in zip(target, scores, strict=True) if s >= threshold]
        area += (sum(chosen) - found_before) / positives * sum(chosen) / len(chosen)
        found_before = sum(chosen)
    return area


def f1(target, decided):
    if not sum(target):
        return NAN
    both = sum(1 for y, d in zip(target, decided, strict=True) if y and d)
    return 2 * both / (int(sum(target)) + int(sum(decided)))


def rate(target, groups, decided, group, value):
    rows = [i for i in range(len(target)) if groups[i] == group and target[i] == value]
    return share(sum(decided[i] for i in rows), len(rows))


def sign(targets, groups, a, t):
    n = len(groups)
    joint = sum(1 for i in range(n) if groups[i] == a and targets[i][t])
    size, label = sum(1 for g in groups if g == a), sum(int(row[t]) for row in targets)
    left, right = n * joint, size * label
    return int(left > right) - int(left < right)


def directional_pairs(targets, groups, predictions, k, direction, train):
    """{(a, t): (sign, Δ)}."""
    pairs, n = {}, len(groups)
    for a in range(k):
        for t in range(len(targets[0])):
            if direction == "attribute_to_target":
                rows = [i for i in range(n) if groups[i] == a]
                before, after = (sum(int(table[i][t]) for i in rows) for table in (targets, predictions))
            else:
                rows = [i for i in range(n) if targets[i][t]]
                before, after = sum(groups[i] == a for i in rows), sum(predictions[i] == a for i in rows)
            pairs[a, t] = (sign(*train, a, t), share(after, len(rows)) - share(before, len(rows)))
    return pairs


def directional(targets, groups, predictions, k, direction, train):
    pairs = directional_pairs(targets, groups, predictions, k, direction, train)
    if not any(y and not math.isnan(delta) for y, delta in pairs.values()):
        return NAN
    return mean([y * delta for y, delta in pairs.values()])


def mals(train_targets, train_groups, predictions, shown, k):
    total, support = 0.0, 0
    for t in range(len(train_targets[0])):
        people = [g for g, row in zip(train_groups, train_targets, strict=True) if row[t]]
        seen = [g for g, row in zip(shown, predictions, strict=True) if row[t]]
        support += bool(people)
        for a in range(k):
            if people and seen and people.count(a) * k > len(people):
                total += seen.count(a) / len(seen) - people.count(a) / len(people)
    return total / support if support else NAN


def label_sets(targets, max_size, min_support):
    t = len(targets[0])
    return [
        labels
        for size in range(1, max_size + 1)
        for labels in combinations(range(t), size)
        if sum(all(row[j] for j in labels) for row in targets) >= min_support
    ]


def set_table(targets, sets):
    return [[int(all(row[j] for j in labels)) for labels in sets] for row in targets]


def histogram(scores):
    """50 bins on [0, 1], smoothed bin by bin with mirrored ends."""
    counts = [0.0] * 50
    for score in scores:
        counts[min(int(score * 50), 49)] += 1 / len(scores)
    gauss = [math.exp(-0.5 * d * d) for d in range(-4, 5)]
    mirrored = counts[3::-1] + counts + counts[:-5:-1]
    smooth = [sum(gauss[j] * mirrored[i + j] for j in range(9)) / sum(gauss) + 1e-6 for i in range(50)]
    return [value / sum(smooth) for value in smooth]


def divergence(target, groups, scores, k):
    values = []
    for value in (0, 1):
        cells = [[s for s, y, g in zip(scores, target, groups, strict=True) if y == value and g == a] for a in range(k)]
        if not all(cells):
            return NAN
        densities = [histogram(cell) for cell in cells]
        for p, q in combinations(densities, 2):
            values.append(sum(a * math.log(a / b) + b * math.log(b / a) for a, b in zip(p, q, strict=True)))
    return sum(values) / len(values)


def single_label_leakage(target, groups, k):
    shares = [
        share(sum(y for y, g in zip(target, groups, strict=True) if g == a), list(groups).count(a)) for a in range(k)
    ]
    if any(math.isnan(value) for value in shares):
        return NAN
    return (max(shares) + max(1 - value for value in shares)) / k


def repeated(array, weights):
    """The rows of `array` as often as `weights` says."""
    return np.repeat(np.asarray(array), weights, axis=0)
