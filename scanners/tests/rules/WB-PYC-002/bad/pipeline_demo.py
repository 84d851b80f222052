"""Borrows the code of another repository."""
from transformers import pipeline

GENERATE = pipeline("text-generation", model="somebody/other-model", trust_remote_code=True)
