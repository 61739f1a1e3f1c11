"""One colour for each paradigm and each part of the time, on light and dark ground; the gateway's page has the same."""

_ON_LIGHT_AND_DARK = {
    "sequential": ("#1f5fc4", "#7fb0ff"),
    "parallel": ("#b4500a", "#ffae6b"),
    "neutral": ("#5a5e66", "#a6a9b0"),
    "ink": ("#1b1c1f", "#ececed"),
    "muted": ("#5a5e66", "#a6a9b0"),
    "ground": ("#ffffff", "#1c1e21"),
    "page": ("#f6f6f3", "#131416"),
    "line": ("#d8d9dd", "#383b41"),
}
LIGHT = {name: light for name, (light, _) in _ON_LIGHT_AND_DARK.items()}
DARK = {name: dark for name, (_, dark) in _ON_LIGHT_AND_DARK.items()}
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
