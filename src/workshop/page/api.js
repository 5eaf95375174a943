// Requests to the relay. Where it wants its token, the user is asked once; the token stays in this tab.

const KEY = 'relay-token';
const byId = (id) => document.getElementById(id);
const dialog = byId('ask');
/** Where the relay is, from the page at `/` as well as at `/workshop/`: this file is in `workshop/static/`. */
export const root = new URL('../../', import.meta.url);
let asking = null;

/** The relay's refusal, in its own words. */
export class Refused extends Error {
  constructor(status, { detail, field }) {
    super(detail);
    Object.assign(this, { status, field });
  }
}

/** The answer's JSON; throws `Refused`, or a `TypeError` if the relay cannot be reached. */
export async function ask(path, { method = 'GET', body, signal } = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const answer = await fetch(new URL(path, root), { method, signal, headers: headers(token, body), body: body && JSON.stringify(body) });
    if (answer.status === 401) {
      // Another request may have been given the token meanwhile.
      if (sessionStorage.getItem(KEY) === token) await credential(Boolean(token));
    } else if (answer.ok) {
      return answer.json();
    } else {
      throw new Refused(answer.status, await reason(answer));
    }
  }
}

function headers(token, body) {
  const set = {};
  if (token) set.Authorization = `Bearer ${token}`;
  if (body) set['Content-Type'] = 'application/json';
  return set;
}

async function reason(answer) {
  try {
    const problem = await answer.json();
    return { detail: problem.detail || problem.title || answer.statusText, field: problem.field };
  } catch {
    return { detail: answer.statusText || `status ${answer.status}` };
  }
}

// All requests that wait share one question.
function credential(wrong) {
  asking ??= question(wrong).finally(() => { asking = null; });
  return asking;
}

function question(wrong) {
  byId('ask-wrong').textContent = wrong ? 'The relay does not accept that token.' : '';
  byId('token').value = '';
  dialog.showModal();
  return new Promise((resolve, reject) => {
    const end = new AbortController();
    const { signal } = end;
    byId('ask-form').addEventListener('submit', (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, byId('token').value.trim());
      end.abort();
      dialog.close();
      resolve();
    }, { signal });
    dialog.addEventListener('close', () => {
      end.abort();
      reject(new Refused(401, { detail: 'Without the relay’s token this page can show nothing. Reload it to be asked again.' }));
    }, { signal });
    byId('ask-later').addEventListener('click', () => dialog.close(), { signal });
  });
}
