"""Calls what nobody can read."""
import os


def call(settings):
    return getattr(os, settings["how"])(settings["what"])
