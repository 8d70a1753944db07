// From values to what people read. All times are the world's, in UTC.

const STEPS = ["", "k", "M", "G", "T", "P", "E", "Z"];

/** A hashrate with its unit: 41.20 TH/s, 310.5 Sol/s. */
export function hashrate(value, unit = "H/s") {
  const [number, prefix] = scaled(value);
  return `${number} ${prefix}${unit}`;
}

/** The number for people and its prefix: three to four digits. */
export function scaled(value) {
  let step = 0;
  let number = Number(value) || 0;
  while (Math.abs(number) >= 999.95 && step < STEPS.length - 1) {
    number /= 1000;
    step += 1;
  }
  const digits = number === 0 ? 0 : Math.abs(number) >= 100 ? 1 : 2;
  return [step === 0 && Number.isInteger(number) ? String(number) : number.toFixed(digits), STEPS[step]];
}

export const count = (value) => Number(value).toLocaleString("en-US");

export const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(part === whole ? 0 : 1)} %` : "–");

/** 2026-11-23 03:04:05 of an ISO text, Unix seconds or milliseconds as a Date takes them. */
export function moment(value) {
  if (value === null || value === undefined) return "–";
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? String(value) : date.toISOString().slice(0, 19).replace("T", " ");
}

export const clockTime = (value) => moment(value).slice(11);

/** How long, in the two largest units: 3 d 4 h. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor((whole % 86400) / 3600), "h"],
    [Math.floor((whole % 3600) / 60), "min"],
    [whole % 60, "s"],
  ].filter(([number]) => number > 0);
  return parts.length ? parts.slice(0, 2).map(([number, unit]) => `${number} ${unit}`).join(" ") : "0 s";
}

export function bytes(value) {
  return value >= 1 << 20 ? `${(value / (1 << 20)).toFixed(1)} MiB` : `${Math.max(1, Math.round(value / 1024))} KiB`;
}

/** "1 worker", "2 workers". */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
