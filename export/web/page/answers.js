// Shows an answer: a class, every probability as a bar, a number, a text, places.

import { colourOf, drawPlaces } from "./places.js";

const MOST_BARS = 6;

/** Makes an element with a class, a text or children. */
export function make(tag, name = "", ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

const percent = (value) => `${(value * 100).toFixed(value >= 0.9995 ? 0 : 1)} %`;

function bar(label, value, best) {
  const track = make("span", "track", make("span", "fill"));
  track.firstChild.style.inlineSize = `${(value * 100).toFixed(2)}%`;
  const row = make("li", best ? "best" : "");
  row.append(make("span", "label", label), track);
  row.append(make("span", "share", percent(value)));
  return row;
}

/** Bars of the likeliest classes, in the model's order where all have room. */
function bars({ probabilities, label, labels }) {
  let rows = Object.entries(probabilities);
  const best = new Set(labels ?? [label]);
  const all = rows.length;
  if (all > 2 * MOST_BARS)
    rows = rows.sort(([, a], [, b]) => b - a).slice(0, MOST_BARS);
  const list = make("ul", "bars");
  list.append(...rows.map(([name, value]) => bar(name, value, best.has(name))));
  if (rows.length < all)
    list.append(make("li", "more", `and ${all - rows.length} less likely`));
  return list;
}

/** What was found of each class, with its colour. */
function legend(entry, answer) {
  const list = make("ul", "legend");
  entry.classes.forEach((label, place) => {
    const found = answer.boxes
      ? String(answer.boxes.filter((each) => each.label === label).length)
      : percent(answer.classes[label].share);
    const dot = make("span", "dot");
    dot.style.background = colourOf(place);
    list.append(make("li", "", dot, `${label} ${found}`));
  });
  return list;
}

/** The picture with what was found on it; words alone where it is absent. */
function places(entry, answer, { shape }, value) {
  const list = legend(entry, answer);
  if (!value) return [list];
  const canvas = drawPlaces(value, shape, answer, entry.classes);
  canvas.className = "places";
  canvas.setAttribute("role", "img");
  const told = [...list.children].map((row) => row.textContent).join(", ");
  canvas.setAttribute("aria-label", `${entry.modality} with ${told}`);
  return [canvas, list];
}

/** The spans of a text, each with its label. */
function spans(entry, answer) {
  if (!answer.spans.length) return make("p", "big", "nothing found");
  const list = make("ul", "legend");
  for (const { label, text, first_token, last_token } of answer.spans) {
    const dot = make("span", "dot");
    dot.style.background = colourOf(entry.classes.indexOf(label));
    const told = text ?? `tokens ${first_token} to ${last_token}`;
    list.append(make("li", "", dot, `${label}: ${told}`));
  }
  return list;
}

function target(name, entry, answer, inputs, given) {
  const box = make("div", "target", make("h3", "", name));
  if (entry.web === "number") {
    const value = Number(answer.value.toPrecision(4)).toString();
    box.append(make("p", "big", value, make("small", "", ` ${answer.unit}`)));
    return box;
  }
  if (entry.web === "transcript" || entry.web === "written") {
    const nothing = entry.web === "written" ? "nothing" : "nothing said";
    const big = make("p", "big", answer.text || nothing);
    big.append(make("small", "", ` ${percent(answer.probability)}`));
    box.append(big);
    return box;
  }
  if (entry.web === "boxes" || entry.web === "mask") {
    const { modality } = entry;
    box.append(...places(entry, answer, inputs[modality], given[modality]));
    return box;
  }
  if (entry.web === "spans") {
    box.append(spans(entry, answer));
    return box;
  }
  const labels = answer.labels ?? [answer.label];
  const big = make("p", "big", labels.join(", ") || "none");
  if (answer.label)
    big.append(make("small", "", ` ${percent(answer.probability)}`));
  box.append(big, bars(answer));
  return box;
}

/** Fills the answer's card; `given` are the arrays that it was made of. */
export function showAnswer(card, bundle, answer, spent_ms, given) {
  const absent = Object.keys(bundle.inputs).filter((name) => !given[name]);
  const head = make("div", "head", make("h2", "", "Answer"));
  head.append(make("span", "pill", `${spent_ms.toFixed(1)} ms`));
  const targets = Object.entries(bundle.outputs).map(([name, entry]) =>
    target(name, entry, answer[name], bundle.inputs, given),
  );
  card.replaceChildren(head, ...targets);
  const used = `from ${Object.keys(given).join(", ") || "nothing"}`;
  const without = absent.length ? `; without ${absent.join(", ")}` : "";
  card.append(make("p", "hint", used + without));
  card.removeAttribute("aria-busy");
  card.hidden = false;
}

/** Shows the texts of targets as far as they are written, and lets it paint. */
export async function showWriting(card, texts) {
  const head = make("div", "head", make("h2", "", "Answer"));
  const targets = Object.entries(texts).map(([name, text]) =>
    make("div", "target", make("h3", "", name), make("p", "big writing", text)),
  );
  card.setAttribute("aria-busy", "true");
  card.replaceChildren(head, ...targets);
  card.hidden = false;
  // A page that is not seen has no frames.
  await new Promise((done) => {
    requestAnimationFrame(() => setTimeout(done));
    setTimeout(done, 100);
  });
}
