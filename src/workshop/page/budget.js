// The bytes that messages take of what an event can hold, and what was done to keep to it.

import { element } from './message.js';

/** Draws the bytes of an answer of `/preview`. */
export function drawBudget({ messages, limit, budget }, isSequence) {
  if (!messages.length) return;
  // Of a sequence the largest is enough.
  const measured = isSequence ? [messages.reduce((most, one) => (one.bytes > most.bytes ? one : most))] : messages;
  const bars = measured.map(({ bytes }, index) => bar(bytes, limit, isSequence ? 'The largest event: ' : messages.length > 1 ? `Message ${index + 1} of ${messages.length}: ` : ''));
  document.getElementById('budget').replaceChildren(...bars, ...steps(budget ?? {}).map((text) => element('p', 'step', text)));
}

function bar(bytes, limit, name) {
  const text = `${name}${bytes.toLocaleString('en')} of ${limit.toLocaleString('en')} bytes (${Math.round((bytes / limit) * 100)} %)`;
  const row = element('div', 'bytes');
  const meter = element('div', 'meter');
  const fill = element('span', '');
  const attributes = { role: 'meter', 'aria-valuemin': 0, 'aria-valuemax': limit, 'aria-valuenow': bytes, 'aria-valuetext': text, 'aria-label': 'Bytes used' };
  for (const [key, value] of Object.entries(attributes)) meter.setAttribute(key, value);
  fill.style.width = `${Math.min(100, (bytes / limit) * 100)}%`;
  meter.dataset.full = bytes > limit * 0.8;
  meter.append(fill);
  row.append(meter, element('span', '', text));
  return row;
}

function steps({ labels_truncated: truncated, alerts_hidden: alerts, extra_messages: extra, bytes_cut: cut }) {
  return [
    truncated && 'Long labels and texts are cut.',
    alerts && `${alerts} alerts are counted instead of shown.`,
    extra && `Split into ${extra + 1} messages.`,
    cut && `${cut.toLocaleString('en')} bytes fit nowhere and are cut.`,
  ].filter(Boolean);
}
