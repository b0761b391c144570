"use strict";
// Puts the newest content in the place of the old one; what is not seen waits.
const every = 3000;
const parser = new DOMParser();

async function refresh() {
  const state = document.getElementById("state");
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) throw new Error(`the answer is ${answer.status}`);
    const page = parser.parseFromString(await answer.text(), "text/html");
    replace(document.querySelector("main"), page.querySelector("main"));
    state.textContent = `as of ${new Date().toLocaleTimeString()}`;
  } catch (error) {
    state.textContent = "no answer: mmdet-flow watch has ended, or cannot be reached";
  }
}

// How tables are sorted, how far they are scrolled, and where the keyboard is, stay.
function replace(old, main) {
  const places = (root) => [...root.querySelectorAll("a, button")];
  const boxes = (root) => [...root.querySelectorAll(".scroll")];
  const focused = places(old).indexOf(document.activeElement);
  old.replaceWith(main);
  sortable(main);
  boxes(old).forEach((box, place) => boxes(main)[place]?.scrollTo(box.scrollLeft, 0));
  places(main)[focused]?.focus({ preventScroll: true });
}

setInterval(refresh, every);
document.addEventListener("visibilitychange", refresh);
