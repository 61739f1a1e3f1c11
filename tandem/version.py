"""The version of everything in this repository. Images hold the code but no installed package that could be asked."""

VERSION = "0.1.0"
