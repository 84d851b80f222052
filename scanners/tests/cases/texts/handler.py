"""The handler of an inference endpoint."""

from typing import Any, Dict, List

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


class EndpointHandler:
    def __init__(self, path: str = ""):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.model = AutoModelForSequenceClassification.from_pretrained(path).to(self.device).eval()
        self.labels = self.model.config.id2label

    def __call__(self, data: Dict[str, Any]) -> List[Dict[str, Any]]:
        """
        Args:
            data (:obj:`dict`): includes the input data and the parameters for the inference.
        Return:
            A :obj:`list` of labels with their scores.
        """
        texts = data.pop("inputs", data)
        parameters = data.pop("parameters", None) or {}
        if isinstance(texts, str):
            texts = [texts]
        batch = self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt", **parameters).to(self.device)
        with torch.inference_mode():
            scores = self.model(**batch).logits.softmax(dim=-1)
        best = scores.max(dim=-1)
        return [{"label": self.labels[index.item()], "score": score.item()} for score, index in zip(best.values, best.indices)]
