"use strict";
const hint = document.getElementById("hint");
const filter = document.getElementById("filter");
const name = (picture, end) =>
  (picture.groups[end] && picture.groups[end] !== picture.ends[end] ? picture.groups[end] + "/" : "") + picture.ends[end];
const chosen = (picture, wanted) =>
  wanted ? new Set(picture.ends.map((_, end) => end).filter((end) => name(picture, end).toLowerCase().includes(wanted))) : null;
const lightTexts = (svg, set) => {
  for (const text of svg.querySelectorAll("text[data-end]")) text.classList.toggle("lit", Boolean(set) && set.has(+text.dataset.end));
};
for (const picture of Object.values(data)) {
  picture.ports = new Map(picture.cells.map(([source, destination, text]) => [source + " " + destination, picture.texts[text]]));
}
const say = (picture, source, destination) => {
  const ports = picture.ports.get(source + " " + destination);
  hint.textContent = name(picture, source) + " \u2192 " + name(picture, destination) + ": " + (ports || "No Connections");
};
const matrix = document.getElementById("matrix");
const graph = document.getElementById("graph");
const grid = matrix.querySelector(".matrix");
matrix.addEventListener("pointermove", (event) => {
  const box = matrix.getBoundingClientRect();
  const at = (pixel) => Math.floor((pixel - grid.dataset.margin) / grid.dataset.cell);
  const destination = at(event.clientX - box.left);
  const source = at(event.clientY - box.top);
  const count = data.matrix.ends.length;
  if (source >= 0 && destination >= 0 && source < count && destination < count) say(data.matrix, source, destination);
});
const edges = [...graph.querySelectorAll(".edge")];
for (const edge of edges) {
  edge.addEventListener("pointerenter", () => say(data.graph, +edge.dataset.source, +edge.dataset.destination));
}
const apply = () => {
  const wanted = filter.value.trim().toLowerCase();
  const rows = chosen(data.matrix, wanted);
  for (const row of matrix.querySelectorAll("[data-row]")) row.classList.toggle("faded", Boolean(rows) && !rows.has(+row.dataset.row));
  lightTexts(matrix, rows);
  const ends = chosen(data.graph, wanted);
  for (const edge of edges) {
    const hit = Boolean(ends) && (ends.has(+edge.dataset.source) || ends.has(+edge.dataset.destination));
    edge.classList.toggle("faded", Boolean(ends) && !hit);
    edge.classList.toggle("lit", hit);
  }
  lightTexts(graph, ends);
  for (const row of document.querySelectorAll("#lines tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(wanted);
};
filter.addEventListener("input", apply);
for (const [svg, picture] of [[matrix, data.matrix], [graph, data.graph]]) {
  for (const text of svg.querySelectorAll("text[data-end]")) {
    text.addEventListener("click", () => { filter.value = name(picture, +text.dataset.end); apply(); });
  }
}
