// The place in the chain, from 0, noise, to its last step, data: a slider, two buttons and keys move it.

const SECONDS_A_STEP = 0.35, SHORTEST = 1.5, LONGEST = 7; // of a whole chain, in seconds

class Player {
  // `changed` is called whenever the place is another.
  constructor(slider, toNoise, toData, changed) {
    Object.assign(this, { slider, changed, position: 0, direction: 0 });
    this.buttons = [[toNoise, -1, toNoise.textContent], [toData, 1, toData.textContent]];
    for (const [button, direction] of this.buttons) button.addEventListener("click", () => this.toggle(direction));
    slider.addEventListener("input", () => this.goTo(Number(slider.value)));
    document.addEventListener("keydown", (event) => this.key(event));
  }

  get steps() {
    return Number(this.slider.max);
  }

  // A chain of so many steps, entered where the one before was left.
  setSteps(steps) {
    const share = this.position / this.steps;
    this.slider.max = steps;
    this.place(share * steps);
  }

  goTo(position) {
    this.play(0);
    this.place(position);
  }

  place(position) {
    this.position = Math.min(Math.max(position, 0), this.steps);
    this.slider.value = Math.round(this.position);
    this.changed();
  }

  // Play in this direction, or pause if that is what it does; from the far end it starts over.
  toggle(direction) {
    if (this.direction === direction) return this.play(0);
    const end = direction > 0 ? this.steps : 0;
    if (this.position === end) this.place(this.steps - end);
    return this.play(direction);
  }

  play(direction) {
    this.direction = direction;
    for (const [button, own, text] of this.buttons) button.textContent = own === direction ? "❚❚ pause" : text;
    if (direction === 0) this.place(this.position > 0 ? Math.round(this.position) : 0);
    else this.changed();
  }

  // On by so many seconds, though not beyond the steps that are known.
  advance(seconds, known) {
    const whole = Math.min(Math.max(this.steps * SECONDS_A_STEP, SHORTEST), LONGEST);
    this.place(Math.min(this.position + (this.direction * seconds * this.steps) / whole, known));
    if (this.position === (this.direction > 0 ? this.steps : 0)) this.play(0);
  }

  key(event) {
    const taken = event.target.closest("button, select, summary, input:not([type=range])");
    if (event.key === " " && taken === null) {
      event.preventDefault();
      this.toggle(event.shiftKey ? -1 : 1);
    }
    const moves = { ArrowLeft: this.position - 1, ArrowRight: this.position + 1, Home: 0, End: this.steps };
    if (event.key in moves && event.target.closest("button, select, input, .drawing") === null) {
      event.preventDefault();
      this.goTo(Math.round(moves[event.key]));
    }
  }
}
