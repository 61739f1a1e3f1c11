"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const colours = JSON.parse(document.getElementById("colours").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 480px)");

function theme() { return dark.matches ? colours.dark : colours.light; }

function colourOf(role) { return theme()[role] ?? colours.parts[role.replace("part-", "")]; }

function painted(trace) {
  const colour = colourOf(trace.meta.role);
  const errors = (error) => error && { ...error, color: colour };
  return {
    ...trace,
    line: trace.line && { ...trace.line, color: colour },
    marker: { ...trace.marker, color: colour, line: { width: trace.type === "bar" ? 0 : 1.5, color: colour } },
    error_x: errors(trace.error_x),
    error_y: errors(trace.error_y),
  };
}

function axis(own) {
  const now = theme();
  return { ...own, gridcolor: now.line, linecolor: now.line, zerolinecolor: now.line, fixedrange: narrow.matches };
}

function laidOut(layout) {
  const now = theme();
  return {
    ...layout,
    xaxis: axis(layout.xaxis),
    yaxis: axis(layout.yaxis),
    shapes: (layout.shapes ?? []).map((shape) => ({ ...shape, line: { ...shape.line, color: now.muted } })),
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: narrow.matches ? 11 : 12, color: now.ink },
    margin: { l: 56, r: 12, t: 12, b: 44 },
    legend: { orientation: "h", y: -0.22, yanchor: "top", x: 0, traceorder: "normal" },
  };
}

function draw() {
  for (const [key, figure] of Object.entries(figures)) {
    const options = { responsive: true, displaylogo: false, displayModeBar: false };
    Plotly.react(key, figure.data.map(painted), laidOut(figure.layout), options);
  }
}

draw();
dark.addEventListener("change", draw);
