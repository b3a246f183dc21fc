// Draws the charts, colours them for a light or a dark page, and serves the buttons.
"use strict";

const CONFIG = { displaylogo: false, displayModeBar: false, responsive: true };
const plots = [...document.querySelectorAll(".plot")];

// The figures know their data, only the browser knows the colours of the page.
function theme(figure) {
  const style = getComputedStyle(document.documentElement);
  const [text, line, card] = ["--text", "--line", "--card"].map((name) =>
    style.getPropertyValue(name).trim());
  const look = { "font.color": text, "hoverlabel.bgcolor": card, "hoverlabel.font.color": text };
  for (const axis of ["xaxis", "yaxis"]) {
    look[`${axis}.gridcolor`] = line;
    look[`${axis}.zerolinecolor`] = line;
    look[`${axis}.linecolor`] = line;
  }
  (figure.layout.annotations || []).forEach((_, n) => { look[`annotations[${n}].font.color`] = text; });
  return look;
}

async function draw(plot) {
  const figure = JSON.parse(document.getElementById(`${plot.id}-data`).textContent);
  await Plotly.newPlot(plot, figure.data, figure.layout, CONFIG);
  await Plotly.relayout(plot, theme(figure));
}

async function recolour() {
  for (const plot of plots) await Plotly.relayout(plot, theme(plot));
}

function onSwitch(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  const { plot, axis } = button.dataset;
  button.setAttribute("aria-pressed", on);
  Plotly.relayout(plot, {
    [`${axis}axis.type`]: on ? "log" : "linear",
    [`${axis}axis.autorange`]: true,
    // The ticks that came with the figure are those of a logarithmic axis.
    [`${axis}axis.tickmode`]: on && document.getElementById(plot).layout[`${axis}axis`].tickvals ? "array" : "auto",
  });
}

// On file:// pages browsers may refuse the clipboard: then the text is selected, ready to be copied.
async function copy(button) {
  const text = document.getElementById(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(text);
    button.textContent = "Selected: now press Ctrl+C";
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.axis) onSwitch(button);
  if (button?.dataset.copies) copy(button);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
Promise.all(plots.map(draw)).then(() => { document.body.dataset.drawn = plots.length; });
