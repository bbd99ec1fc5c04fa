// Words of the pages in the reader's language.

import en from "./en.js";
import fr from "./fr.js";
import * as told from "./fr_told.js";

export const LANGUAGES = { en: "English", fr: "Français" };
const TABLES = { en, fr };
let language = "en";

export function setLanguage(code) {
  language = code in TABLES ? code : "en";
  document.documentElement.lang = language;
  try {
    localStorage.setItem("endplate-language", language);
  } catch {
    // a browser that keeps nothing
  }
}

export function firstLanguage() {
  let kept = null;
  try {
    kept = localStorage.getItem("endplate-language");
  } catch {
    // as above
  }
  const own = (navigator.language || "en").slice(0, 2);
  return kept in TABLES ? kept : own in TABLES ? own : "en";
}

export function currentLanguage() {
  return language;
}

// The words of a key; {name} is replaced by values.name.
export function t(key, values = {}) {
  const text = TABLES[language][key] ?? TABLES.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

export function has(key) {
  return key in TABLES[language];
}

const LEVEL = /\b(?:C7|T1[0-3]|T[1-9]|L[1-6]|S1)\b/g;

// A French sentence with what the English one names.
function filled(text, english) {
  const bare = english.replace(LEVEL, " ");
  const found = /\d+(?:[.,]\d+)?/.exec(bare);
  const values = { advice: t("level_advice"), levels: [...new Set(english.match(LEVEL) || [])].join(", "), number: found ? found[0].replace(".", ",") : "?" };
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// What the server tells in English, in the reader's language: { code, message } of a reading.
export function reason({ code, message }) {
  const known = language === "fr" && told.REASONS[code];
  // What the command line would do about it is of no use here.
  const advised = message.replace(/check them, or give one with --levels.*$/, t("level_advice"));
  const text = known ? filled(known[1], message) : advised;
  return code === "reader_note" ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

export function reasonName(code) {
  return language === "fr" && told.REASONS[code] ? told.REASONS[code][0] : code.replaceAll("_", " ");
}

// The sentence of a flag; `english` is the server's.
export function flag(name, english) {
  return (language === "fr" && told.FLAGS[name]) || english || name.replaceAll("_", " ");
}

export function measureLabel(name, english) {
  return (language === "fr" && told.MEASURES[name]) || english || name.replaceAll("_", " ");
}

// Why the server refused.
export function refusal(message) {
  const found = language === "fr" && told.REFUSALS.find(([part]) => message.includes(part));
  return found ? filled(found[1], message) : message;
}

const DIGITS = { deg: 1, mm: 1, ratio: 2, "%": 0, grade: 0, mm2: 0 };
const SIGNS = { deg: "°", mm: " mm", ratio: "", "%": " %", grade: "", mm2: " mm²" };

// Making a formatter takes longer than using it a hundred times.
const formatters = new Map();

function formatter(digits) {
  const key = `${language} ${digits}`;
  if (!formatters.has(key)) {
    const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    formatters.set(key, new Intl.NumberFormat(language, fixed));
  }
  return formatters.get(key);
}

export function number(value, digits) {
  return formatter(digits).format(Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value).replace("-", "−");
}

export function quantity(value, unit) {
  return number(value, DIGITS[unit] ?? 2) + (SIGNS[unit] ?? ` ${unit}`);
}

export function day(text) {
  const parts = /^(\d{4})-?(\d{2})-?(\d{2})/.exec(text || "");
  if (!parts) return text || "";
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" }).format(
    new Date(Date.UTC(parts[1], parts[2] - 1, parts[3]))
  );
}

export function moment(text) {
  const time = new Date(text);
  if (Number.isNaN(time.valueOf())) return text;
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(time);
}
