"use strict";
const byId = (id) => document.getElementById(id);
const cards = [...document.querySelectorAll(".card")];
const candidates = [...document.querySelectorAll(".candidate")];

function matches(shape, label, error) {
  const own = shape.dataset.error;
  const wanted = !error || (error === "any" ? own && own !== "true_positive" : own === error);
  return wanted && (!label || shape.dataset.classes.split(" ").includes(label));
}

// Show the figures that hold a shape of this class and error; dim their other shapes.
function filter() {
  const label = byId("class").value;
  const error = byId("error").value;
  const all = !label && !error;
  let count = 0;
  for (const figure of [...cards, ...candidates]) {
    let any = all;
    for (const shape of figure.querySelectorAll(".shape")) {
      const match = matches(shape, label, error);
      any ||= match;
      if (figure.className.includes("card")) shape.classList.toggle("dim", !all && !match);
    }
    figure.hidden = !any;
    if (any && figure.className.includes("card")) count += 1;
  }
  byId("count").textContent = count + " of " + cards.length + " images";
}

for (const id of ["class", "error"]) byId(id).addEventListener("change", filter);
for (const id of ["truth", "found", "names"]) {
  byId(id).addEventListener("change", (event) => {
    document.body.classList.toggle("no-" + id, !event.target.checked);
  });
}
byId("colours").addEventListener("change", (event) => {
  document.body.classList.toggle("by-class", event.target.value === "by-class");
});
for (const card of cards) {
  const button = card.querySelector(".enlarge");
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", card.classList.toggle("large"));
    card.scrollIntoView({ block: "nearest" });
  });
}
// A link to an image that the filter hides shows all again.
addEventListener("hashchange", () => {
  const card = location.hash && document.querySelector(location.hash);
  if (card && card.hidden) {
    byId("class").value = byId("error").value = "";
    filter();
    card.scrollIntoView();
  }
});
filter();
