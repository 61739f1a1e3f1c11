"""Plain statistics: quantiles, confidence intervals, fits of curves, brackets, orders of turns."""
