"use strict";

// The heat map is one stop for the Tab key; the arrows move within it. Without this, each cell is a stop.
const map = document.getElementById("heat-map");
if (map) {
  const rows = Array.from(map.tBodies[0].rows, (row) => Array.from(row.querySelectorAll("a")));
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  let current = rows[0].at(-1);
  const choose = (cell) => {
    current.tabIndex = -1;
    cell.tabIndex = 0;
    current = cell;
  };
  rows.flat().forEach((cell) => { cell.tabIndex = -1; });
  choose(current);
  map.addEventListener("focusin", (event) => choose(event.target));
  map.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    const row = rows.findIndex((cells) => cells.includes(event.target));
    if (!move || row < 0) return;
    event.preventDefault();
    rows[row + move[0]]?.[rows[row].indexOf(event.target) + move[1]]?.focus();
  });
}

// Served, the page asks for itself again, unless someone is in the midst of it.
const seconds = Number(document.documentElement.dataset.refresh);
const untouched = () => !document.hidden && document.activeElement === document.body && !document.querySelector("details[open]");
if (seconds) setInterval(() => { if (untouched()) location.reload(); }, seconds * 1000);
