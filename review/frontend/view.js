// Where film pixels lie on the screen: screen = (film + 0.5) * zoom + offset. The half is there
// because the centre of the first pixel is (0, 0), and a pixel is drawn as a square.

export function fit(columns, rows, width, height, aspect = 1) {
  const zoom = Math.min(width / columns, height / (rows * aspect)) * 0.98;
  return {
    zoom,
    aspect,
    x: (width - columns * zoom) / 2,
    y: (height - rows * aspect * zoom) / 2,
  };
}

// The view that shows a box of the film, [left, top, right, bottom], whole; no smaller than `all`,
// the view of the whole film, at most four times as large, and nothing beside the film while there
// is more of it.
export function fitBox([left, top, right, bottom], [columns, rows], width, height, all) {
  const { aspect } = all;
  const wanted = Math.min(4 * all.zoom, width / (right - left), height / ((bottom - top) * aspect));
  const zoom = Math.max(all.zoom, wanted);
  const { x, y } = centred([(left + right) / 2, (top + bottom) / 2], [width / 2, height / 2], zoom, aspect);
  const within = (at, length, room) => (length < room ? (room - length) / 2 : Math.min(0, Math.max(room - length, at)));
  return { zoom, aspect, x: within(x, columns * zoom, width), y: within(y, rows * zoom * aspect, height) };
}

export function toScreen(view, [x, y]) {
  return [(x + 0.5) * view.zoom + view.x, (y + 0.5) * view.zoom * view.aspect + view.y];
}

export function toFilm(view, [x, y]) {
  return [(x - view.x) / view.zoom - 0.5, (y - view.y) / (view.zoom * view.aspect) - 0.5];
}

export function zoomAt(view, factor, [x, y], least = 0.02, most = 40) {
  const zoom = Math.min(most, Math.max(least, view.zoom * factor));
  const f = zoom / view.zoom;
  return { ...view, zoom, x: x - (x - view.x) * f, y: y - (y - view.y) * f };
}

export function pan(view, dx, dy) {
  return { ...view, x: view.x + dx, y: view.y + dy };
}

// The view that shows a film point at a screen point with that zoom.
export function centred(point, [x, y], zoom, aspect = 1) {
  return { zoom, aspect, x: x - (point[0] + 0.5) * zoom, y: y - (point[1] + 0.5) * zoom * aspect };
}

// Half axes (screen pixels) and turn (degrees) of the 90 % ellipse of a covariance [xx, xy, yy].
export function ellipse([xx, xy, yy], view) {
  const a = xx * view.zoom ** 2, c = yy * (view.zoom * view.aspect) ** 2;
  const b = xy * view.zoom ** 2 * view.aspect;
  const mean = (a + c) / 2, half = Math.hypot((a - c) / 2, b);
  const k = Math.sqrt(4.605); // 90 % of a two-dimensional normal distribution
  return {
    rx: k * Math.sqrt(Math.max(mean + half, 0)),
    ry: k * Math.sqrt(Math.max(mean - half, 0)),
    turn: (Math.atan2(2 * b, a - c) / 2) * (180 / Math.PI),
  };
}
