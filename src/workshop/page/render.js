// Asks the relay for the preview: a little after the last change, and only the newest answer counts.

import { ask } from './api.js';

const QUIET_MS = 180;

/** Calls `show` with the newest answer, and `fail` with the error of the newest request. */
export class Renderer {
  #timer = null;
  #running = null;
  #waiting = null;
  #newest = null;

  constructor({ show, fail }) {
    Object.assign(this, { show, fail });
  }

  /** `request` is called when the time has come, so that it sees the newest text. */
  soon(request, wait = QUIET_MS) {
    clearTimeout(this.#timer);
    this.#waiting = request;
    this.#timer = setTimeout(() => this.#start(), wait);
  }

  /** Comes back when the newest text has been shown, or could not be. */
  async settled() {
    if (this.#waiting) this.#start();
    await this.#newest;
  }

  #start() {
    clearTimeout(this.#timer);
    const request = this.#waiting;
    this.#waiting = null;
    this.#newest = this.#now(request());
  }

  async #now(body) {
    this.#running?.abort();
    const run = new AbortController();
    this.#running = run;
    try {
      const answer = await ask('preview', { method: 'POST', body, signal: run.signal });
      if (this.#running === run) this.show(answer, body);
    } catch (error) {
      if (this.#running === run) this.fail(error, body);
    }
  }
}
