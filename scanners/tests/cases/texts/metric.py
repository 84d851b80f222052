"""A metric of the evaluate library."""

import datasets
import evaluate
from sklearn.metrics import f1_score

_CITATION = """@article{scikit-learn, title={Scikit-learn: Machine Learning in Python}}"""
_DESCRIPTION = "The harmonic mean of precision and recall."
_KWARGS_DESCRIPTION = """
Args:
    predictions (`list` of `int`): Predicted labels.
    references (`list` of `int`): Ground truth labels.
Examples:
    >>> evaluate.load("f1").compute(references=[0, 1], predictions=[0, 1])
    {'f1': 1.0}
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class F1(evaluate.Metric):
    def _info(self):
        features = {"predictions": datasets.Value("int32"), "references": datasets.Value("int32")}
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(features),
        )

    def _compute(self, predictions, references, labels=None, pos_label=1, average="binary"):
        score = f1_score(references, predictions, labels=labels, pos_label=pos_label, average=average)
        return {"f1": float(score) if getattr(score, "size", 1) == 1 else score}
