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
    document.querySelector("main").replaceWith(page.querySelector("main"));
    state.textContent = `as of ${new Date().toLocaleTimeString()}`;
  } catch (error) {
    state.textContent = "no answer: mmdet-flow watch has ended, or cannot be reached";
  }
}

setInterval(refresh, every);
document.addEventListener("visibilitychange", refresh);
