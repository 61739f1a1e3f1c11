"""Plain statistics: quantiles, confidence intervals, fits of curves, queueing, orders of turns."""
