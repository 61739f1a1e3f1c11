"""One colour for each paradigm and each part of the time, on light and dark ground; the gateway's page has the same."""

LIGHT = {
    "sequential": "#1f5fc4",
    "parallel": "#b4500a",
    "neutral": "#5a5e66",
    "ink": "#1b1c1f",
    "muted": "#5a5e66",
    "ground": "#ffffff",
    "page": "#f6f6f3",
    "line": "#d8d9dd",
}
DARK = {
    "sequential": "#7fb0ff",
    "parallel": "#ffae6b",
    "neutral": "#a6a9b0",
    "ink": "#ececed",
    "muted": "#a6a9b0",
    "ground": "#1c1e21",
    "page": "#131416",
    "line": "#383b41",
}
# Okabe and Ito's, which people with any colour vision can tell apart, and a grey; good on either ground. What no server
# accounts for is hatched.
PARTS = {
    "lateness": "#8c8c8c",
    "queue": "#e69f00",
    "prefill": "#56b4e9",
    "batch_wait": "#f0e442",
    "decode": "#0072b2",
    "compute": "#d55e00",
    "encode": "#cc79a7",
    "backend_other": "#009e73",
    "residual": "#8c8c8c",
}
HATCHED = ("residual",)
