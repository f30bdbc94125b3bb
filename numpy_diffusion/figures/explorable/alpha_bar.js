// The schedule's picture: alpha_bar by t, the steps that the chain takes, and where it is now.

function drawAlphaBar(canvas, schedule, own, t, steps) {
  const [context, width, height] = freshContext(canvas), T = schedule.T;
  const [left, right, top, bottom] = [30, width - 8, 10, height - 24];
  const across = (step) => right - (step / T) * (right - left); // noise on the left, as on the slider
  const up = (share) => bottom - share * (bottom - top);
  const line = (points, colour, thickness, dashes = []) => {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.setLineDash(dashes);
    context.beginPath();
    points.forEach(([x, y], k) => (k === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
    context.stroke();
    context.setLineDash([]);
  };
  const curve = (alphaBar) => Array.from(alphaBar, (share, step) => [across(step), up(share)]);

  context.font = "11px system-ui, sans-serif";
  context.fillStyle = colourOf("soft");
  for (const share of [0, 0.5, 1]) {
    line([[left, up(share)], [right, up(share)]], colourOf("line"), 1);
    context.fillText(String(share), 6, up(share) + 4);
  }
  context.fillText(`t = ${T}`, left, height - 6);
  context.textAlign = "right";
  context.fillText("0", right, height - 6);
  context.textAlign = "center";
  context.fillText(width < 260 ? "ᾱ" : "ᾱ by t; ticks: steps taken", (left + right) / 2, height - 6);
  context.textAlign = "left";

  const shown = Math.max(1, Math.ceil(steps.length / 100)); // more ticks would run together
  steps.filter((_, k) => k % shown === 0).forEach((step) => {
    line([[across(step), bottom], [across(step), bottom - 5]], colourOf("soft"), 1);
  });
  line(curve(own.alphaBar), colourOf("soft"), 1.4, [4, 4]);
  line(curve(schedule.alphaBar), colourOf("accent"), 2.4);
  line([[across(t), top], [across(t), bottom]], colourOf("ink"), 1);
  context.fillStyle = colourOf("accent");
  context.beginPath();
  context.arc(across(t), up(schedule.alphaBar[t]), 4.5, 0, 2 * Math.PI);
  context.fill();
}
