// A chain as it is reckoned, a few milliseconds at a time, so that the page stays alive.

class Run {
  constructor(chain, rows) {
    this.chain = chain;
    this.times = [rows[0].t, ...rows.map((row) => row.s)]; // of the states
    this.states = [chain.next().value];
  }

  get steps() {
    return this.times.length - 1;
  }

  get done() {
    return this.states.length > this.steps;
  }

  // At least one row more, and others until the milliseconds are over.
  advance(milliseconds) {
    const end = performance.now() + milliseconds;
    do this.states.push(this.chain.next().value);
    while (!this.done && performance.now() < end);
  }

  // Where the points are after `position` steps, on the straight line between two states where that is no whole
  // number: { t, x }.
  at(position) {
    const k = Math.min(Math.floor(position), this.states.length - 1), share = position - k;
    if (share <= 0 || k + 1 >= this.states.length) return { t: this.times[k], x: this.states[k] };
    const [from, to] = [this.states[k], this.states[k + 1]];
    const t = Math.round(this.times[k] + share * (this.times[k + 1] - this.times[k]));
    return { t, x: from.map((value, i) => value + share * (to[i] - value)) };
  }
}
