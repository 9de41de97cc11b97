// What an hour of a worker costs: this reader's own number, kept in this browser, so that the farm page can tell money.

const KEY = "millrace-price-per-worker-hour";

export const pricePerWorkerHour = () => Number(localStorage.getItem(KEY)) || 0;

export function setPricePerWorkerHour(price) {
  if (price > 0) localStorage.setItem(KEY, String(price));
  else localStorage.removeItem(KEY);
}
