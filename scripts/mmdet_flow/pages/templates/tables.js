"use strict";
// Heads of tables become buttons that sort its rows: up, down, and as they were.
const missing = new Set(["", "-", "n/a", "None"]);
const number = /^[-+\u2212]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?(?=$|[\s%])/i;
const words = new Intl.Collator(undefined, { numeric: true });
const chosen = new Map(); // by the head of a table: how it is sorted

// What a cell is sorted by: data-value where its text has units, or its first line.
function keyOf(row, column) {
  const cell = row.cells[column];
  if (!cell) return "";
  const lines = [...cell.childNodes].filter((node) => node.nodeName !== "SMALL");
  return cell.dataset.value ?? lines.map((node) => node.textContent).join(" ").trim();
}

function valueOf(text) {
  const found = number.exec(text);
  return found ? Number(found[0].replaceAll(",", "").replace("\u2212", "-")) : NaN;
}

// The rows of a body; those of members stay below the one that they belong to.
function groupsOf(body) {
  const groups = [];
  for (const row of body.rows) {
    if (row.classList.contains("member") && groups.length) groups.at(-1).push(row);
    else groups.push([row]);
  }
  return groups;
}

// Numbers by value where all are numbers, else texts; what is missing comes last.
function sorted(groups, column, sign) {
  const keyed = groups.map((group) => ({ group, key: keyOf(group[0], column) }));
  const there = keyed.filter((one) => !missing.has(one.key));
  const numeric = there.every((one) => !Number.isNaN(valueOf(one.key)));
  const compare = numeric
    ? (a, b) => valueOf(a.key) - valueOf(b.key)
    : (a, b) => words.compare(a.key, b.key);
  there.sort((a, b) => sign * compare(a, b));
  return [...there, ...keyed.filter((one) => missing.has(one.key))].map((one) => one.group);
}

function arrange(table, original, column, sign) {
  const groups = sign ? sorted(original, column, sign) : original;
  table.tBodies[0].append(...groups.flat());
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    if (place !== column || !sign) head.removeAttribute("aria-sort");
    else head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  });
}

function sortable(root) {
  for (const table of root.querySelectorAll("table")) {
    const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
    const name = heads.map((head) => head.textContent.trim()).join(" ").trim();
    if (!name || table.tBodies[0].rows.length < 2) continue;
    const original = groupsOf(table.tBodies[0]);
    const next = { ascending: -1, descending: 0 };
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = "sort";
      button.append(...head.childNodes);
      if (!button.textContent.trim()) button.ariaLabel = `column ${column + 1}`;
      head.append(button);
      button.addEventListener("click", () => {
        const sign = next[head.getAttribute("aria-sort")] ?? 1;
        chosen.set(name, [column, sign]);
        arrange(table, original, column, sign);
      });
    });
    if (chosen.has(name)) arrange(table, original, ...chosen.get(name));
  }
}

sortable(document);
