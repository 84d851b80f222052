"""Files as large as real ones: what a scanner spends its time on in life. All of them benign."""

import io
import pickle
import random

import joblib
import numpy
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import KNeighborsClassifier

from cases import slug

SYLLABLES = "ba be bi bo bu da de di do du ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu ra re ri ro ru".split()


def words(count):
    dice = random.Random(7)
    found = set()
    while len(found) < count:
        found.add("".join(dice.choices(SYLLABLES, k=dice.randint(2, 6))))
    return sorted(found)


def vectorizer(count):
    """A fitted TF-IDF: a dictionary from words to numbers, and an array."""
    text = words(count)
    return TfidfVectorizer(token_pattern=r"\S+").fit([" ".join(text[at : at + 50]) for at in range(0, count, 50)])


def cache(count):
    """What a feature cache looks like: many small dictionaries and lists."""
    dice = random.Random(11)
    return [{"id": at, "label": at % 7, "spans": [at, at + 3, at + 9], "score": dice.random()} for at in range(count)]


def merges(count):
    """Pairs of tokens and their ranks, as tokenizers keep them."""
    text = words(count // 2)
    return {(a, b): rank for rank, (a, b) in enumerate(zip(text * 2, text[1:] + text + text[:1]))}


def forest():
    rng = numpy.random.default_rng(3)
    return RandomForestClassifier(n_estimators=120, random_state=3).fit(rng.normal(size=(1500, 12)), rng.integers(0, 5, 1500))


def neighbours():
    rng = numpy.random.default_rng(4)
    return KNeighborsClassifier().fit(rng.normal(size=(8000, 20)), rng.integers(0, 3, 8000))


def compressed(value, method):
    out = io.BytesIO()
    joblib.dump(value, out, compress=method)
    return out.getvalue()


def make(cases):
    family = cases.family("large")
    pickled = [
        ("a TF-IDF vectorizer with 150,000 words", vectorizer(150_000), "vectorizer.pkl", 4),
        ("a cache of features", cache(450_000), "features.pickle", 4),
        ("the merges of a tokenizer", merges(300_000), "merges.pkl", 2),
        ("200,000 texts, each remembered", words(200_000), "words.pkl", 3),
        ("vectors of words, as lists", {w: [n / 7, n / 9, n / 11] for n, w in enumerate(words(250_000))}, "vectors.pkl", 4),
        ("a forest of 120 trees", forest(), "forest.pkl", 5),
    ]
    for note, value, name, protocol in pickled:
        family.benign(slug(note), name, pickle.dumps(value, protocol), note)
    family.benign("neighbours-joblib", "neighbours.joblib", compressed(neighbours(), 0), "neighbours, by joblib")
    family.benign("forest-zlib", "forest.joblib", compressed(forest(), ("zlib", 3)), "a forest, by joblib with zlib")
