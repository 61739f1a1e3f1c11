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
    marker: { ...trace.marker, color: colour, line: { width: 1.5, color: trace.type === "bar" ? theme().ground : colour } },
    error_x: errors(trace.error_x),
    error_y: errors(trace.error_y),
  };
}

function axis(own) {
  const now = theme();
  return { ...own, gridcolor: now.line, linecolor: now.line, zerolinecolor: now.line, fixedrange: narrow.matches };
}

function laidOut(layout, first) {
  const now = theme();
  return {
    ...layout,
    xaxis: axis(layout.xaxis),
    yaxis: axis(layout.yaxis),
    annotations: (layout.annotations ?? []).map((each) => ({ ...each, font: { size: 11, color: now.muted } })),
    shapes: (layout.shapes ?? []).map((shape) => ({ ...shape, line: { ...shape.line, color: now.muted } })),
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: narrow.matches ? 11 : 12, color: now.ink },
    margin: { l: 56, r: 12, t: 8, b: 44 },
    showlegend: !(first && narrow.matches),
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, traceorder: "normal" },
  };
}

// The legend stands above the plot; where it needs more lines, and where bars have names, there must be room.
function heightOf(plot, figure) {
  const bars = figure.data.filter((trace) => trace.type === "bar");
  if (plot.closest(".first") && narrow.matches) return 240;
  const names = figure.data.filter((trace) => trace.showlegend !== false).length * (bars.length ? 0.5 : 1);
  const lines = narrow.matches ? names : Math.ceil(names / 3);
  const least = plot.closest(".first") ? 380 : 260;
  return (bars.length ? 60 + 44 * bars[0].y.length : least) + 20 * lines;
}

// What is folded has no width yet: it is drawn when it is opened.
function draw() {
  for (const [key, figure] of Object.entries(figures)) {
    const plot = document.getElementById(key);
    if (plot.closest("details:not([open])")) continue;
    plot.style.height = `${heightOf(plot, figure)}px`;
    const options = { responsive: true, displaylogo: false, displayModeBar: false };
    Plotly.react(key, figure.data.map(painted), laidOut(figure.layout, plot.closest(".first")), options);
  }
}

draw();
for (const each of document.querySelectorAll("details")) each.addEventListener("toggle", draw);
dark.addEventListener("change", draw);
narrow.addEventListener("change", draw);
