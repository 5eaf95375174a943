// The line above the page that says what does not work now.

import { Refused } from './api.js';

const line = document.getElementById('trouble');
const found = new Map();
let whenItAnswers = () => {};

/** Calls `answers` when the relay answers again after it did not. */
export function wire(answers) {
  whenItAnswers = answers;
}

/** Says what `who` found out; `null` when it works again. Returns whether there is no point in going on. */
export function trouble(who, error) {
  const refused = error instanceof Refused;
  const text = refused ? error.message : 'The relay does not answer. This page goes on when it does.';
  if (error) found.set(who, text);
  else if (found.delete(who) && who === 'look') whenItAnswers();
  const all = [...new Set(found.values())].join(' ');
  if (line.textContent !== all) line.textContent = all;
  line.hidden = all === '';
  return refused && error.status === 401;
}
