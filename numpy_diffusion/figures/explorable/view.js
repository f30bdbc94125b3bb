// The page: what its controls say becomes a chain, and where the chain is becomes a picture.

const STEPS = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000];
const POINTS = [1, 2, 5, 10, 20, 50, 100, 200, 300, 500, 1000, 1500, 2000];
const AT_FIRST = { source: "trained", driver: "network", solver: "ddim", steps: 50, points: 1000, family: "own" };
const BUDGET = { playing: 24, still: 60 }; // milliseconds of a frame for the chain
const SETTLED = 400; // milliseconds after which it is said where things stand
const COMPARED = 300; // points at which network and exact answer are compared

const element = (id) => document.getElementById(id);
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;
const number = (value, digits = 2) => value.toFixed(digits).replace("-", "−");
const inWords = (count) => count.toLocaleString("en");

class View {
  constructor(written) {
    Object.assign(this, contentsOf(written), { run: null, dirty: true, before: 0, timer: 0, requested: false });
    this.steps = [...STEPS.filter((steps) => steps < this.schedule.T), this.schedule.T];
    this.plane = new Plane(element("plane"), this.units);
    this.drawing = new Drawing(this.plane, (complete) => (complete ? this.restart() : this.redraw()));
    this.player = new Player(element("time"), element("to-noise"), element("to-data"), () => this.redraw());
    this.fill();
    this.listen();
    this.set({});
    this.player.place(0.76 * this.player.steps);
  }

  // Choices that depend on what is in the page.
  fill() {
    element("steps").max = this.steps.length - 1;
    element("points").max = POINTS.length - 1;
    element("family").add(new Option(`own (${this.name})`, "own"));
    for (const family of FAMILIES) element("family").add(new Option(family, family));
    element("noisy-end").textContent = `t = ${this.schedule.T}, noise`;
    const told = "to follow it to t = 0 is to end on one of them. A network that cannot do so draws new points.";
    element("exact-told").textContent =
      this.data === null
        ? `The exact score is known of points that you draw: ${told}`
        : this.data.finite
          ? `The exact score is that of these ${inWords(this.data.cloud.length / 2)} data points: ${told}`
          : "The exact score is that of the mixture of Gaussians from which the data comes.";
    for (const only of document.querySelectorAll("[data-needs-data]")) only.hidden = this.data === null;
  }

  listen() {
    document.querySelector("main").addEventListener("input", ({ target }) => {
      if (target.type === "checkbox") this.redraw();
      else if (target.id !== "time" && (target.id !== "seed" || /^\d{1,20}$/.test(target.value))) this.restart();
    });
    element("controls").addEventListener("submit", (event) => event.preventDefault());
    element("next-seed").addEventListener("click", () => {
      element("seed").value = String(this.seed + 1n);
      this.restart();
    });
    const actions = { "two-points": "twoPoints", ring: "ring", undo: "undo" };
    for (const [id, action] of Object.entries(actions)) {
      element(id).addEventListener("click", () => this.drawing[action]());
    }
    element("clear").addEventListener("click", () => this.drawing.set([]));
    for (const button of document.querySelectorAll("[data-set]")) {
      button.addEventListener("click", () => this.attempt(JSON.parse(button.dataset.set)));
    }
    new ResizeObserver(() => this.redraw()).observe(this.plane.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  get seed() {
    return BigInt.asUintN(64, BigInt(element("seed").value.replace(/\D/g, "") || 0));
  }

  // All controls as at first but for these, and a chain of them.
  set(changes) {
    const all = { ...AT_FIRST, variance: "beta_tilde", ...changes };
    for (const name of ["source", "driver"]) document.querySelector(`input[name=${name}][value=${all[name]}]`).checked = true;
    for (const name of ["solver", "variance", "family"]) element(name).value = all[name];
    const nearest = (list, wanted) => list.findLastIndex((value) => value <= wanted);
    element("steps").value = nearest(this.steps, all.steps);
    element("points").value = nearest(POINTS, all.points);
    if (all.source === "own") this.drawing.strokes = [[[-1, 0]], [[1, 0]]];
    this.restart();
  }

  // A button of things to try: set, and played from noise.
  attempt(changes) {
    this.player.goTo(0);
    this.set(changes);
    this.player.play(1);
  }

  // A new chain, of what the controls say now.
  restart() {
    const own = chosen("source") === "own", points = POINTS[element("points").value];
    const steps = this.steps[element("steps").value], solver = element("solver").value;
    this.drawing.active = own;
    this.chosenSchedule = this.scheduleNow();
    this.exactEps = own ? (this.drawing.points.length > 0 ? finiteData(this.drawing.points) : null) : this.data?.exactEps;
    this.cloud = own ? this.drawing.points : this.data?.cloud.subarray(0, 2 * points) ?? new Float32Array(0);
    this.noise = normal(this.seed, STREAM_JUMP, this.cloud.length / 2, this.schedule.T); // one eps for every t
    this.followsExact = own || (this.data !== null && chosen("driver") === "exact");
    this.rows = tableOf(solver, this.chosenSchedule, steps, element("variance").value);
    const model = this.followsExact ? this.exact : this.learned;
    this.run = model === null ? null : new Run(chainOf(model, this.rows, points, this.seed), this.rows);
    this.player.setSteps(steps);
    this.label({ own, steps, points, solver });
    this.warn(solver);
    this.redraw();
  }

  scheduleNow() {
    const family = element("family").value, value = (id) => Number(element(id).value);
    if (family === "own") return this.schedule;
    const [betaStart, betaEnd] = [10 ** value("beta-start"), 10 ** value("beta-end")];
    return scheduleOfFamily(family, this.schedule.T, { betaStart, betaEnd, offset: value("offset") });
  }

  // eps by the network, at the step of its own schedule that has as much noise.
  get learned() {
    if (this.chosenSchedule === this.schedule) return this.network;
    const asked = stepsOfEqualNoise(this.chosenSchedule, this.schedule);
    return (x, t, eps) => this.network(x, asked[t], eps);
  }

  // eps by the exact answer; null where no data is known.
  get exact() {
    const { exactEps, chosenSchedule } = this;
    return exactEps == null ? null : (x, t, eps) => exactEps(x, chosenSchedule.alphaBar[t], eps);
  }

  // What stands beside the controls, and which of them are of use.
  label({ own, steps, points, solver }) {
    const family = element("family").value;
    element("steps-value").value = inWords(steps);
    element("points-value").value = inWords(points);
    element("steps").setAttribute("aria-valuetext", `${steps} steps`);
    element("points").setAttribute("aria-valuetext", `${points} points`);
    for (const id of ["beta-start", "beta-end"]) {
      const text = (10 ** Number(element(id).value)).toPrecision(2);
      element(`${id}-value`).value = text;
      element(id).setAttribute("aria-valuetext", text);
    }
    element("offset-value").value = Number(element("offset").value).toFixed(3);
    for (const row of document.querySelectorAll(".of-betas")) row.hidden = family === "own" || family === "cosine";
    document.querySelector(".of-cosine").hidden = family !== "cosine";
    element("variance-row").hidden = solver !== "ancestral";
    element("drawing").hidden = !own;
    element("drivers").hidden = own || this.data === null;
    element("exact-shown").hidden = !own && this.data === null;
    element("network-shown").hidden = own;
    element("data-shown").hidden = !own && this.data === null;
    document.documentElement.style.setProperty("--samples", `var(--${this.followsExact ? "exact" : "network"})`);
  }

  // A sentence where the chain cannot be right, whatever the network knows.
  warn(solver) {
    const { alphaBar, T } = this.chosenSchedule, [{ t, s }] = this.rows;
    const growth = Math.sqrt(alphaBar[s] / alphaBar[t]), limit = solver === "ancestral" ? 100 : 10;
    let text = "";
    if (-0.5 * Math.log1p(-alphaBar[T]) > 0.01) {
      text = `The forward chain does not end in noise, ᾱ at t = ${T} is ${alphaBar[T].toPrecision(2)}; the reverse chain starts from pure noise all the same.`;
    } else if (!this.followsExact && growth > limit && alphaBar[t] < 1e-3) {
      text = `The first step, from t = ${t} to ${s}, multiplies an error of the network by ${inWords(Math.round(growth))}: hardly any signal is left at ${t}.`;
    }
    element("warning").textContent = text;
    element("warning").hidden = text === "";
  }

  redraw() {
    this.dirty = true;
    if (!this.requested) {
      this.requested = true;
      requestAnimationFrame((now) => this.frame(now));
    }
  }

  frame(now) {
    const seconds = Math.min((now - this.before) / 1000, 0.1);
    this.requested = false;
    this.before = now;
    const working = this.run !== null && !this.run.done;
    if (working) this.run.advance(this.player.direction === 0 ? BUDGET.still : BUDGET.playing);
    if (this.player.direction !== 0) this.player.advance(seconds, this.run === null ? 0 : this.run.states.length - 1);
    if (this.dirty || working) this.draw();
    this.dirty = false;
    if (this.player.direction !== 0 || (this.run !== null && !this.run.done)) this.redraw();
    else this.settle();
  }

  draw() {
    const { plane, run, player } = this, colour = colourOf(this.followsExact ? "exact" : "network");
    const now = run === null ? { t: this.schedule.T, x: new Float32Array(0) } : run.at(player.position);
    const shown = (name) => element(`show-${name}`).checked && !element(`${name}-shown`)?.hidden;
    plane.clear();
    this.drawArrows(now.t, shown);
    if (shown("data")) plane.dots(this.noised(now.t), colourOf("data"), this.drawing.active ? 3.5 : 1.5, 0.8);
    if (shown("samples")) plane.dots(now.x, colour, now.x.length > 1000 ? 1.8 : 2.6, 0.85);
    if (run !== null && shown("paths")) plane.trajectories(run.states, now.x, player.position, colour, this.rows.some((row) => row.c > 0));
    if (this.drawing.active) this.drawOwn();
    plane.numbers();
    const steps = this.rows.map((row) => row.t);
    drawAlphaBar(element("alpha-bar"), this.chosenSchedule, this.schedule, now.t, steps);
    this.tell(now);
  }

  // The data at step t, each point with the same eps at all t.
  noised(t) {
    const signal = Math.sqrt(this.chosenSchedule.alphaBar[t]), sigma = Math.sqrt(1 - this.chosenSchedule.alphaBar[t]);
    return this.cloud.map((x, i) => signal * x + sigma * this.noise[i]);
  }

  drawArrows(t, shown) {
    const places = this.plane.places(), eps = new Float32Array(places.length);
    for (const [name, model, width] of [["exact", this.exact, 4], ["network", this.learned, 1.4]]) {
      if (!shown(name) || model === null) continue;
      model(places, Math.max(t, 1), eps); // at t = 0 there is no noise and no score
      this.plane.arrows(places, eps, colourOf(name), width, name === "exact" ? 0.45 : 0.9);
    }
  }

  drawOwn() {
    this.plane.dots(this.drawing.points, colourOf("ink"), 2.6, 1);
    this.plane.cross(this.drawing.cursor);
  }

  // The numbers below the picture.
  tell({ t }) {
    const { alphaBar, logSnr } = this.chosenSchedule, run = this.run;
    element("fact-t").textContent = inWords(t);
    element("fact-signal").textContent = alphaBar[t] < 0.001 ? alphaBar[t].toExponential(1).replace("-", "−") : number(alphaBar[t], 3);
    element("fact-noise").textContent = number(Math.sqrt(1 - alphaBar[t]), 3);
    element("fact-snr").textContent = t === 0 ? "∞" : `${number((10 * logSnr[t]) / Math.LN10, 1)} dB`;
    element("error").hidden = this.exact === null || this.drawing.active;
    element("work").value = run === null ? 1 : (run.states.length - 1) / run.steps;
    element("work").classList.toggle("done", run === null || run.done);
    const place = `t = ${t}, step ${Math.round(this.player.position)} of ${this.player.steps}`;
    element("time").setAttribute("aria-valuetext", `${place}, noise ${number(Math.sqrt(1 - alphaBar[t]))}`);
  }

  // Once nothing moves: how far the network is from the exact answer, and all in words.
  settle() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const words = this.words();
      if (element("said").textContent !== words) element("said").textContent = words;
      this.plane.canvas.setAttribute("aria-label", words);
      const { alphaBar, T } = this.chosenSchedule;
      const label = `alpha-bar falls from 1 at t = 0 to ${alphaBar[T].toPrecision(2)} at t = ${T}`;
      element("alpha-bar").setAttribute("aria-label", `${label}; it is one half at t = ${alphaBar.findIndex((share) => share < 0.5)}`);
    }, SETTLED);
  }

  words() {
    if (this.run === null) return "No points are drawn yet.";
    const { t, x } = this.run.at(this.player.position), n = x.length / 2;
    const [across, up] = [0, 1].map((axis) => momentsOf(x, axis, this.units));
    const sentences = [
      `t = ${t} of ${this.schedule.T}, after ${Math.round(this.player.position)} of ${this.player.steps} steps.`,
      `${inWords(n)} points, mean ${number(across.mean)} and ${number(up.mean)}, deviation ${number(across.deviation)} and ${number(up.deviation)}.`,
    ];
    element("fact-error").textContent = "–"; // of t = 0, where there is no noise to tell
    if (t > 0 && !element("error").hidden) {
      const error = this.errorAt(x.subarray(0, 2 * COMPARED), t);
      element("fact-error").textContent = number(error);
      sentences.push(`There the network is off the exact answer by ${number(error)}.`);
    }
    return sentences.join(" ");
  }

  // Root mean square of |eps by the network - eps exact|.
  errorAt(x, t) {
    const [learned, exact] = [this.learned, this.exact].map((model) => {
      const eps = new Float32Array(x.length);
      model(x, t, eps);
      return eps;
    });
    const squares = learned.map((eps, i) => (eps - exact[i]) ** 2);
    return Math.sqrt((2 * squares.reduce((sum, square) => sum + square, 0)) / x.length);
  }

  // The chain's end in the data's units, [2 n]; null until it is reckoned.
  samples() {
    return this.run === null || !this.run.done ? null : toData(this.run.states.at(-1), this.units);
  }
}

function toData(x, { shift, scale }) {
  return x.map((u, i) => shift[i % 2] + scale[i % 2] * u);
}

function momentsOf(x, axis, units) {
  const values = Array.from(toData(x, units)).filter((_, i) => i % 2 === axis);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / values.length) };
}

// `explorable.samples()` in the browser's console gives what the page has drawn.
globalThis.explorable = new View(JSON.parse(element("contents").textContent));
