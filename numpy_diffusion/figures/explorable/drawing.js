// Points of the reader's own, set with pointer or keys, in the model's units.

const MOST_POINTS = 500;
const APART = 7; // pixels between the points of a line

class Drawing {
  // `changed` is called at each change with whether it is complete, as a line is when the pointer is lifted.
  constructor(plane, changed) {
    Object.assign(this, { plane, changed, strokes: [], cursor: [0, 0], pen: null });
    const canvas = plane.canvas;
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => this.lift());
    canvas.addEventListener("keydown", (event) => this.key(event));
    const actions = { "two-points": () => this.twoPoints(), ring: () => this.ring(), undo: () => this.undo() };
    for (const [id, action] of Object.entries({ ...actions, clear: () => this.set([]) })) {
      document.getElementById(id).addEventListener("click", action);
    }
  }

  get active() {
    return this.plane.canvas.classList.contains("drawing");
  }

  set active(on) {
    if (on && !this.active) this.plane.canvas.scrollIntoView({ block: "nearest" }); // a telephone shows the controls
    this.plane.canvas.classList.toggle("drawing", on);
  }

  get points() {
    return Float32Array.from(this.strokes.flat(2).slice(0, 2 * MOST_POINTS));
  }

  begin(event) {
    if (!this.active) return;
    event.preventDefault();
    this.plane.canvas.focus({ preventScroll: true });
    this.plane.canvas.setPointerCapture(event.pointerId);
    this.pen = [event.offsetX, event.offsetY];
    this.strokes.push([this.plane.toModel(...this.pen)]);
    this.changed(false);
  }

  move(event) {
    if (this.pen === null) return;
    const [x, y] = this.pen, distance = Math.hypot(event.offsetX - x, event.offsetY - y);
    const direction = [(event.offsetX - x) / distance, (event.offsetY - y) / distance];
    for (let k = 1; k * APART <= distance; k++) {
      this.pen = [x + k * APART * direction[0], y + k * APART * direction[1]];
      this.strokes.at(-1).push(this.plane.toModel(...this.pen));
    }
    this.changed(false);
  }

  lift() {
    if (this.pen === null) return;
    this.pen = null;
    this.changed(true);
  }

  key(event) {
    if (!this.active) return;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.key in moves) {
      this.cursor = this.cursor.map((u, axis) => Math.min(Math.max(u + 0.15 * moves[event.key][axis], -3), 3));
    } else if (event.key === "Enter") {
      this.strokes.push([this.cursor]);
    } else if (event.key === "Backspace") {
      this.strokes.pop();
    } else {
      return;
    }
    event.preventDefault();
    this.changed(event.key === "Enter" || event.key === "Backspace");
  }

  // In place of all that was drawn.
  set(strokes) {
    this.strokes = strokes;
    this.changed(true);
  }

  undo() {
    this.set(this.strokes.slice(0, -1));
  }

  twoPoints() {
    this.set([[[-1, 0]], [[1, 0]]]);
  }

  ring() {
    const angles = Array.from({ length: 60 }, (_, k) => (2 * Math.PI * k) / 60);
    this.set([angles.map((angle) => [1.3 * Math.cos(angle), 1.3 * Math.sin(angle)])]);
  }
}
