// Grey values to what the screen shows: window, level, invert, sharpening. Pure functions.

// Values below and above which 0.5 % and 99.8 % of a sample lie: a window to begin with.
export function autoWindow({ values, bits }) {
  const bins = new Uint32Array(bits === 8 ? 256 : 65536);
  const step = Math.max(1, Math.floor(values.length / 200000));
  let count = 0;
  for (let i = 0; i < values.length; i += step) {
    if (values[i] === 0) continue; // collimated or padded
    bins[values[i]] += 1;
    count += 1;
  }
  const at = (share) => {
    let sum = 0;
    for (let v = 0; v < bins.length; v += 1) {
      sum += bins[v];
      if (sum >= share * count) return v;
    }
    return bins.length - 1;
  };
  if (!count) return { level: (bins.length - 1) / 2, width: bins.length - 1 };
  const low = at(0.005), high = at(0.998);
  return { level: (low + high) / 2, width: Math.max(high - low, 2) };
}

// Table of 32-bit pixels (grey, opaque; little-endian) for every stored value.
export function table(bits, { level, width, invert }) {
  const size = bits === 8 ? 256 : 65536;
  const out = new Uint32Array(size);
  const low = level - width / 2;
  for (let v = 0; v < size; v += 1) {
    let grey = ((v - low) / width) * 255;
    grey = grey < 0 ? 0 : grey > 255 ? 255 : Math.round(grey);
    if (invert) grey = 255 - grey;
    out[v] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return out;
}

export function paint(values, lut, out) {
  for (let i = 0; i < values.length; i += 1) out[i] = lut[values[i]];
}

// Unsharp mask: what a box blur of that radius takes away is added `amount` times.
export function sharpen({ rows, columns, bits, values }, amount, radius) {
  if (!amount) return values;
  const top = bits === 8 ? 255 : 65535;
  const blurred = new Float32Array(values.length);
  const size = 2 * radius + 1;
  for (let r = 0; r < rows; r += 1) {
    const o = r * columns;
    let sum = 0;
    for (let c = -radius; c <= radius; c += 1) sum += values[o + clamp(c, columns)];
    for (let c = 0; c < columns; c += 1) {
      blurred[o + c] = sum / size;
      sum += values[o + clamp(c + radius + 1, columns)] - values[o + clamp(c - radius, columns)];
    }
  }
  const out = values.slice();
  const sums = new Float64Array(columns);
  for (let r = -radius; r <= radius; r += 1) {
    const o = clamp(r, rows) * columns;
    for (let c = 0; c < columns; c += 1) sums[c] += blurred[o + c];
  }
  for (let r = 0; r < rows; r += 1) {
    const o = r * columns;
    const next = clamp(r + radius + 1, rows) * columns, last = clamp(r - radius, rows) * columns;
    for (let c = 0; c < columns; c += 1) {
      const value = values[o + c] + amount * (values[o + c] - sums[c] / size);
      out[o + c] = value < 0 ? 0 : value > top ? top : value;
      sums[c] += blurred[next + c] - blurred[last + c];
    }
  }
  return out;
}

function clamp(i, n) {
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}
