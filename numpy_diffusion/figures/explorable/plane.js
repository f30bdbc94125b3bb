// The picture: points, trajectories and arrows in the plane of the data.

const REACH = 3.2; // of the picture, in standard deviations of the wider coordinate
const HEADS = { smooth: 40, noisy: 12 }; // trajectories at the most: of a chain with noise they soon cover all
const LARGE = 3.5; // of |eps|, which one of 400 is above
const CORNERS = 200; // of a trajectory, about

// A colour of the page's style sheet, light or dark.
function colourOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// The canvas's context in CSS pixels, cleared; [context, width, height].
function freshContext(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas, ratio = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return [context, width, height];
}

class Plane {
  // What is drawn is in the model's units u; the picture shows the data's, x = shift + scale u.
  constructor(canvas, { shift, scale }) {
    this.canvas = canvas;
    this.shift = shift;
    this.scale = scale;
    this.half = REACH * Math.max(...scale, Number.MIN_VALUE);
  }

  clear() {
    [this.context, this.side] = freshContext(this.canvas);
    this.perUnit = this.side / (2 * this.half); // pixels
    this.lines();
  }

  // Pixels of a point of the model's units, and back.
  across(u) {
    return this.side / 2 + this.scale[0] * u * this.perUnit;
  }
  down(u) {
    return this.side / 2 - this.scale[1] * u * this.perUnit;
  }
  toModel(across, down) {
    const [x, y] = [(across - this.side / 2) / this.perUnit, (this.side / 2 - down) / this.perUnit];
    return [x / (this.scale[0] || 1), y / (this.scale[1] || 1)];
  }

  // Lines at round numbers of the data's units.
  lines() {
    this.context.lineWidth = 1;
    this.context.strokeStyle = colourOf("grid");
    for (const { at } of this.ticks(0)) this.segment(at, 0, at, this.side);
    for (const { at } of this.ticks(1)) this.segment(0, this.side - at, this.side, this.side - at);
  }

  // The numbers, over all else.
  numbers() {
    const context = this.context;
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = colourOf("soft");
    context.strokeStyle = colourOf("paper");
    context.lineWidth = 4;
    const write = (text, x, y) => [context.strokeText(text, x, y), context.fillText(text, x, y)];
    for (const { at, text } of this.ticks(0)) write(text, at + 3, this.side - 6);
    for (const { at, text } of this.ticks(1)) write(text, 5, this.side - at - 4);
  }

  // Round numbers along an axis: { at, text }, `at` in pixels from the left or from below.
  ticks(axis) {
    const step = roundStep(this.half / 1.5), low = this.shift[axis] - this.half, found = [];
    for (let k = Math.ceil(low / step); k * step < low + 2 * this.half; k++) {
      const text = String(Number((k * step).toPrecision(6))).replace("-", "−");
      found.push({ at: (k * step - low) * this.perUnit, text });
    }
    return found.filter(({ at }) => at > 24 && at < this.side - 24);
  }

  segment(x0, y0, x1, y1) {
    this.context.beginPath();
    this.context.moveTo(x0, y0);
    this.context.lineTo(x1, y1);
    this.context.stroke();
  }

  // Points [2 n] as dots.
  dots(x, colour, radius, opacity) {
    const context = this.context;
    context.globalAlpha = opacity;
    context.fillStyle = colour;
    context.beginPath();
    for (let i = 0; i < x.length; i += 2) {
      const [across, down] = [this.across(x[i]), this.down(x[i + 1])];
      context.moveTo(across + radius, down);
      context.arc(across, down, radius, 0, 2 * Math.PI);
    }
    context.fill();
    context.globalAlpha = 1;
  }

  // The ways of the first points through the states, to `at` strongly and beyond it faintly.
  trajectories(states, now, at, colour, noisy) {
    const passed = Math.floor(at), stride = Math.ceil(states.length / CORNERS);
    const some = (_, k) => k % stride === 0;
    this.context.strokeStyle = colour;
    const heads = now.subarray(0, 2 * (noisy ? HEADS.noisy : HEADS.smooth));
    this.ways(heads.length, [...states.slice(0, passed + 1).filter(some), now], noisy ? 0.3 : 0.5, 1.2);
    this.ways(heads.length, [now, ...states.slice(passed + 1).filter(some)], 0.14, 1);
    this.dots(heads, colourOf("paper"), 4.4, 1);
    this.dots(heads, colour, 3.2, 1);
  }

  ways(count, states, opacity, width) {
    const context = this.context;
    context.globalAlpha = opacity;
    context.lineWidth = width;
    context.beginPath();
    for (let i = 0; i < count; i += 2) {
      context.moveTo(this.across(states[0][i]), this.down(states[0][i + 1]));
      for (const state of states) context.lineTo(this.across(state[i]), this.down(state[i + 1]));
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  // Places of arrows, evenly over the picture: Float32Array [2 m] in the model's units.
  places() {
    const count = this.side < 480 ? 11 : 17, cell = this.side / count;
    this.cell = cell;
    const at = (k) => (k + 0.5) * cell;
    const pair = (_, k) => this.toModel(at(k % count), at(Math.floor(k / count)));
    return Float32Array.from(Array.from({ length: count * count }, pair).flat());
  }

  // An arrow of -eps at each place; the longer it is, the more it is shortened.  Faint where hardly any x_t lies.
  arrows(places, eps, colour, width, opacity) {
    const context = this.context, size = (i) => Math.hypot(eps[i], eps[i + 1]);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.lineCap = context.lineJoin = "round";
    for (const near of [false, true]) {
      context.globalAlpha = near ? opacity : 0.3 * opacity;
      context.beginPath();
      for (let i = 0; i < places.length; i += 2) {
        if (size(i) > 0 && size(i) < LARGE === near) {
          this.arrow(places[i], places[i + 1], -eps[i] / size(i), -eps[i + 1] / size(i), size(i));
        }
      }
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  arrow(u, v, du, dv, size) {
    const [across, down] = [this.scale[0] * du, -this.scale[1] * dv], norm = Math.hypot(across, down) || 1;
    const [ux, uy] = [across / norm, down / norm];
    const length = (0.92 * this.cell * size) / (size + 1), head = Math.min(5, 0.4 * length);
    const [x0, y0] = [this.across(u), this.down(v)], [x1, y1] = [x0 + length * ux, y0 + length * uy];
    this.context.moveTo(x0, y0);
    this.context.lineTo(x1, y1);
    this.context.moveTo(x1 - head * (ux - 0.6 * uy), y1 - head * (uy + 0.6 * ux));
    this.context.lineTo(x1, y1);
    this.context.lineTo(x1 - head * (ux + 0.6 * uy), y1 - head * (uy - 0.6 * ux));
  }

  invite(text) {
    this.context.font = "16px system-ui, sans-serif";
    this.context.textAlign = "center";
    this.context.fillStyle = colourOf("soft");
    this.context.fillText(text, this.side / 2, 0.4 * this.side);
    this.context.textAlign = "left";
  }

  // The cross with which points are set by keys.
  cross([u, v]) {
    const [across, down] = [this.across(u), this.down(v)];
    this.context.strokeStyle = colourOf("ink");
    this.context.lineWidth = 1.5;
    this.segment(across - 9, down, across + 9, down);
    this.segment(across, down - 9, across, down + 9);
  }
}

// 1, 2 or 5 times a power of ten, at most `size`.
function roundStep(size) {
  const power = 10 ** Math.floor(Math.log10(size));
  return power * [5, 2, 1].find((factor) => factor * power <= size * 1.0000001);
}
