"""Loads a model's configuration and tokenizer with transformers, and prints what they say."""

import json
import sys

from transformers import AutoConfig, AutoTokenizer

given = json.loads(sys.argv[1])
told = {}
config = AutoConfig.from_pretrained(given["repo"], revision=given.get("revision", "main"))
told["config"] = {"model_type": config.model_type, "hidden_size": config.hidden_size}
if given.get("tokenizer"):
    told["tokens"] = AutoTokenizer.from_pretrained(given["repo"]).tokenize("the model is weighed")
print(json.dumps(told))
