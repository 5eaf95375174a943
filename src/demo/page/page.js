// Wires the page: the room's feed into the timeline and the phone, the samples into their buttons.

import { watchLapse } from './lapse.js';
import { loadRoom, notify } from './panel.js';
import { loadSamples } from './samples.js';
import { add, reset } from './timeline.js';

const live = document.getElementById('live');

function state(name) {
  live.dataset.state = name;
  live.textContent = name;
}

function listen() {
  const feed = new EventSource('demo/events');
  feed.addEventListener('open', () => state('live'));
  // The browser connects again by itself and says what it has seen.
  feed.addEventListener('error', () => state('reconnecting'));
  feed.addEventListener('reset', reset);
  feed.addEventListener('message', ({ data }) => {
    const sent = JSON.parse(data);
    add(sent);
    notify(sent);
  });
}

listen();
await Promise.all([loadRoom(), loadSamples(), watchLapse()]);
