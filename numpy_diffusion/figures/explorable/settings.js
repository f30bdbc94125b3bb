// The controls: what they say, what is of use at the moment, and setting them all at once.

const STEPS = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000];
const POINTS = [1, 2, 5, 10, 20, 50, 100, 200, 300, 500, 1000, 1500, 2000];
const AT_FIRST = {
  source: "trained",
  driver: "network",
  solver: "ddim",
  variance: "beta_tilde",
  steps: 50,
  points: 1000,
  family: "own",
};

const element = (id) => document.getElementById(id);
const number = (value, digits = 2) => value.toFixed(digits).replace("-", "−");
const inWords = (count) => count.toLocaleString("en");

class Settings {
  // `contents` is that of `contents.js`; `changed` is called when a chain of other settings is wanted, `redraw` when
  // the same is to look otherwise, and `attempt` when it is to be played from the start.
  constructor(contents, { changed, redraw, attempt }) {
    this.contents = contents;
    this.steps = [...STEPS.filter((steps) => steps < contents.schedule.T), contents.schedule.T];
    this.fill();
    document.querySelector("main").addEventListener("input", ({ target }) => {
      if (target.type === "checkbox") redraw();
      else if (target.id !== "time" && (target.id !== "seed" || /^\d{1,20}$/.test(target.value))) changed();
    });
    element("controls").addEventListener("submit", (event) => event.preventDefault());
    element("next-seed").addEventListener("click", () => {
      element("seed").value = String(this.now.seed + 1n);
      changed();
    });
    for (const button of document.querySelectorAll("[data-set]")) {
      button.addEventListener("click", () => attempt(JSON.parse(button.dataset.set)));
    }
  }

  // Choices and words that depend on what is in the page.
  fill() {
    const { schedule, name, data } = this.contents;
    element("steps").max = this.steps.length - 1;
    element("points").max = POINTS.length - 1;
    element("family").add(new Option(`own (${name})`, "own"));
    for (const family of FAMILIES) element("family").add(new Option(family, family));
    element("noisy-end").textContent = `t = ${schedule.T}, noise`;
    const told = "to follow it to t = 0 is to end on one of them. A network that cannot do so draws new points.";
    const whose = data === null ? "the points that you draw" : `${inWords(data.length / 2)} data points`;
    element("exact-told").textContent = `The exact score is that of ${whose}: ${told}`;
    for (const only of document.querySelectorAll("[data-needs-data]")) only.hidden = data === null;
  }

  // What the controls say.
  get now() {
    const checked = (name) => document.querySelector(`input[name=${name}]:checked`).value;
    const value = (id) => Number(element(id).value), own = checked("source") === "own";
    return {
      own,
      followsExact: own || (this.contents.data !== null && checked("driver") === "exact"),
      solver: element("solver").value,
      variance: element("variance").value,
      steps: this.steps[value("steps")],
      points: POINTS[value("points")],
      seed: BigInt.asUintN(64, BigInt(element("seed").value.replace(/\D/g, "") || 0)),
      family: element("family").value,
      shape: { betaStart: 10 ** value("beta-start"), betaEnd: 10 ** value("beta-end"), offset: value("offset") },
    };
  }

  // All as at first but for these.
  set(changes) {
    const all = { ...AT_FIRST, ...changes };
    const nearest = (list, wanted) => list.findLastIndex((value) => value <= wanted);
    for (const name of ["source", "driver"]) {
      document.querySelector(`input[name=${name}][value=${all[name]}]`).checked = true;
    }
    for (const name of ["solver", "variance", "family"]) element(name).value = all[name];
    element("steps").value = nearest(this.steps, all.steps);
    element("points").value = nearest(POINTS, all.points);
  }

  // What stands beside the controls, and which of them are of use.
  label() {
    const { own, followsExact, solver, steps, points, family, shape } = this.now, known = this.contents.data !== null;
    const beside = {
      steps: inWords(steps),
      points: inWords(points),
      "beta-start": shape.betaStart.toPrecision(2),
      "beta-end": shape.betaEnd.toPrecision(2),
      offset: shape.offset.toFixed(3),
    };
    for (const [id, text] of Object.entries(beside)) {
      element(`${id}-value`).value = text;
      element(id).setAttribute("aria-valuetext", text);
    }
    for (const row of document.querySelectorAll(".of-betas")) row.hidden = family === "own" || family === "cosine";
    document.querySelector(".of-cosine").hidden = family !== "cosine";
    element("variance-row").hidden = solver !== "ancestral";
    element("drawing").hidden = !own;
    element("drivers").hidden = own || !known;
    element("exact-shown").hidden = !own && !known;
    element("network-shown").hidden = own;
    element("data-shown").hidden = !own && !known;
    element("error").hidden = own || !known;
    document.documentElement.style.setProperty("--samples", `var(--${followsExact ? "exact" : "network"})`);
  }

  // Whether something is to be drawn: its box is ticked, and of use.
  shows(name) {
    return element(`show-${name}`).checked && !element(`${name}-shown`)?.hidden;
  }
}
