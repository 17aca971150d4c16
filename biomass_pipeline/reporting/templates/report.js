// The page's own script: charts that can be asked, and a dialog for each photo. Without it the page
// shows still pictures and tables, and nothing is lost but the asking.
"use strict";

const byId = (id) => document.getElementById(id);
const parsed = (id) => JSON.parse(byId(id)?.textContent || "{}");
const survey = parsed("survey");
const pictures = { thumbnails: null, maps: null };
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const state = { target: survey.target, model: survey.model, colour: 0, along: 0, at: null };
const views = {};
const live = parsed("live");
const others = new Map();

const unitOf = (name) => survey.targets.find((target) => target.name === name).unit;
const place = Object.fromEntries(survey.ids.map((id, i) => [id, i]));

function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  const decimals = Math.min(Math.max(digits - 1 - exponent, 0), 6);
  return value.toFixed(decimals).replace("-", "−");
}

function interval(low, high, unit) {
  return low === null || high === null ? "–" : `${number(low)} to ${number(high)} ${unit}`;
}

// The worst photos stand in the page itself, and are not repeated.
function picture(kind, id) {
  pictures[kind] ??= parsed(kind);
  const shown = document.querySelector(`[data-${kind}="${CSS.escape(id)}"]`);
  return shown?.src ?? pictures[kind][id];
}

// --- rows -----------------------------------------------------------------------------------------

function rows() {
  const measured = survey.measured[state.target];
  const predicted = survey.predicted[state.model][state.target];
  const colour = survey.columns[state.colour];
  const along = survey.columns[state.along];
  const found = survey.ids.map((id, i) => ({
    id,
    measured: measured[i],
    predicted: predicted.y[i],
    low: predicted.low[i],
    high: predicted.high[i],
    error: predicted.y[i] === null ? null : predicted.y[i] - measured[i],
    colour: colour ? colour.values[i] : "photos",
    along: along ? along.values[i] : "photos",
    // Golden-ratio steps: spread evenly, and the same each time.
    shift: ((i * 0.618034) % 1) - 0.5,
  }));
  return found.filter((row) => row.predicted !== null && row.measured !== null);
}

function ends(points) {
  const values = points.flatMap((row) => [row.measured, row.predicted]);
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const margin = 0.04 * (high - low) || 1;
  return [low - margin, high + margin];
}

// --- charts ---------------------------------------------------------------------------------------

function filled(value, words) {
  if (typeof value === "string") return value.replace(/\{(unit|colour|along)\}/g, (_, w) => words[w]);
  if (Array.isArray(value)) return value.map((each) => filled(each, words));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, filled(each, words)]));
}

function specification(name, points) {
  const column = survey.columns[name === "scatter" ? state.colour : state.along];
  const colour = survey.columns[state.colour]?.name ?? "";
  const along = survey.columns[state.along]?.name ?? "";
  const spec = filled(survey.charts[name][column?.kind ?? "category"], {
    unit: unitOf(state.target),
    colour,
    along,
  });
  const [low, high] = ends(points);
  for (const param of spec.params) {
    if (param.name === "low_end") param.value = low;
    if (param.name === "high_end") param.value = high;
  }
  const usable = name === "scatter" ? points : points.filter((row) => row.along !== null);
  return { ...spec, datasets: { points: usable, ends: [{ end: low }, { end: high }] } };
}

async function draw(name) {
  const node = byId(name);
  if (!node) return;
  const points = rows();
  const { view } = await vegaEmbed(node, specification(name, points), {
    mode: "vega-lite",
    actions: false,
    renderer: "svg",
    logLevel: 1, // errors only
    config: survey.themes[dark.matches ? "dark" : "light"],
  });
  node.querySelector("svg")?.setAttribute("aria-hidden", "true");
  views[name]?.finalize();
  views[name] = view;
  view.addEventListener("click", (_, item) => item?.datum?.id && openPhoto(item.datum.id));
  view.addEventListener("mouseover", (_, item) => item?.datum?.id && preview(name, item.datum.id));
  if (state.at) ring(state.at);
}

// Charts that ask nothing: panels side by side as room allows.
async function drawOther(node, spec) {
  const columns = Math.max(1, Math.floor(node.clientWidth / 275));
  const { view } = await vegaEmbed(node, "columns" in spec ? { ...spec, columns } : spec, {
    mode: "vega-lite",
    actions: false,
    renderer: "svg",
    logLevel: 1, // errors only
    config: survey.themes[dark.matches ? "dark" : "light"],
    tooltip: { theme: dark.matches ? "dark" : "light" },
  });
  node.querySelector("svg")?.setAttribute("aria-hidden", "true");
  others.get(node)?.finalize();
  others.set(node, view);
}

function drawOthers() {
  for (const node of document.querySelectorAll("[data-live]")) drawOther(node, live[node.dataset.live]);
}

function repaint() {
  redraw();
  drawOthers();
}

function redraw() {
  draw("scatter");
  draw("residuals");
  list();
  for (const node of document.querySelectorAll("[data-says=chosen]")) {
    const model = survey.models.find((each) => each.key === state.model).name;
    node.textContent = `${state.target} (${unitOf(state.target)}), ${model}`;
  }
}

function ring(id) {
  state.at = id;
  for (const view of Object.values(views)) view.signal("at", id ?? "").runAsync();
}

// --- the keyboard on a chart ----------------------------------------------------------------------

const ORDERS = { scatter: (row) => row.measured, residuals: (row) => row.along };

function step(name, by) {
  const key = ORDERS[name];
  const order = rows()
    .filter((row) => key(row) !== null)
    .sort((a, b) => (key(a) > key(b)) - (key(a) < key(b)) || a.measured - b.measured);
  if (!order.length) return;
  const now = order.findIndex((row) => row.id === state.at);
  const next = now < 0 ? (by > 0 ? 0 : order.length - 1) : Math.min(Math.max(now + by, 0), order.length - 1);
  const row = order[next];
  ring(row.id);
  preview(name, row.id, `${next + 1} of ${order.length}: `);
}

function sentence(row) {
  const unit = unitOf(state.target);
  return `${row.id}: measured ${number(row.measured)} ${unit}, predicted ${number(row.predicted)} ${unit}, interval ${interval(row.low, row.high, unit)}.`;
}

function listen(name) {
  const node = byId(name);
  if (!node) return;
  const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -1e9, End: 1e9 };
  node.addEventListener("keydown", (event) => {
    if (event.key in steps) step(name, steps[event.key]);
    else if ((event.key === "Enter" || event.key === " ") && state.at) openPhoto(state.at);
    else return;
    event.preventDefault();
  });
}

// --- the photo beside the chart -------------------------------------------------------------------

function preview(name, id, words = "") {
  const node = byId(`${name}-preview`);
  const image = node.querySelector("img");
  const row = rows().find((each) => each.id === id);
  const source = picture("thumbnails", id);
  image.hidden = !source;
  if (source) image.src = source;
  else image.removeAttribute("src");
  byId(`${name}-said`).textContent = row ? `${words}${sentence(row)} ${survey.groups[place[id]]}` : "";
}

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// --- a photo --------------------------------------------------------------------------------------

function openPhoto(id) {
  if (place[id] === undefined) return;
  ring(id);
  show(id);
  const dialog = byId("photo");
  if (!dialog.open) dialog.showModal();
}

function byError() {
  return rows().sort((a, b) => Math.abs(b.error) - Math.abs(a.error) || (a.id < b.id ? -1 : 1));
}

function show(id) {
  const i = place[id];
  const order = byError();
  const rank = order.findIndex((row) => row.id === id);
  byId("photo").dataset.id = id;
  byId("photo-title").textContent = id;
  byId("photo-rank").textContent = `${rank + 1} of ${order.length} by error in ${state.target}, the largest first`;
  byId("photo-previous").disabled = rank <= 0;
  byId("photo-next").disabled = rank >= order.length - 1;
  fillPicture("photo-image", picture("thumbnails", id), "The page had no room for this photo's picture.");
  fillPicture("photo-map", picture("maps", id), "");
  fillFacts(i);
  fillNumbers(i);
}

function fillPicture(id, source, missing) {
  const figure = byId(id);
  const image = figure.querySelector("img");
  const words = figure.querySelector(".missing");
  image.hidden = !source;
  figure.hidden = !source && !missing;
  if (source) image.src = source;
  else image.removeAttribute("src");
  if (words) words.textContent = source ? "" : missing;
}

function fillFacts(i) {
  const facts = [
    ["Group", survey.groups[i]],
    ["Fold", `${survey.folds[i]}: predicted by models that never saw this group`],
    ...survey.columns.map((column) => [column.name, column.values[i] ?? "–"]),
  ];
  if (survey.unlike.length && survey.unlike[i] !== null) {
    facts.push(["Unlike the training photos", `more than ${number(survey.unlike[i], 2)} of 100 known photos`]);
  }
  byId("photo-facts").replaceChildren(
    ...facts.map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, String(value)))),
  );
}

function fillNumbers(i) {
  const predicted = survey.predicted[state.model];
  const lines = survey.targets.map(({ name, unit }) => {
    const found = predicted[name];
    const truth = survey.measured[name][i];
    const outside = found.low[i] !== null && (truth < found.low[i] || truth > found.high[i]);
    return element(
      "tr",
      name === state.target ? { class: "current" } : {},
      element("th", { scope: "row" }, `${name} (${unit})`),
      element("td", {}, number(truth)),
      element("td", {}, number(found.y[i])),
      element("td", {}, interval(found.low[i], found.high[i], "").trim()),
      element("td", {}, found.low[i] === null ? "–" : outside ? "no" : "yes"),
    );
  });
  byId("photo-numbers").replaceChildren(...lines);
  byId("photo-model").textContent = survey.models.find((each) => each.key === state.model).name;
}

function neighbour(by) {
  const order = byError();
  const now = order.findIndex((row) => row.id === byId("photo").dataset.id);
  const next = order[now + by];
  if (next) {
    ring(next.id);
    show(next.id);
  }
}

function prepareDialog() {
  const dialog = byId("photo");
  byId("photo-close").addEventListener("click", () => dialog.close());
  byId("photo-previous").addEventListener("click", () => neighbour(-1));
  byId("photo-next").addEventListener("click", () => neighbour(1));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") neighbour(-1);
    if (event.key === "ArrowRight") neighbour(1);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-photo]");
    if (button) openPhoto(button.dataset.photo);
  });
}

// --- all photos as a table ------------------------------------------------------------------------

const sorting = { key: "error", down: true };
const KEYS = {
  id: (row) => row.id,
  measured: (row) => row.measured,
  predicted: (row) => row.predicted,
  error: (row) => Math.abs(row.error),
};

function list() {
  const body = byId("every-photo");
  if (!body || !body.closest("details").open) return;
  const key = KEYS[sorting.key];
  const order = rows().sort((a, b) => (key(a) > key(b)) - (key(a) < key(b)) || (a.id < b.id ? -1 : 1));
  if (sorting.down) order.reverse();
  body.replaceChildren(
    ...order.map((row) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, element("button", { type: "button", class: "link", "data-photo": row.id }, row.id)),
        element("td", {}, number(row.measured)),
        element("td", {}, number(row.predicted)),
        element("td", {}, interval(row.low, row.high, "").trim()),
        element("td", {}, number(row.error)),
        element("td", { class: "words" }, survey.groups[place[row.id]]),
      ),
    ),
  );
  for (const head of document.querySelectorAll("[data-sort]")) {
    const current = head.dataset.sort === sorting.key;
    head.closest("th").setAttribute("aria-sort", current ? (sorting.down ? "descending" : "ascending") : "none");
  }
}

function prepareList() {
  const details = byId("every-photo")?.closest("details");
  details?.addEventListener("toggle", list);
  for (const head of document.querySelectorAll("[data-sort]")) {
    head.addEventListener("click", () => {
      sorting.down = sorting.key === head.dataset.sort ? !sorting.down : head.dataset.sort !== "id";
      sorting.key = head.dataset.sort;
      list();
    });
  }
}

// --- what is asked --------------------------------------------------------------------------------

function choose(name, options, current) {
  for (const select of document.querySelectorAll(`select[data-choice=${name}]`)) {
    select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    select.value = current;
    select.addEventListener("change", () => {
      const value = name === "colour" || name === "along" ? Number(select.value) : select.value;
      state[name] = value;
      for (const other of document.querySelectorAll(`select[data-choice=${name}]`)) other.value = select.value;
      redraw();
    });
  }
}

function begin() {
  if (!survey.ids?.length || typeof vegaEmbed === "undefined") return;
  document.documentElement.classList.add("js");
  const columns = survey.columns.map((column, i) => [String(i), column.name]);
  choose("target", survey.targets.map(({ name, unit }) => [name, `${name} (${unit})`]), state.target);
  choose("model", survey.models.map(({ key, name }) => [key, name]), state.model);
  choose("colour", columns, "0");
  choose("along", columns, "0");
  prepareDialog();
  prepareList();
  listen("scatter");
  listen("residuals");
  repaint();
  for (const name of ["scatter", "residuals"]) {
    if (byId(name)) preview(name, byError()[0]?.id, "The largest error. ");
  }
  dark.addEventListener("change", repaint);
  let wide = document.body.clientWidth;
  window.addEventListener("resize", () => {
    if (document.body.clientWidth === wide) return;
    wide = document.body.clientWidth;
    drawOthers();
  });
}

begin();
