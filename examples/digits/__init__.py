"""A pair of models of your own: scikit-learn's digits, drawn in one pass and pixel after pixel.

`python -m examples.digits.train --out my-models` trains all of it; docs/your-own-pair.md explains the rest.
"""
