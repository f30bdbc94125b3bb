// What Python wrote into the page: the schedule, the network, its units, and the data where it is known.

function numbersOf(text, kind) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new kind(bytes.buffer);
}

// { schedule, name, network, units, data }, data [2 K] in the model's units, null where it is not known.
function contentsOf(written) {
  const { beta, name } = written.schedule, { layers, weights, ...structure } = written.network;
  return {
    schedule: scheduleOf(numbersOf(beta, Float64Array)),
    name,
    network: perceptron({ ...structure, layers: layersOf(layers, numbersOf(weights, Float32Array)) }),
    units: written.units,
    data: written.data === null ? null : numbersOf(written.data, Float32Array),
  };
}

// Weight and bias of each layer, one behind the other in `weights`.
function layersOf(shapes, weights) {
  let place = 0;
  const taken = (count) => Float64Array.from(weights.subarray(place, (place += count)));
  return shapes.map(([rows, columns]) => ({ rows, columns, weight: taken(rows * columns), bias: taken(rows) }));
}
