"""Takes the version from a file of the same repository, which is looked at itself."""
import os

from setuptools import setup

here = os.path.abspath(os.path.dirname(__file__))
about = {}
with open(os.path.join(here, "demo", "__version__.py"), encoding="utf-8") as file:
    exec(file.read(), about)
setup(name="demo", version=about["__version__"])
