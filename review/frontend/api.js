// The only place that talks to the server.

let csrf = "";

export class Refused extends Error {
  constructor(status, values) {
    super(values.error || values.detail || `HTTP ${status}`);
    this.status = status;
    this.values = values;
  }
}

async function answer(response) {
  if (response.ok) return response;
  let values = {};
  try {
    values = await response.json();
  } catch {
    values = { error: response.status === 401 ? "session-ended" : "" };
  }
  throw new Refused(response.status, values);
}

export async function getJson(path) {
  return (await answer(await fetch(path))).json();
}

export async function openSession() {
  const session = await getJson("api/session");
  csrf = session.csrf;
  return session;
}

export async function post(path, values) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-endplate-csrf": csrf },
    body: JSON.stringify(values),
  });
  return (await answer(response)).json();
}

// As `post`, but told in one go when all has come: fetch hands over head and body one after the
// other, which costs several milliseconds while the page is busy drawing.
export function postAtOnce(path, values) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "json";
    request.setRequestHeader("content-type", "application/json");
    request.setRequestHeader("x-endplate-csrf", csrf);
    request.onload = () => {
      if (request.status === 200) resolve(request.response);
      else reject(new Refused(request.status, request.response || { error: request.status === 401 ? "session-ended" : "" }));
    };
    request.onerror = () => reject(new TypeError("the server does not answer"));
    request.send(JSON.stringify(values));
  });
}

// Grey values of a film: { rows, columns, bits, values, window }; `of` is pixels, strip, or
// pixels?aside=MM of a CT, which come with a window to begin with.
export async function getPixels(key, of = "pixels") {
  const response = await answer(await fetch(`api/films/${key}/${of}`));
  const header = (name) => Number(response.headers.get(name));
  const data = await response.arrayBuffer();
  const bits = header("x-bits");
  const values = bits === 8 ? new Uint8Array(data) : new Uint16Array(data);
  const white = header("x-white"), black = header("x-black");
  const window = white > black ? { level: (white + black) / 2, width: white - black } : null;
  return { rows: header("x-rows"), columns: header("x-columns"), bits, values, window };
}

// Download a file; errors come back as JSON and are thrown, not saved.
export async function download(path) {
  const response = await answer(await fetch(path));
  const said = response.headers.get("content-disposition") || "";
  const name = (/filename="([^"]+)"/.exec(said) || [])[1] || "endplate";
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
