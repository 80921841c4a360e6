#!/usr/bin/env python3
"""Word error rate. Reads lines `said<TAB>heard`, prints one line each and the total, fails above --max percent."""

import argparse
import re
import sys

SHORT = {"that's": "that is", "i'm": "i am", "you're": "you are", "it's": "it is", "there's": "there is"}
DIGITS = dict(zip("0123456789", "zero one two three four five six seven eight nine".split()))


def words(text):
    text = text.lower().replace("’", "'")
    text = re.sub(r"[a-z']+", lambda found: SHORT.get(found[0], found[0]), text)
    text = re.sub(r"\d", lambda found: f" {DIGITS[found[0]]} ", text)
    return re.findall(r"[a-z']+", text)


def errors(said, heard):
    """Fewest insertions, deletions and substitutions that turn one into the other."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--max", type=float, required=True)
    limit = parser.parse_args().max
    wrong = total = 0
    for line in sys.stdin:
        said, _, heard = line.rstrip("\n").partition("\t")
        said, heard = words(said), words(heard)
        missed = errors(said, heard)
        wrong, total = wrong + missed, total + len(said)
        print(f"  {missed:2d} of {len(said):2d} words wrong: {' '.join(heard) or '(nothing)'}")
    if not total:
        sys.exit("no words to compare")
    rate = 100 * wrong / total
    print(f"  word error rate {rate:.1f} % ({wrong} of {total} words), at most {limit:g} %")
    sys.exit(rate > limit)


if __name__ == "__main__":
    main()
