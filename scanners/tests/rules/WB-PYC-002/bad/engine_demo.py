"""Hands code to a library that nobody here knows."""
import tiny_engine

tiny_engine.evaluate("import os; os.system('id')")
