// The page: what its controls say becomes a chain, and where the chain is becomes a picture.

const TELLING = 0.98; // alpha_bar at which the page opens: the data shows, and so does the noise
const BUDGET = { playing: 24, still: 60 }; // milliseconds of a frame for the chain
const SETTLED = 400; // milliseconds after which it is said where things stand
const COMPARED = 300; // points at which network and exact answer are compared

class View {
  constructor(written) {
    Object.assign(this, contentsOf(written), { run: null, before: 0, requested: false, timer: 0 });
    this.plane = new Plane(element("plane"), this.units);
    this.drawing = new Drawing(this.plane, (complete) => (complete ? this.restart() : this.redraw()));
    this.player = new Player(element("time"), element("to-noise"), element("to-data"), () => this.redraw());
    this.settings = new Settings(this, {
      changed: () => this.restart(),
      redraw: () => this.redraw(),
      attempt: (changes) => this.attempt(changes),
    });
    new ResizeObserver(() => this.redraw()).observe(this.plane.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this.set({});
    this.player.place(this.rows.findIndex(({ t }) => this.schedule.alphaBar[t] > TELLING));
  }

  // A chain of the settings at first but for these.
  set(changes) {
    this.settings.set(changes);
    if (changes.source === "own") this.drawing.twoPoints();
    this.restart();
  }

  // The same, played from noise.
  attempt(changes) {
    this.player.goTo(0);
    this.set(changes);
    this.player.play(1);
    this.plane.canvas.scrollIntoView({ block: "nearest" }); // on a telephone the controls push it out
  }

  // A new chain, of what the controls say now.
  restart() {
    const now = this.settings.now, { own, points, seed } = now;
    this.drawn = this.drawing.points;
    this.drawing.active = own;
    this.chosen = now.family === "own" ? this.schedule : scheduleOfFamily(now.family, this.schedule.T, now.shape);
    this.cloud = own ? this.drawn : (this.data?.subarray(0, 2 * points) ?? new Float32Array(0));
    this.noise = normal(seed, STREAM_JUMP, this.cloud.length / 2, this.schedule.T); // one eps for every t
    this.learned = this.asLearned();
    this.exact = this.asExact(own);
    this.colour = now.followsExact ? "exact" : "network";
    this.rows = tableOf(now.solver, this.chosen, now.steps, now.variance);
    const model = now.followsExact ? this.exact : this.learned;
    this.run = model === null ? null : new Run(chainOf(model, this.rows, points, seed), this.rows);
    this.player.setSteps(now.steps);
    this.settings.label();
    const warning = warningOf(this.chosen, this.rows, now);
    element("warning").textContent = warning;
    element("warning").hidden = warning === "";
  }

  // eps by the network, at the step of its own schedule that has as much noise.
  asLearned() {
    if (this.chosen === this.schedule) return this.network;
    const asked = stepsOfEqualNoise(this.chosen, this.schedule);
    return (x, t, eps) => this.network(x, asked[t], eps);
  }

  // eps by the exact answer; null where no data is known.
  asExact(own) {
    const points = own ? this.drawn : this.data, { alphaBar } = this.chosen;
    if (points === null || points.length === 0) return null;
    const exactEps = finiteData(points);
    return (x, t, eps) => exactEps(x, alphaBar[t], eps);
  }

  redraw() {
    if (this.requested) return;
    this.requested = true;
    requestAnimationFrame((now) => this.frame(now));
  }

  // A little more of the chain, a little further on the way, and the picture of it.
  frame(now) {
    const { run, player } = this, seconds = Math.min((now - this.before) / 1000, 0.1);
    this.requested = false;
    this.before = now;
    if (run !== null && !run.done) run.advance(player.direction === 0 ? BUDGET.still : BUDGET.playing);
    if (player.direction !== 0) player.advance(seconds, run === null ? 0 : run.states.length - 1);
    this.draw();
    clearTimeout(this.timer);
    if (player.direction !== 0 || (run !== null && !run.done)) this.redraw();
    else this.timer = setTimeout(() => this.say(), SETTLED);
  }

  // Where the points are now: { t, x }.
  get place() {
    return this.run === null ? { t: this.schedule.T, x: new Float32Array(0) } : this.run.at(this.player.position);
  }

  draw() {
    const { plane, run, player, settings } = this, { t, x } = this.place, colour = colourOf(this.colour);
    plane.clear();
    if (t > 0) this.drawArrows(t); // at t = 0 there is no noise, and no score
    if (settings.shows("data")) plane.dots(this.noised(t), colourOf("data"), this.drawing.active ? 3.5 : 1.5, 0.8);
    if (settings.shows("samples")) plane.dots(x, colour, x.length > 1000 ? 1.8 : 2.6, 0.85);
    if (run !== null && settings.shows("paths")) {
      plane.trajectories(run.states, x, player.position, colour, this.rows.some(({ c }) => c > 0));
    }
    if (this.drawing.active) this.drawOwn();
    plane.numbers();
    drawAlphaBar(element("alpha-bar"), this.chosen, this.schedule, t, this.rows.map((row) => row.t));
    tellNumbers(this.chosen, t);
    element("time").setAttribute("aria-valuetext", placeInWords(t, player.position, player.steps));
    element("work").value = run === null ? 1 : (run.states.length - 1) / run.steps;
    element("work").classList.toggle("done", run === null || run.done);
  }

  drawArrows(t) {
    const places = this.plane.places(), eps = new Float32Array(places.length);
    const fields = [["exact", this.exact, 4, 0.45], ["network", this.learned, 1.4, 0.9]];
    for (const [name, model, width, opacity] of fields) {
      if (model === null || !this.settings.shows(name)) continue;
      model(places, t, eps);
      this.plane.arrows(places, eps, colourOf(name), width, opacity);
    }
  }

  // The data at step t, each point with the same eps at all t.
  noised(t) {
    const signal = Math.sqrt(this.chosen.alphaBar[t]), sigma = Math.sqrt(1 - this.chosen.alphaBar[t]);
    return this.cloud.map((x, i) => signal * x + sigma * this.noise[i]);
  }

  drawOwn() {
    if (this.drawing.points.length === 0) this.plane.invite("Draw some points here");
    this.plane.dots(this.drawing.points, colourOf("ink"), 2.6, 1);
    this.plane.cross(this.drawing.cursor);
  }

  // Once nothing moves: how far the network is from the exact answer, and all in words.
  say() {
    const { t, x } = this.place, { player, learned, exact } = this, sentences = [];
    element("fact-error").textContent = "–"; // of t = 0, where there is no noise to tell
    if (this.run === null) sentences.push("No points are drawn yet.");
    else sentences.push(`${placeInWords(t, player.position, player.steps)}. ${pointsInWords(x, this.units)}.`);
    if (t > 0 && !element("error").hidden) {
      const error = number(differenceOf(learned, exact, x.subarray(0, 2 * COMPARED), t));
      element("fact-error").textContent = error;
      sentences.push(`There the network is off the exact answer by ${error}.`);
    }
    if (element("said").textContent !== sentences.join(" ")) element("said").textContent = sentences.join(" ");
    this.plane.canvas.setAttribute("aria-label", sentences.join(" "));
    element("alpha-bar").setAttribute("aria-label", scheduleInWords(this.chosen));
  }

  // The chain's end in the data's units, [2 n]; null until it is reckoned.
  samples() {
    return this.run === null || !this.run.done ? null : toData(this.run.states.at(-1), this.units);
  }
}

// `explorable.samples()` in the browser's console gives what the page has drawn.
globalThis.explorable = new View(JSON.parse(element("contents").textContent));
