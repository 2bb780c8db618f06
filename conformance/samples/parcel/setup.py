"""How the wheel is built."""

from setuptools import setup

setup(name="parcel", version="1.0", py_modules=["parcel"])
