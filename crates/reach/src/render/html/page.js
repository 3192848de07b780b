"use strict";
const name = (end) => (data.groups[end] && data.groups[end] !== data.ends[end] ? data.groups[end] + "/" : "") + data.ends[end];
const ports = new Map(data.cells.map(([source, destination, text]) => [source + " " + destination, text]));
const hint = document.getElementById("hint");
const say = (source, destination) => {
  const text = ports.get(source + " " + destination);
  hint.textContent = name(source) + " → " + name(destination) + ": " + (text || "No Connections");
};
const matrix = document.getElementById("matrix");
const grid = matrix.querySelector(".matrix");
matrix.addEventListener("pointermove", (event) => {
  const box = matrix.getBoundingClientRect();
  const at = (pixel) => Math.floor((pixel - grid.dataset.margin) / grid.dataset.cell);
  const destination = at(event.clientX - box.left);
  const source = at(event.clientY - box.top);
  if (source >= 0 && destination >= 0 && source < data.ends.length && destination < data.ends.length) say(source, destination);
});
const edges = [...document.querySelectorAll("#graph .edge")];
const light = (chosen) => {
  for (const edge of edges) {
    const hit = chosen && (chosen.has(+edge.dataset.source) || chosen.has(+edge.dataset.destination));
    edge.classList.toggle("faded", Boolean(chosen) && !hit);
    edge.classList.toggle("lit", Boolean(hit));
  }
  for (const row of document.querySelectorAll("#matrix [data-row]")) row.classList.toggle("faded", Boolean(chosen) && !chosen.has(+row.dataset.row));
  for (const text of document.querySelectorAll("text[data-end]")) text.classList.toggle("lit", Boolean(chosen) && chosen.has(+text.dataset.end));
};
const filter = document.getElementById("filter");
const apply = () => {
  const wanted = filter.value.trim().toLowerCase();
  light(wanted ? new Set([...data.ends.keys()].filter((end) => name(end).toLowerCase().includes(wanted))) : null);
  for (const row of document.querySelectorAll("#lines tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(wanted);
};
filter.addEventListener("input", apply);
for (const text of document.querySelectorAll("text[data-end]")) {
  text.addEventListener("click", () => { filter.value = name(+text.dataset.end); apply(); });
}
for (const edge of edges) {
  edge.addEventListener("pointerenter", () => say(+edge.dataset.source, +edge.dataset.destination));
}
