"""Calls parts of the library for which nobody vouches at import."""
import runpy
import webbrowser

runpy.run_module("weights")
webbrowser.get("demo-browser %s")
