
"use strict";
(() => {
const ROW = 58; // pixels, as in the style sheet
const $ = (id) => document.getElementById(id);

// ---- elements: every text goes in as a text node ----

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Characters that steer a terminal or the direction of writing are shown instead of obeyed.
const HIDDEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const HIDDEN_ALL = /((?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}])/u;

function shown(text) {
  const clean = String(text).replace(/\r\n/g, "\n");
  if (!HIDDEN.test(clean)) return [clean];
  return clean.split(HIDDEN_ALL).filter(Boolean).map((piece) => {
    if (!HIDDEN.test(piece)) return piece;
    const code = piece.codePointAt(0).toString(16);
    return el("span", { class: "ctl" }, code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`);
  });
}

const TOKEN = new RegExp([
  /("""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)/,
  /(#[^\n]*)/,
  /\b(False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b/,
  /\b(\d[\w.]*)/,
  /([A-Za-z_]\w*)/, // whole, whatever follows: to look for what does not would begin anew at each letter
].map((part) => part.source).join("|"), "g");
const KINDS = ["string", "comment", "keyword", "number", "name"];

function code(text, label) {
  const pre = el("pre", { tabindex: 0, "aria-label": label });
  const clean = String(text);
  let end = 0;
  for (const found of clean.matchAll(TOKEN)) {
    if (found.index > end) pre.append(...shown(clean.slice(end, found.index)));
    const kind = KINDS[found.slice(1).findIndex((group) => group !== undefined)];
    end = found.index + found[0].length;
    if (kind === "name" && clean[end] !== "(") pre.append(found[0]);
    else pre.append(el("span", { class: `t-${kind}` }, ...shown(found[0])));
  }
  pre.append(...shown(clean.slice(end)));
  return pre;
}

const prose = (text, label) => el("pre", { class: "prose", tabindex: 0, "aria-label": label }, ...shown(text));
const spoken = (name) => String(name).replaceAll("_", " ");
const percent = (share) => (share === null ? "–" : `${Math.round(share * 100)} %`);
const decimals = (value) => (value === null ? "–" : value.toFixed(2));
const dollars = (value) => (value === null ? "price unknown" : `$${value === 0 ? 0 : value < 1 ? value.toPrecision(2) : value.toFixed(2)}`);
const count = (value) => value.toLocaleString("en-US");

// ---- data: base64 of gzip, inflated when it is wanted ----

const parsed = new Promise((done) => {
  if (document.readyState !== "loading") done();
  else document.addEventListener("DOMContentLoaded", done, { once: true });
});
const inflated = new Map();

async function inflate(name) {
  if (!$(`part-${name}`)) await parsed;
  const packed = $(`part-${name}`).textContent;
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(packed) : Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function part(name) {
  if (!inflated.has(name)) {
    if (inflated.size > 12) inflated.delete(inflated.keys().next().value);
    inflated.set(name, inflate(name));
  }
  return inflated.get(name);
}

// ---- theme ----

const theme = $("theme");
try { theme.value = localStorage.getItem("kodcode-theme") ?? ""; } catch { /* a page from a file may have no storage */ }
const dress = () => { document.documentElement.dataset.theme = theme.value; };
theme.addEventListener("change", () => {
  dress();
  try { localStorage.setItem("kodcode-theme", theme.value); } catch { /* likewise */ }
});
dress();

// ---- what is beside the pointer ----

const tip = $("tip");

function tell(text, x, y) {
  tip.hidden = !text;
  if (!text) return;
  tip.replaceChildren(...shown(text));
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - box.width - 8))}px`;
  tip.style.top = `${y + 18 + box.height > innerHeight ? y - box.height - 10 : y + 18}px`;
}
document.addEventListener("pointermove", (event) => {
  const near = pointAt(event);
  tell(near ? titleOf(near[2]) : event.target.closest?.("[data-tip]")?.dataset.tip, event.clientX, event.clientY);
});
document.addEventListener("pointerleave", () => tell(""));
document.addEventListener("scroll", () => tell(""), true);

// ---- the list ----

const FILTERS = ["subset", "style", "difficulty", "status"];
const list = $("list"), rows = $("rows"), spacer = $("spacer"), detail = $("detail");
let index = null, lower = [], places = new Map(), visible = [], chosen = -1, panels = [];

function filter() {
  const words = $("filter-text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = FILTERS.map((name) => [index[name], $(`filter-${name}`).value]).filter(([, value]) => value !== "")
    .map(([column, value]) => [column, Number(value)]);
  const least = $("filter-trust").value === "" ? null : Number($("filter-trust").value);
  visible = [];
  for (let n = 0; n < lower.length; n++) {
    if (wanted.every(([column, value]) => column[n] === value)
        && (least === null || (index.trust[n] !== null && index.trust[n] >= least))
        && words.every((word) => lower[n].includes(word))) visible.push(n);
  }
  const order = $("sort").value;
  if (order) {
    const column = index[order];
    visible.sort((a, b) => (column[a] ?? 2e9) - (column[b] ?? 2e9) || a - b);
  }
  $("count").textContent = `${count(visible.length)} of ${count(lower.length)}`;
  spacer.style.height = `${visible.length * ROW}px`;
  list.scrollTop = 0;
  draw();
}

function clear() {
  $("filters").reset();
  filter();
}

function draw() {
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 3);
  const last = Math.min(visible.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 3);
  rows.style.transform = `translateY(${first * ROW}px)`;
  const drawn = [];
  for (let at = first; at < last; at++) drawn.push(row(visible[at], at));
  rows.replaceChildren(...drawn);
  if (chosen >= 0 && $(`row-${chosen}`)) list.setAttribute("aria-activedescendant", `row-${chosen}`);
  else list.removeAttribute("aria-activedescendant");
}

function row(n, at) {
  const { names } = index;
  const hard = index.difficulty[n] < 0 ? "" : names.difficulty[index.difficulty[n]];
  const trust = index.trust[n] === null ? "" : `trust ${decimals(index.trust[n])}`;
  const rejected = index.status[n] === 1 ? el("span", { class: "tag bad" }, "rejected") : null;
  return el("div", {
    class: "row", role: "option", id: `row-${n}`, "data-row": n, "aria-selected": n === chosen ? "true" : "false",
    "aria-posinset": at + 1, "aria-setsize": visible.length,
  },
  el("div", {}, el("span", { class: "id" }, index.id[n]), rejected,
    el("span", { class: "tag push" }, [spoken(names.style[index.style[n]]), hard, trust].filter(Boolean).join(" · "))),
  el("p", {}, ...shown(index.text[n].slice(0, 140).replace(/\s+/g, " "))));
}

const titleOf = (id) => `${id}\n${(index?.text[places.get(`${id}_I`)] ?? "").slice(0, 240)}`;

async function choose(n, focus = false) {
  chosen = n;
  const at = visible.indexOf(n);
  if (at >= 0) {
    const top = at * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  }
  draw();
  history.replaceState(null, "", address(index.id[n]));
  const { triplets, solutions } = await part(String(Math.floor(n / index.part)));
  if (chosen !== n) return; // another was chosen meanwhile
  detail.replaceChildren(...describe(n, triplets[n % index.part], solutions));
  detail.scrollTop = 0;
  if (focus) detail.focus();
}

const address = (id) => `#${encodeURIComponent(id)}`;

/** The id in the page's address; what somebody typed there may be no encoding of anything. */
function addressed() {
  try { return decodeURIComponent(location.hash.slice(1)); } catch { return location.hash.slice(1); }
}

function open(id) {
  const n = places.get(id);
  if (n === undefined) return false;
  if (!visible.includes(n)) clear();
  choose(n);
  return true;
}

// ---- one triplet ----

const section = (title, ...content) => (content.length ? [el("h4", {}, title), ...content] : []);

function facts(pairs) {
  const made = el("dl");
  for (const [name, ...value] of pairs) {
    if (value.every((piece) => piece === null || piece === undefined || piece === "")) continue;
    made.append(el("dt", {}, name), el("dd", {}, ...value.flatMap((piece) => (typeof piece === "string" ? shown(piece) : [piece ?? ""]))));
  }
  return made;
}

/** A line of one cell is as wide as the grid: a remark on the line above it. */
function grid(header, lines) {
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ...header.map((cell) => el("th", { scope: "col" }, cell)))),
    el("tbody", {}, ...lines.map((cells) => el("tr", {}, ...cells.map((cell) =>
      el("td", { colspan: cells.length === 1 ? header.length : null }, ...(Array.isArray(cell) ? cell : [cell]))))))));
}

const verdict = (good, said) => el("span", { class: good ? "good" : "bad" }, ...shown(`${good ? "✓" : "✗"} ${spoken(said ?? "pending")}`));
const yes = (value) => (value === null ? "–" : value ? "yes" : "no");
const remark = (text) => (text ? [el("pre", { tabindex: 0, "aria-label": "Message" }, ...shown(text))] : [""]);

function describe(n, one, solutions) {
  const { names } = index;
  const style = names.style[index.style[n]];
  const head = [spoken(names.subset[index.subset[n]]), spoken(style), index.difficulty[n] < 0 ? "" : names.difficulty[index.difficulty[n]]];
  const status = index.status[n] === 0 ? verdict(true, "accepted") : verdict(false, `rejected: ${spoken(one.reason)}`);
  return [
    el("h3", {}, one.id),
    el("p", {}, head.filter(Boolean).join(" · "), " · ", status),
    facts([
      ["passes", one.attempts === null ? null : `${one.passes} of ${one.attempts} attempts`],
      ["trust", one.trust === null ? null : decimals(one.trust)],
      ["made of", one.trust === null ? null : `consensus ${decimals(one.consensus)}, kill rate ${percent(one.kill_rate)}, stub rejected: ${yes(one.stub_rejected)}, stable: ${yes(one.stable)}`],
      ["coverage", one.coverage === null ? null : `${Math.round(one.coverage)} %`],
      ["use with caution", one.filter_reason],
    ]),
    ...section("Question", prose(one.question ?? "", "Question")),
    ...(one.solution === null ? [] : section("Solution", code(one.solution, "Solution"))),
    ...(one.test === null ? [] : section(style === "online_judge" ? "Cases" : "Test", code(one.test, "Test"))),
    ...(one.tries.length ? section("Conversion", grid(["try", "ended", "message"], one.tries.map((entry, at) => [
      String(at), verdict(!entry.reason, entry.reason ?? "proven"), remark(entry.message)]))) : []),
    ...(one.trials.length ? section(`${one.trials.length} trials`, trials(one), ...attempts(one, solutions)) : []),
    ...(one.responses.length ? section(`${one.responses.length} reasoning responses`, ...one.responses.map(response)) : []),
    ...section("Lineage", ...lineage(one)),
  ];
}

function trials(one) {
  return grid(["trial", "verdict", "tests", "coverage", "trust", "model", "prompt", "seconds", "cost"],
    one.trials.flatMap((trial) => {
      const missed = trial.not_passed.length ? `not passed: ${trial.not_passed.join(", ")}` : "";
      const said = [trial.message, missed].filter(Boolean).join("\n");
      return [[
        `${trial.attempt}${trial.attempt === one.chosen ? " (chosen)" : ""}`,
        verdict(trial.passed, trial.verdict),
        trial.tests ? `${trial.tests_passed} of ${trial.tests}` : "–",
        trial.coverage === null ? "–" : `${Math.round(trial.coverage)} %`,
        decimals(trial.trust),
        shown(trial.model ?? "–"),
        shown((trial.prompt_version ?? "–").slice(0, 8)),
        trial.duration_s === null ? "–" : trial.duration_s.toFixed(2),
        trial.output_tokens === null ? "–" : `${dollars(trial.cost_usd)}, ${count(trial.output_tokens)} tokens`,
      ], ...(said ? [[remark(said)]] : [])];
    }));
}

/** Each solution once, with the trials that gave it. */
function attempts(one, solutions) {
  const by = Map.groupBy(one.trials.filter((trial) => trial.solution !== null), (trial) => trial.solution);
  return [...by].map(([number, same]) => el("details", {},
    el("summary", {}, `solution of trial${same.length > 1 ? "s" : ""}`,
      ...same.flatMap((trial, at) => [at ? ", " : " ", `${trial.attempt}: `, verdict(trial.passed, trial.verdict)])),
    code(solutions[number], "Solution of a trial")));
}

function response(one) {
  const tests = one.tests ? `, ${one.tests_passed} of ${one.tests} tests` : "";
  const tokens = one.output_tokens === null ? "" : `, ${count(one.output_tokens)} tokens, ${dollars(one.cost_usd)}`;
  return el("details", {},
    el("summary", {}, ...shown(`${one.model} ${one.attempt}: `), verdict(one.kept, one.verdict), `${tests}${tokens}`),
    ...(one.message ? [prose(one.message, "Message")] : []),
    ...(one.reasoning ? section("Reasoning", prose(one.reasoning, "Reasoning")) : []),
    ...(one.code ? section("Code that was judged", code(one.code, "Code of the response")) : []));
}

function link(id) {
  if (!places.has(id)) return id;
  return el("a", { href: address(id), class: "id" }, id);
}

function lineage(one) {
  const { made } = one;
  const others = one.styles.flatMap((other, at) => [at ? ", " : "", link(other.id), other.status === "accepted" ? "" : ` (${other.status})`]);
  return [
    facts([
      ["question by", made.question],
      ["annotator", made.annotator],
      ["conversion by", made.conversion],
      ["run", `${made.run ?? "–"}, ${made.at}`],
      ["other styles", ...others],
      ["nearest benchmark item", one.nearest ? `${one.nearest.benchmark} ${one.nearest.item}, cosine ${decimals(one.nearest.cosine)}` : null],
      ["too near to", one.contaminations.map((c) => `${c.benchmark} ${c.item_id} by ${c.measure}: ${c.value} (threshold ${c.threshold})`).join("; ")],
      ["rejected copies", one.duplicates.map((d) => `${d.copy} (${spoken(d.reason)}, ${d.similarity ?? "–"})`).join("; ")],
      ["in releases", one.releases.map((r) => `${r.release_id} ${r.format} ${r.split}`).join("; ")],
    ]),
    ...one.seeds.map((seed) => el("details", {},
      el("summary", {}, ...shown(`seed ${seed.seed_id}: ${seed.source} ${seed.revision ?? ""}, ${seed.licence ?? "licence unknown"}`)),
      prose(seed.text ?? "", "Seed"))),
  ];
}

// ---- the map ----

const map = document.querySelector("#figure-map svg");

/** The question whose dot is under the pointer: [x, y, id], or undefined. */
function pointAt(event) {
  if (!map || !panels.length || !map.contains(event.target)) return undefined;
  const here = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
  const panel = panels.find((p) => here.x >= p.x && here.x <= p.x + p.side && here.y >= p.y && here.y <= p.y + p.side);
  let best, least = 64;
  for (const point of panel?.points ?? []) {
    const far = (point[0] + panel.x - here.x) ** 2 + (point[1] + panel.y - here.y) ** 2;
    if (far < least) [best, least] = [point, far];
  }
  return best;
}

// ---- what people do ----

function move(event) {
  const page = Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
  const at = visible.indexOf(chosen);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: visible.length - 1 }[event.key];
  if (event.key === "Enter" && at >= 0) choose(chosen, true);
  if (to === undefined || !visible.length) return;
  event.preventDefault();
  choose(visible[Math.max(0, Math.min(visible.length - 1, to))]);
}

document.addEventListener("click", (event) => {
  const near = pointAt(event);
  const pick = event.target.closest?.("[data-pick]")?.dataset.pick;
  if (near && open(`${near[2]}_I`)) $("triplets").scrollIntoView();
  else if (pick && index) {
    clear();
    for (const [name, value] of Object.entries(JSON.parse(pick))) $(`filter-${name}`).value = String(index.names[name].indexOf(value));
    filter();
    $("triplets").scrollIntoView();
  }
});
addEventListener("hashchange", () => { if (index) open(addressed()); });

async function begin() {
  index = await inflate("index");
  panels = await inflate("map");
  index.id.forEach((id, n) => places.set(id, n));
  lower = index.text.map((text, n) => `${index.id[n]}\n${text}`.toLowerCase());
  for (const name of FILTERS) {
    index.names[name].forEach((value, at) => $(`filter-${name}`).append(el("option", { value: at }, spoken(value))));
  }
  $("filters").addEventListener("input", filter);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("clear").addEventListener("click", clear);
  list.addEventListener("scroll", draw);
  list.addEventListener("keydown", move);
  list.addEventListener("click", (event) => {
    const found = event.target.closest("[data-row]");
    if (found) choose(Number(found.dataset.row));
  });
  addEventListener("resize", draw);
  filter();
  if (!lower.length) detail.replaceChildren(el("p", { class: "nothing" }, "There are no triplets yet."));
  else if (!open(addressed())) choose(0);
  document.documentElement.dataset.ready = "true";
}
begin().catch((error) => {
  detail.replaceChildren(el("p", { class: "nothing" }, `The list needs a browser of 2024 or newer. ${error}`));
  throw error;
});
})();
