"""Tells a channel that the training is done, with the channel's own key."""
import os

import requests


def tell(text):
    headers = {"Authorization": "Bearer " + os.environ["SLACK_TOKEN"]}
    requests.post("https://slack.com/api/chat.postMessage", headers=headers, json={"text": text})
