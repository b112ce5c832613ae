// Formats numbers, sizes, times and shares.

/**
 * A whole number with thousands separators.
 * @param {number} number
 */
export const formatCount = (number) => Number(number).toLocaleString("en");

/**
 * A number and its noun, in the singular or the plural.
 * @param {number} number
 * @param {string} noun
 * @param {string} [nouns] The plural of the noun.
 */
export const pluralize = (number, noun, nouns = `${noun}s`) => `${formatCount(number)} ${number === 1 ? noun : nouns}`;

/**
 * A share as a percentage, without the percent sign. 0 and 100 are exact; 0.0 and 100.0 are rounded.
 * @param {number} share
 * @param {number} [digits]
 */
export const formatPoints = (share, digits = 1) => (100 * share).toFixed(share === 0 || share === 1 ? 0 : digits);

/**
 * A share as a percentage.
 * @param {number} share
 * @param {number} [digits]
 */
export const formatPercent = (share, digits = 1) => `${formatPoints(share, digits)}\u00a0%`;

/** @typedef {import("../client/types.js").Interval} Interval */

/**
 * The confidence interval of a share in percent, without the percent sign.
 * @param {Interval} interval
 */
export const formatRange = (interval) => `${formatPoints(interval.low)} to ${formatPoints(interval.high)}`;

/**
 * A share with its confidence interval.
 * @param {Interval} interval
 */
export const formatShareWithRange = (interval) => `${formatPercent(interval.value)} (${formatRange(interval)})`;

/**
 * A large number, rounded, with a metric prefix such as k or M.
 * @param {number} number
 */
export function abbreviate(number) {
  if (number >= 1e9) return `${(number / 1e9).toFixed(1)} G`;
  if (number >= 1e6) return `${(number / 1e6).toFixed(1)} M`;
  if (number >= 1e4) return `${Math.round(number / 1e3)} k`;
  return formatCount(Math.round(number));
}

/**
 * A number of bytes as kB, MB or GB, at least 1 kB.
 * @param {number} number
 */
export function formatBytes(number) {
  if (number >= 1e9) return `${(number / 1e9).toFixed(1)} GB`;
  if (number >= 1e6) return `${(number / 1e6).toFixed(number < 1e7 ? 1 : 0)} MB`;
  return `${Math.max(1, Math.round(number / 1e3))} kB`;
}

/**
 * A duration; empty if it is unknown.
 * @param {number | null | undefined} number In seconds.
 */
export function formatSeconds(number) {
  if (number === null || number === undefined || !Number.isFinite(number)) return "";
  if (number < 90) return `${Math.round(number)} s`;
  if (number < 5400) return `${Math.round(number / 60)} min`;
  return `${(number / 3600).toFixed(1)} h`;
}

/**
 * An elapsed time as on a clock: 0:07, 12:05 or 1:02:03.
 * @param {number} number In seconds.
 */
export function formatClock(number) {
  const seconds = Math.max(0, Math.floor(number));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = String(seconds % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/**
 * A date and time; only the time if the date is today.
 * @param {number | string} timestamp Seconds since 1970, or ISO 8601.
 * @param {Date} [now]
 */
export function formatDateTime(timestamp, now = new Date()) {
  const date = typeof timestamp === "number" ? new Date(timestamp * 1000) : new Date(timestamp);
  const isToday = now.toDateString() === date.toDateString();
  return date.toLocaleString("en-GB", isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

/**
 * The height and width of photos in pixels, such as 96 × 128.
 * @param {number | number[]} imageSize The height and width, or one number if they are equal.
 */
export const formatSides = (imageSize) =>
  Array.isArray(imageSize) ? imageSize.join(" × ") : `${imageSize} × ${imageSize}`;

/**
 * A number rounded to the given number of significant digits, without trailing zeros.
 * @param {number} number
 * @param {number} digits
 */
export const roundTo = (number, digits) => Number(number.toPrecision(digits));
