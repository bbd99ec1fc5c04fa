// Which films the worklist shows, and in which order.

import { reasonName } from "./words.js";

const ORDER = { flagged: 0, blinded: 0, rejected: 1, accepted: 2 };

export function statusOf(row) {
  return row.signed ? "signed" : row.status;
}

export const FILTERS = {
  all: () => true,
  todo: (r) => !r.signed,
  flagged: (r) => !r.signed && r.status === "flagged",
  accepted: (r) => !r.signed && r.status === "accepted",
  rejected: (r) => !r.signed && r.status === "rejected",
  signed: (r) => r.signed,
};

function textOf(row) {
  return [row.name, row.subject, row.date, row.worst, row.reader, ...(row.reasons || []).flatMap((r) => [r, reasonName(r)])]
    .join(" ")
    .toLowerCase();
}

const SORTS = {
  status: (r) => (r.signed ? 9 : ORDER[r.status] ?? 5),
  film: (r) => r.name,
  subject: (r) => `${r.subject || ""} ${r.date || ""}`, // visits in their order
  date: (r) => r.date || "",
  levels: (r) => r.count ?? 0,
  finding: (r) => -(r.loss ?? -1e9),
  reader: (r) => r.reader || "",
};

// Made once: comparing through it is several times as quick.
const collator = new Intl.Collator(undefined, { numeric: true });

// Rows that fit show and text, sorted; ties stay in the server's order, flagged first.
export function arrange(rows, { show, text, sort, down }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = rows.filter(
    (r) => FILTERS[show](r) && (!words.length || words.every((w) => textOf(r).includes(w)))
  );
  if (!sort) return kept;
  const of = SORTS[sort];
  const compare = (a, b) => {
    const [x, y] = [of(a), of(b)];
    const order = typeof x === "number" ? x - y : collator.compare(x, y);
    return down ? -order : order;
  };
  return kept.sort(compare);
}
