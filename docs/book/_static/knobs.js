// The page with knobs. First the two patterns of tdlib.losses, as their formulas stand; then what draws and says them.
// `KNOBS`, a window and its forecasts, comes from knobs-data.js.
"use strict";

const sum = (values) => values.reduce((total, value) => total + value, 0);
const mean = (values) => sum(values) / values.length;

/** Half of the steps; an odd length drops its last one. */
function halve(x, how) {
  return Array.from({ length: Math.floor(x.length / 2) }, (_, i) => {
    const [even, odd] = [x[2 * i], x[2 * i + 1]];
    if (how === "avg") return (even + odd) / 2;
    if (how === "max") return Math.max(even, odd);
    if (how === "min") return Math.min(even, odd);
    const before = i > 0 ? x[2 * i - 1] : even;
    return before / 4 + even / 2 + odd / 4;
  });
}

/** A series at scales 0 to `scales`. */
function atScales(x, scales, how) {
  const all = [x];
  while (all.length <= scales) all.push(halve(all.at(-1), how));
  return all;
}

/** MSE between two series at each scale; the multi-scale loss is the mean of these. */
function scaleErrors(student, teacher, scales, how) {
  const [a, b] = [student, teacher].map((x) => atScales(x, scales, how));
  return a.map((x, m) => mean(x.map((value, i) => (value - b[m][i]) ** 2)));
}

/** |rfft(x)| but for bin 0, the mean: entry k - 1 is of the period length / k. */
function amplitudes(x) {
  return Array.from({ length: Math.floor(x.length / 2) }, (_, bin) => {
    const turn = (2 * Math.PI * (bin + 1)) / x.length;
    return Math.hypot(sum(x.map((v, t) => v * Math.cos(turn * t))), sum(x.map((v, t) => v * Math.sin(turn * t))));
  });
}

/** log Q = log softmax(amplitudes / temperature). */
function logPeriods(x, temperature) {
  const scaled = amplitudes(x).map((amplitude) => amplitude / temperature);
  const top = Math.max(...scaled);
  const logTotal = top + Math.log(sum(scaled.map((value) => Math.exp(value - top))));
  return scaled.map((value) => value - logTotal);
}

/** Sum of Q_t (log Q_t - log(Q_s + floor)): "code" has a floor, and all but "kl" divide by the number of bins. */
function periodLoss(student, teacher, temperature, reduction) {
  const [logS, logT] = [student, teacher].map((x) => logPeriods(x, temperature));
  const below = reduction === "code" ? logS.map((value) => Math.log(Math.exp(value) + 1e-8)) : logS;
  const divergence = sum(logT.map((value, bin) => Math.exp(value) * (value - below[bin])));
  return reduction === "kl" ? divergence : divergence / logT.length;
}

/** Both losses of one pair of series; `errors` is by scale. */
function losses(student, teacher, { scales, downsample, temperature, reduction }) {
  const errors = scaleErrors(student, teacher, scales, downsample);
  return { errors, scale: mean(errors), period: periodLoss(student, teacher, temperature, reduction) };
}

// --- the page

const PAIRS = [
  // what the columns compare: first the one that would learn, then what it is measured by
  ["distilled", "teacher"],
  ["plain", "teacher"],
  ["distilled", "truth"],
  ["plain", "truth"],
  ["teacher", "truth"],
];
const LINES = {
  // dashes of every figure of this book; colours, too, in book.css
  truth: { label: "truth", dashes: "" },
  teacher: { label: `teacher, ${KNOBS.teacher}`, dashes: "7 4" },
  plain: { label: "plain MLP", dashes: "2 3" },
  distilled: { label: "distilled MLP", dashes: "" },
};
const element = (id) => document.getElementById(`knob-${id}`);
const number = (value) => (value === 0 || value >= 1e-4 ? value.toFixed(6) : value.toExponential(1));

/** Where the knobs stand. */
function settings() {
  const student = KNOBS.students.find(
    ({ alpha, beta }) => alpha === Number(element("alpha").value) && beta === Number(element("beta").value),
  );
  return {
    scales: Number(element("scales").value),
    temperature: 0.5 * 2 ** Number(element("temperature").value),
    downsample: element("downsample").value,
    reduction: element("reduction").value,
    channel: Number(element("channel").value),
    student,
  };
}

/** By name, the series of one channel. */
function series(channel, student) {
  const { truth, teacherForecast, plain } = KNOBS;
  const all = { truth, teacher: teacherForecast, plain, distilled: student.forecast };
  return Object.fromEntries(Object.entries(all).map(([name, channels]) => [name, channels[channel]]));
}

/** By pair, both losses of the channel that is shown, and their means over all channels. */
function compare(chosen) {
  return PAIRS.map(([a, b]) => {
    const each = KNOBS.truth.map((_, channel) => {
      const found = series(channel, chosen.student);
      return losses(found[a], found[b], chosen);
    });
    const all = { scale: mean(each.map((one) => one.scale)), period: mean(each.map((one) => one.period)) };
    return { pair: [a, b], ...each[chosen.channel], all };
  });
}

/** Curves by name as an SVG as wide as its place, so that its letters stay legible on a small screen. */
function chart(place, curves, { title, ticks, height, from = Infinity }) {
  const [width, left, bottom, top] = [place.clientWidth, 42, 20, 22];
  const values = Object.values(curves).flat();
  const [low, high] = [Math.min(from, ...values), Math.max(...values)];
  const count = curves.truth.length;
  const x = (i) => left + ((i + 0.5) / count) * (width - left - 6);
  const y = (value) => height - bottom - ((value - low) / (high - low || 1)) * (height - bottom - top);
  const line = (name) => {
    const points = curves[name].map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    const dashes = LINES[name].dashes;
    return `<polyline class="${name}" points="${points}" fill="none" stroke-width="1.6" stroke-dasharray="${dashes}"/>`;
  };
  const text = (at, down, words, anchor) => `<text x="${at}" y="${down}" text-anchor="${anchor}">${words}</text>`;
  const marks = ticks.map(([i, words]) => text(x(i), height - 4, words, "middle"));
  const ends = [low, high].map((value) => text(left - 4, y(value) + 4, value.toFixed(2), "end"));
  return `<svg role="img" aria-label="${title}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
    ${text(left, 13, title, "start")}${marks.join("")}${ends.join("")}${Object.keys(curves).map(line).join("")}</svg>`;
}

function draw() {
  const chosen = settings();
  const { scales, temperature, downsample, channel, student } = chosen;
  element("scales-said").value = scales;
  element("temperature-said").value = temperature.toPrecision(3);
  element("temperature").setAttribute("aria-valuetext", temperature.toPrecision(3)); // the slider itself holds a power
  const shown = series(channel, student);
  const over = (of) => Object.fromEntries(Object.entries(shown).map(([name, x]) => [name, of(x)]));

  const panels = Array.from({ length: scales + 1 }, (_, m) => {
    const curves = over((x) => atScales(x, scales, downsample)[m]);
    const last = curves.truth.length - 1;
    const ticks = [0, last].map((i) => [i, String(Math.round((i + 0.5) * 2 ** m))]);
    return chart(element("curves"), curves, { title: `scale ${m}: ${last + 1} steps`, ticks, height: 110 });
  });
  element("curves").innerHTML = panels.join("");

  const periods = over((x) => logPeriods(x, temperature).map(Math.exp));
  const ticks = [96, 24, 12, 8, 6, 4, 3, 2].map((period) => [KNOBS.horizon / period - 1, String(period)]);
  const title = "share of each period (in steps)";
  element("periods").innerHTML = chart(element("periods"), periods, { title, ticks, height: 200, from: 0 });

  tabulate(compare(chosen), scales);
  element("run").textContent =
    `Run ${student.id}, alpha ${student.alpha}, beta ${student.beta}: over all windows its MSE is ` +
    `${student.validation.toFixed(4)} on validation and ${student.test.toFixed(4)} on test.`;
}

function tabulate(columns, scales) {
  const row = (name, values) =>
    `<tr><th scope="row">${name}</th>${values.map((value) => `<td>${number(value)}</td>`).join("")}</tr>`;
  const head = columns.map(({ pair: [a, b] }) => `<th scope="col">${a}, by ${b}</th>`);
  const errors = Array.from({ length: scales + 1 }, (_, m) => row(`MSE at scale ${m}`, columns.map((c) => c.errors[m])));
  element("head").innerHTML = `<tr><td></td>${head.join("")}</tr>`;
  element("body").innerHTML = [
    ...errors,
    row("multi-scale loss S", columns.map((c) => c.scale)),
    row("multi-period loss P", columns.map((c) => c.period)),
    row("S, all channels", columns.map((c) => c.all.scale)),
    row("P, all channels", columns.map((c) => c.all.period)),
  ].join("");
}

/** One sentence for those who hear the page: said once a knob has come to rest. */
function say() {
  const [{ scale, period }] = compare(settings());
  element("said").textContent =
    `The distilled student against its teacher, this channel: S = ${number(scale)}, P = ${number(period)}.`;
}

function fill() {
  const options = (values, label) => values.map((value) => `<option value="${value}">${label(value)}</option>`).join("");
  for (const name of ["alpha", "beta"]) {
    const values = [...new Set(KNOBS.students.map((student) => student[name]))];
    element(name).innerHTML = options(values, String);
    element(name).value = String(Math.max(...values));
  }
  element("channel").innerHTML = options([...KNOBS.truth.keys()], (channel) => String(channel + 1));
  element("channel").value = String(KNOBS.channel);
  element("legend").innerHTML = Object.entries(LINES)
    .map(
      ([name, { label, dashes }]) =>
        `<span><svg width="34" height="10" aria-hidden="true"><line class="${name}" x1="0" x2="34" y1="5" y2="5"
        stroke-width="2" stroke-dasharray="${dashes}"/></svg> ${label}</span>`,
    )
    .join(" ");
}

document.addEventListener("DOMContentLoaded", () => {
  fill();
  draw();
  say();
  element("form").addEventListener("input", draw);
  element("form").addEventListener("change", say);
  window.addEventListener("resize", draw);
});
